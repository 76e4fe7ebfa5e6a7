"""Whether anybody drives a pipeline run, as those who look at its record find out."""

from collections.abc import Mapping
from typing import Any

from sematic.tracking.processes import has_let_go, is_alive


def why_lost(
    driver: Mapping[str, Any],
    *,
    heartbeat_at: float | None,
    lease_seconds: float | None,
    now: float,
) -> str | None:
    """Why nobody drives a pipeline run that has not ended; ``None`` if somebody may.

    A process of this machine can be looked at. As long as it is there and has not let go, it
    drives, though it may show no sign of life: C code keeps all its threads from running, the
    record is locked, or the machine has just been asleep.

    Args:
        driver: what is recorded of the process that drives it.
        heartbeat_at: its last sign of life; ``None`` in records of older versions.
        lease_seconds: how long that counts; 0 where the driver has ended its lease itself.
        now: by the clock that ``heartbeat_at`` is of, the database's.

    Returns:
        One sentence without its end, such as "process 7, which drove it, is gone".
    """
    process = dict(driver)
    alive = is_alive(process)
    if alive is False:
        return f"process {driver.get('pid')}, which drove it, is gone"
    if lease_seconds == 0:
        place = f"process {driver.get('pid')} on {driver.get('host')}"
        return f"{place}, which was to drive it, has given that up"
    if heartbeat_at is None or lease_seconds is None or heartbeat_at + lease_seconds >= now:
        return None
    if alive and not has_let_go(process):
        return None
    return (
        f"process {driver.get('pid')} on {driver.get('host')}, which drove it, shows no sign of "
        "life any more"
    )


def sign_to_compare(driver: Mapping[str, Any], heartbeat_at: float | None) -> float | None:
    """The sign of life that must still be the last one when a driver is taken over from.

    Args:
        driver: as :func:`why_lost` takes it.
        heartbeat_at: its last sign of life that was seen.

    Returns:
        0 for none; ``None`` where there is nothing to compare: its process is gone for certain,
        though what that has left, the tracker actor, may have recorded a last batch since.
    """
    return None if is_alive(dict(driver)) is False else heartbeat_at or 0.0
