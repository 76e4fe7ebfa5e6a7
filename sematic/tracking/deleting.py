"""Takes pipeline runs that have ended out of the record."""

import json
from collections.abc import Collection
from contextlib import closing

from sematic.errors import RecordError
from sematic.states import TERMINAL_STATUSES
from sematic.tracking.connections import connect, errors_explained, is_sqlite, transaction
from sematic.tracking.faults import LockedError
from sematic.tracking.reading import reading
from sematic.tracking.reserve import ReservePatience

_TERMINAL = tuple(sorted(status.value for status in TERMINAL_STATUSES))
_ENDED = f"status IN ({', '.join('?' for _ in _TERMINAL)})"

_OLD = (
    "SELECT p.root_id, r.options FROM pipeline_runs p LEFT JOIN runs r ON r.id = p.root_id "
    f"WHERE p.{_ENDED} AND p.ended_at < ? ORDER BY p.created_at"
)
# Artifacts and functions stay: other pipeline runs may name them.
_OF_RUNS = "run_id IN (SELECT id FROM runs WHERE root_id = ?)"
_EXISTS = "SELECT 1 FROM pipeline_runs WHERE root_id = ?"
_ROWS = (
    f"DELETE FROM run_inputs WHERE {_OF_RUNS}",
    f"DELETE FROM attempts WHERE {_OF_RUNS}",
    "DELETE FROM expression_constants WHERE root_id = ?",
    "DELETE FROM events WHERE root_id = ?",
    "DELETE FROM runs WHERE root_id = ?",
)


def find_ended_before(
    url: str, moment: float, *, keep_tags: Collection[str] = ()
) -> tuple[str, ...]:
    """The ids of the pipeline runs that ended before a moment, the oldest first.

    Args:
        url: of the record.
        moment: seconds since the epoch, UTC.
        keep_tags: those whose root run has one of these tags are left out.

    Raises:
        RecordError: the record cannot be read.
    """
    with reading(url) as ask:
        rows = list(ask(_OLD, [*_TERMINAL, moment]))
    return tuple(
        root_id
        for root_id, options in rows
        if not {*keep_tags}.intersection(json.loads(options or "{}").get("tags", ()))
    )


def delete_pipeline_run(url: str, root_id: str) -> None:
    """Take a pipeline run, with all of its runs, out of the record; the artifacts stay.

    Nothing is done if somebody else has done so already. On a full disk it takes the space of the
    ballast: what is deleted leaves room in the record.

    Args:
        url: of the record.
        root_id: one that has ended.

    Raises:
        RecordError: it has not ended, or the record cannot be written.
    """
    ReservePatience(url).insist(lambda: _delete(url, root_id), on=LockedError)


def _delete(url: str, root_id: str) -> None:
    mark = "?" if is_sqlite(url) else "%s"
    first = f"DELETE FROM pipeline_runs WHERE root_id = ? AND {_ENDED}".replace("?", mark)
    with (
        errors_explained(url),
        closing(connect(url)) as connection,
        transaction(connection) as cursor,
    ):
        cursor.execute(first, (root_id, *_TERMINAL))
        if cursor.rowcount != 1:
            cursor.execute(_EXISTS.replace("?", mark), (root_id,))
            if cursor.fetchone() is None:
                return
            raise RecordError(f"Pipeline run {root_id} has not ended, so that it is kept.")
        for statement in _ROWS:
            cursor.execute(statement.replace("?", mark), (root_id,))
