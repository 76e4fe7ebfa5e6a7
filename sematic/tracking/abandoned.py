"""What a driver that is gone has left running on this machine, and its end."""

from collections.abc import Callable, Mapping
from typing import Any

from sematic.leftovers import end_or_warn
from sematic.tracking.processes import was_here
from sematic.tracking.reading import reading

_DRIVEN_IN = "SELECT 1 FROM pipeline_runs WHERE root_id = ? AND epoch = ?"


def is_driven_in(url: str, root_id: str, *, epoch: int) -> bool:
    """Whether an epoch of a pipeline run is the newest: nobody has taken it over since.

    Raises:
        RecordError: the record cannot be read.
    """
    with reading(url) as ask:
        return bool(list(ask(_DRIVEN_IN, (root_id, epoch))))


def end_abandoned(
    root_id: str,
    driver: Mapping[str, Any],
    *,
    is_ours: Callable[[], bool],
    end_in_ray: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """End what a driver has left, if it was one of this machine; else nothing happens.

    Whoever calls this has taken the pipeline run over: nobody else starts anything for it. Takes
    some milliseconds where nothing is left, and seconds where SIGTERM does not help. Nothing more
    is ended where somebody else has taken it over meanwhile, for this process may be stopped.

    Args:
        root_id: of the pipeline run.
        driver: what is recorded of the process that drove it.
        is_ours: whether the pipeline run is still the caller's; may raise RecordError.
        end_in_ray: given the root id, ends what Ray executes for the pipeline run, also where its
            driver lives and was only stopped, and the Rays of processes that are gone.
        warn: told one sentence where processes are left; must not raise.

    Raises:
        RecordError: it cannot be asked whose the pipeline run is.
    """
    if not was_here(dict(driver)):
        return
    # Forked children hold the lock that tells whether their parent's Ray is still in use; and its
    # workers start processes as long as they live.
    end_or_warn(root_id=root_id, here_only=lambda: not is_ours(), warn=warn)
    if is_ours():
        end_in_ray(root_id)
        end_or_warn(root_id=root_id, here_only=lambda: not is_ours(), warn=warn)
