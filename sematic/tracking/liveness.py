"""Whether anybody drives a pipeline run, as those who look at its record find out."""

from collections.abc import Mapping
from typing import Any

from sematic.tracking.processes import is_alive


def why_lost(
    driver: Mapping[str, Any],
    *,
    heartbeat_at: float | None,
    lease_seconds: float | None,
    now: float,
) -> str | None:
    """Why nobody drives a pipeline run that has not ended; ``None`` if somebody may.

    Args:
        driver: what is recorded of the process that drives it.
        heartbeat_at: its last sign of life; ``None`` in records of older versions.
        lease_seconds: how long that counts.
        now: by the clock that ``heartbeat_at`` is of, the database's.

    Returns:
        One sentence without its end, such as "process 7, which drove it, is gone".
    """
    if is_alive(dict(driver)) is False:
        return f"process {driver.get('pid')}, which drove it, is gone"
    if heartbeat_at is None or lease_seconds is None or heartbeat_at + lease_seconds >= now:
        return None
    return (
        f"process {driver.get('pid')} on {driver.get('host')}, which drove it, shows no sign of "
        "life any more"
    )
