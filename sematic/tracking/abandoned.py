"""What a driver that is gone has left running on this machine, and its end."""

from collections.abc import Callable, Mapping
from typing import Any

from sematic.leftovers import end_or_warn
from sematic.tracking.processes import was_here


def end_abandoned(
    root_id: str,
    driver: Mapping[str, Any],
    *,
    end_in_ray: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """End what a driver has left, if it was one of this machine; else nothing happens.

    Whoever calls this has taken the pipeline run over: nobody else starts anything for it. Takes
    some milliseconds where nothing is left, and seconds where SIGTERM does not help.

    Args:
        root_id: of the pipeline run.
        driver: what is recorded of the process that drove it.
        end_in_ray: given the root id, ends what Ray executes for the pipeline run, also where its
            driver lives and was only stopped, and the Rays of processes that are gone.
        warn: told one sentence where processes are left; must not raise.
    """
    if not was_here(dict(driver)):
        return
    # Forked children hold the lock that tells whether their parent's Ray is still in use; and its
    # workers start processes as long as they live.
    end_or_warn(root_id=root_id, warn=warn)
    end_in_ray(root_id)
    end_or_warn(root_id=root_id, warn=warn)
