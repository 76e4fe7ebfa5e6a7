"""Ends pipeline runs in the record: through their drivers, or in place of a driver that is gone.

No code of the pipeline is needed: nothing is imported, and nothing unpickled.
"""

import logging
import time
from collections.abc import Callable
from contextlib import closing

from sematic.calls import ErrorRecord
from sematic.errors import FencedError, RecordFullError
from sematic.events import Event
from sematic.ports import Batch, PipelineRunInfo
from sematic.settlement import Settlement, cancel_lost, fail_broken, fail_lost
from sematic.tracking.abandoned import end_abandoned, is_driven_in
from sematic.tracking.history import read_events, read_recorded_functions
from sematic.tracking.liveness import sign_to_compare
from sematic.tracking.patience import Patience
from sematic.tracking.queries import open_queries
from sematic.tracking.reading import reading
from sematic.tracking.reserve import ReservePatience, in_reserve
from sematic.tracking.sql_tracker import SqlTracker
from sematic.tracking.views import PipelineRunRow
from sematic.tracking.writer import SqlWriter

_logger = logging.getLogger("sematic")
_FULL = f"{RecordFullError.__module__}.{RecordFullError.__qualname__}"


def cancel_pipeline_run(
    url: str,
    root_id: str,
    *,
    reason: str,
    end_in_ray: Callable[[str], None] = lambda root_id: None,
    warn: Callable[[str], None] = _logger.warning,
) -> PipelineRunRow:
    """Let a pipeline run be cancelled, and return how it stands then.

    A driver that lives is told, and ends it; without one it is ended here and now, with what that
    has left on this machine. May be called again until it has ended: its driver may be lost
    meanwhile.

    Args:
        url: of the record.
        root_id: of the pipeline run.
        reason: why, one sentence for people.
        end_in_ray: given the root id, ends what Ray executes for it, see
            :func:`~sematic.tracking.abandoned.end_abandoned`.
        warn: told one sentence where processes are left; must not raise.

    Raises:
        NotFoundError: there is no such pipeline run.
        RecordError: the record cannot be read or written.
    """
    queries = in_reserve(url, lambda: open_queries(url))
    row = queries.pipeline_run(root_id)
    if row.status.is_terminal:
        return row
    if row.lost_because is not None:
        lost_because = row.lost_because
        try:
            _settle(
                url,
                row,
                lambda history, at: cancel_lost(
                    root_id, history, reason=reason, lost_because=lost_because, at=at
                ),
                heartbeat_at=sign_to_compare(row.driver, row.heartbeat_at),
                prepare=lambda is_ours: end_abandoned(
                    root_id, row.driver, is_ours=is_ours, end_in_ray=end_in_ray, warn=warn
                ),
            )
        except FencedError:  # somebody drives it after all: if it is to go on, they are told
            _wish(url, root_id, reason)
    elif row.cancel_reason is None:
        _wish(url, root_id, reason)
    else:
        return row
    return queries.pipeline_run(root_id)


def settle_lost(
    url: str,
    row: PipelineRunRow,
    *,
    end_in_ray: Callable[[str], None] = lambda root_id: None,
    warn: Callable[[str], None] = _logger.warning,
) -> PipelineRunRow:
    """End a pipeline run whose driver is lost as FAILED, and return how it stands then.

    Args:
        url: of the record.
        row: the pipeline run, as it was when it was found to be lost.
        end_in_ray: given the root id, ends what Ray executes for it, see
            :func:`~sematic.tracking.abandoned.end_abandoned`.
        warn: told one sentence where processes are left; must not raise.

    Raises:
        FencedError: somebody else has taken it over since, or its driver lives after all.
        RecordError: the record cannot be read or written.
    """
    if row.lost_because is not None:
        lost_because = row.lost_because
        _settle(
            url,
            row,
            lambda history, at: fail_lost(row.root_id, history, lost_because=lost_because, at=at),
            heartbeat_at=sign_to_compare(row.driver, row.heartbeat_at),
            prepare=lambda is_ours: end_abandoned(
                row.root_id, row.driver, is_ours=is_ours, end_in_ray=end_in_ray, warn=warn
            ),
        )
    return open_queries(url).pipeline_run(row.root_id)


def settle_broken(url: str, root_id: str, epoch: int, error: ErrorRecord) -> None:
    """End a pipeline run as FAILED where its driver, which calls this, cannot record its end.

    Nothing is waited for, and there is nothing to do where it has ended or was taken over.

    Args:
        url: of the record.
        root_id: of the pipeline run.
        epoch: of the driver; its calls are over, and it records nothing more.
        error: why.

    Raises:
        RecordError: the record cannot be read or written.
    """
    if error.type == _FULL:
        with closing(SqlWriter(url)) as writer:
            writer.make_room()
    row = open_queries(url).pipeline_run(root_id)
    if row.epoch == epoch and not row.status.is_terminal:
        _settle(
            url,
            row,
            lambda history, at: fail_broken(root_id, history, error=error, at=at),
            patience=Patience(most_seconds=0.0),
        )


def _wish(url: str, root_id: str, reason: str) -> None:
    with closing(SqlTracker(url, patience=ReservePatience(url))) as tracker:
        tracker.request_cancel(root_id, reason)


def _settle(
    url: str,
    row: PipelineRunRow,
    decide: Callable[[list[Event], float], Settlement],
    *,
    heartbeat_at: float | None = None,
    prepare: Callable[[Callable[[], bool]], None] = lambda is_ours: None,
    patience: Patience | None = None,
) -> None:
    """Take a pipeline run over, so that nobody adds to its record, and record its end.

    ``prepare`` is called in between: what is to be over before anybody is told of the end. It is
    given what tells whether nobody has taken it over from here since.
    """
    root_id, patience = row.root_id, patience or ReservePatience(url)
    with closing(SqlTracker(url, patience=patience, heartbeat_at=heartbeat_at)) as tracker:
        try:
            epoch = tracker.begin(_info(row), after_epoch=row.epoch)
        except FencedError:
            if open_queries(url).pipeline_run(root_id).status.is_terminal:
                return  # all is said
            raise
        prepare(lambda: is_driven_in(url, root_id, epoch=epoch))
        if open_queries(url).pipeline_run(root_id).status.is_terminal:
            return  # its driver came to its end meanwhile
        function_of = read_recorded_functions(url, root_id)
        with reading(url) as ask:
            history = read_events(url, ask, root_id, function_of=function_of)
        settlement = decide(history, time.time())
        tracker.record(Batch(root_id, epoch, 0, settlement.events, settlement.changes))


def _info(row: PipelineRunRow) -> PipelineRunInfo:
    return PipelineRunInfo(
        root_id=row.root_id,
        name=row.name,
        function_path=row.function_path,
        runner=row.runner,
        created_at=row.created_at,
        client_version=row.client_version,
        cache_namespace=row.cache_namespace,
    )
