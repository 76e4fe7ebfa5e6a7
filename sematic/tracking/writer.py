"""SqlWriter: writes rows, each batch in one transaction."""

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from operator import itemgetter
from typing import Any

from sematic.calls import ArtifactRef
from sematic.errors import FencedError, IllegalStateTransitionError, RecordError, RecordFullError
from sematic.ports import PipelineRunInfo
from sematic.states import TERMINAL_STATUSES, PipelineRunStatus, RunState
from sematic.tracking.ballast import Ballast
from sematic.tracking.connections import (
    BUSY_SECONDS,
    connect,
    driver_error,
    explain,
    is_sqlite,
    schema_version,
    sqlite_path,
    transaction,
)
from sematic.tracking.faults import NoSpaceError
from sematic.tracking.forks import is_of_parent
from sematic.tracking.kept_open import keep_open, take_kept
from sematic.tracking.rows import RowBatch, storable_key, storable_text
from sematic.tracking.statements import PIPELINE_COLUMNS, build_statements

# What of a full disk's ballast may be used for what was on its way: enough for some calls that took
# their time. Where hundreds end each second, there is not so much to lose.
_MOST_BYTES_IN_RESERVE = 512 * 1024
_AGE = itemgetter(2, 3)  # when it was known, and which one it is
_TERMINAL = frozenset(status.value for status in TERMINAL_STATUSES)


class SqlWriter:
    """Writes the rows of pipeline runs to one database.

    Not for several threads at once. Picklable: another process opens a connection of its own.

    Args:
        url: of the database, see :class:`sematic.tracking.database.Database`.
        busy_seconds: how long to wait where another process writes to a SQLite database.
    """

    def __init__(self, url: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self._url = url
        self._busy_seconds = busy_seconds
        self._file = sqlite_path(url) if is_sqlite(url) else None
        self._statements = build_statements(sqlite=is_sqlite(url))
        self._connection: Any = None
        self._full: NoSpaceError | None = None  # found, and not told yet
        self._reserve_is_used = False
        self._bytes_in_reserve = _MOST_BYTES_IN_RESERVE

    def __reduce__(self) -> Any:
        return SqlWriter, (self._url, self._busy_seconds)

    def begin(
        self,
        info: PipelineRunInfo,
        driver: dict[str, Any],
        *,
        after_epoch: int = 0,
        heartbeat_at: float | None = None,
        lease_seconds: float = 30.0,
        on_void: Callable[[str], None] | None = None,
    ) -> int:
        """Record a pipeline run, or take it over; returns the new epoch.

        ``on_void`` is told why it was to be cancelled, if nobody who drove it has heard of that:
        the wish is void then. Without it the wish stays.

        Raises:
            FencedError: the newest epoch is not ``after_epoch``, the last sign of life another than
                ``heartbeat_at``, or it has ended.
            RecordError: the database cannot be written.
        """
        row = {
            **{part.name: getattr(info, part.name) for part in fields(info)},
            "environment": json.dumps(info.environment, default=str),
            "status": PipelineRunStatus.RUNNING.value,
            "epoch": 1,
            "next_seq": 0,
            "driver": json.dumps(driver),
            "updated_at": time.time(),
            "lease_seconds": lease_seconds,
        }
        row = {k: storable_text(v) if isinstance(v, str) else v for k, v in row.items()}
        with self._transaction() as cursor:
            if after_epoch:
                marks = (row["driver"], lease_seconds, info.root_id, after_epoch, heartbeat_at)
                cursor.execute(self._statements.take_over, marks)
            else:
                cursor.execute(self._statements.begin, [row[name] for name in PIPELINE_COLUMNS])
            if cursor.rowcount != 1:
                raise FencedError(self._why_not(cursor, info.root_id, after_epoch))
            void = self._void_wish(cursor, info.root_id) if on_void is not None else None
        if on_void is not None and void is not None:
            on_void(void)
        return after_epoch + 1

    def _void_wish(self, cursor: Any, root_id: str) -> str | None:
        cursor.execute(self._statements.read_wish, (root_id,))
        wish: tuple[str] | None = cursor.fetchone()
        if wish is None:
            return None
        cursor.execute(self._statements.void_wish, (root_id,))
        return wish[0] if cursor.rowcount else None

    def _why_not(self, cursor: Any, root_id: str, after_epoch: int) -> str:
        """Why a pipeline run could not be begun or taken over."""
        cursor.execute(self._statements.position, (root_id,))
        epoch, _, status = cursor.fetchone() or (0, 0, None)
        if status in _TERMINAL:
            return f"Pipeline run {root_id} has ended meanwhile: {status}."
        if epoch == after_epoch:
            return (
                f"Pipeline run {root_id} was not taken over: its driver shows signs of life again."
            )
        return f"Pipeline run {root_id} is driven by somebody else, who was faster."

    def request_cancel(self, root_id: str, reason: str) -> None:
        """Let the driver of a pipeline run know that it is to be cancelled.

        Raises:
            RecordError: the database cannot be written.
        """
        with self._transaction() as cursor:
            cursor.execute(self._statements.request_cancel, (storable_text(reason), root_id))

    def write(self, rows: RowBatch) -> None:
        """Write a batch: all of it or nothing. A batch that was written already is ignored.

        Raises:
            FencedError: another driver has taken the pipeline run over.
            RecordFullError: the disk is full; says whether the batch is written all the same, in
                the space of the ballast.
            RecordUnavailableError: not now; it may be tried again with the same batch.
            RecordError: events are missing before it, or the database cannot be written.
        """
        try:
            self._write(rows)
        except NoSpaceError as error:
            self._write_in_reserve(rows, error)
        if self._full is not None:
            full, self._full = self._full, None
            if not self._ballast.make():  # else somebody has made room meanwhile
                raise self._full_error(recorded=True) from full

    def _write_in_reserve(self, rows: RowBatch, found: NoSpaceError) -> None:
        """Write a batch with what the log can give back, or else in the space of the ballast.

        Most of the ballast is for the end of the pipeline run: what is too large waits in vain.
        """
        self._empty_log()
        with suppress(NoSpaceError):
            return self._write(rows)
        if not (self._reserve_is_used or self._ballast.path.exists()):
            raise found  # who has room to make may be waited for
        self._bytes_in_reserve -= rows.size
        if self._bytes_in_reserve < 0:
            raise self._full_error(recorded=False) from found
        if self._ballast.free():
            self._full, self._reserve_is_used = found, True
        try:
            self._write(rows)
        except NoSpaceError as error:
            raise self._full_error(recorded=False) from error

    def make_room(self) -> None:
        """Take all that the ballast and the log of a full record can give, for its last batch."""
        if is_sqlite(self._url):
            self._ballast.free()
            self._empty_log()

    def _full_error(self, *, recorded: bool) -> RecordFullError:
        return RecordFullError(
            f"No space is left for the record at {self._ballast.record}: the pipeline run was "
            "ended. Free some and begin anew: LocalRunner(rerun_from=<run id>) takes over what is "
            "recorded.",
            recorded=recorded,
        )

    @property
    def _ballast(self) -> Ballast:
        return Ballast(sqlite_path(self._url))

    def _empty_log(self) -> None:
        """Give back what SQLite's write-ahead log takes up, as far as there is room to do so."""
        with suppress(RecordError), self._errors_translated():
            self.open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _write(self, rows: RowBatch) -> None:
        statements = self._statements
        with self._transaction() as cursor:
            if not self._advance(cursor, rows):
                return
            for statement, values in (
                (statements.artifacts, rows.artifacts),
                (statements.attempts, rows.attempts),
                (statements.constants, rows.constants),
                (statements.functions, rows.functions),
                (statements.new_runs, rows.new_runs),
                (statements.inputs, rows.inputs),
                (statements.input_artifacts, rows.input_artifacts),
                (statements.changed_runs, rows.changed_runs),
                (statements.events, rows.events),
            ):
                if values:
                    cursor.executemany(statement, values)
            if rows.status is not None:
                status, reason, at = rows.status
                ended_at = at if status in _TERMINAL else None
                marks = (status, reason, ended_at, rows.root_id, status)
                cursor.execute(statements.status, marks)
                if cursor.rowcount != 1:
                    raise IllegalStateTransitionError(
                        f"Pipeline run {rows.root_id} has ended, or may not become {status}."
                    )

    def annotate(self, root_id: str, environment: dict[str, Any]) -> None:
        """Replace what is known of a pipeline run's environment."""
        text = json.dumps(environment, default=str)
        with self._transaction() as cursor:
            cursor.execute(self._statements.environment, (text, root_id))

    def find_outputs(self, cache_keys: Collection[str]) -> dict[str, list[tuple[str, ArtifactRef]]]:
        """The recorded outputs under cache keys, oldest first; see SqlTracker.

        Those who computed one are asked for first: of those who were served it there may be many.
        """
        asked = {storable_key(key): key for key in cache_keys}
        found: dict[str, list[tuple[str, ArtifactRef]]] = {}
        for statement in (self._statements.find_outputs, self._statements.find_copies):
            left = [key for key, original in asked.items() if original not in found]
            if not left:
                break
            for row in sorted(self._ask(statement, left), key=_AGE):
                key, run_id, output = asked[row[0]], row[1], ArtifactRef(*row[3:])
                known = found.get(key)
                if known is None:
                    found[key] = [(run_id, output)]
                elif all(output.id != other.id for _, other in known):
                    known.append((run_id, output))
        return found

    def _ask(self, statement: str, keys: list[str]) -> list[Any]:
        asked: Any = json.dumps(keys) if self._file else keys
        with self._errors_translated():
            rows = self.open().execute(statement, (asked, RunState.RESOLVED.value)).fetchall()
        found: list[Any] = json.loads(rows[0][0]) if self._file else rows
        return found

    def schema_version(self) -> str | None:
        """The schema version of the tables, ``None`` where there are none.

        Raises:
            RecordError: the database cannot be reached.
        """
        with self._errors_translated():
            return schema_version(self.open())

    def count_runs(self, root_id: str) -> int:
        """How many runs of a pipeline run are recorded."""
        with self._errors_translated():
            row = self.open().execute(self._statements.count_runs, (root_id,)).fetchone()
        return int(row[0])

    def open(self) -> Any:
        """The connection; it is opened unless it is open in this process.

        Raises:
            RecordError: the database cannot be reached, or its file is another one by now.
        """
        if self._connection is None or is_of_parent(self._connection):
            kept = take_kept(self._url, busy_seconds=self._busy_seconds)
            self._connection = kept or connect(self._url, busy_seconds=self._busy_seconds)
        elif self._file is not None and self._connection.is_lost(self._file):
            raise RecordError(
                f"The record at {self._file} was deleted, moved or replaced while it was used: "
                "what is written now nobody would find."
            )
        return self._connection

    def close(self) -> None:
        """Close the connection; the next use opens one again."""
        if self._connection is not None and not is_of_parent(self._connection):
            self._connection.close()
        self._connection = None

    def keep_open(self) -> None:
        """As :meth:`close`, but whoever opens one within a second goes on with the same."""
        if self._connection is not None and not is_of_parent(self._connection):
            keep_open(self._url, self._connection)
        self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._errors_translated(), transaction(self.open()) as cursor:
            yield cursor

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except driver_error(self._url) as error:
            self._drop()
            raise explain(error, self._url) from error

    def _drop(self) -> None:
        """Forget a connection that may be of no use any more."""
        with suppress(driver_error(self._url)):
            self.close()
        self._connection = None

    def _advance(self, cursor: Any, rows: RowBatch) -> bool:
        """Take a batch's sequence numbers. False where the same batch has taken them before."""
        end = rows.first_seq + len(rows.events)
        marks = (end, rows.at, rows.root_id, rows.epoch, rows.first_seq)
        cursor.execute(self._statements.advance, marks)
        if cursor.rowcount == 1:
            return True
        cursor.execute(self._statements.position, (rows.root_id,))
        found = cursor.fetchone()
        if found is None:
            raise RecordError(f"Pipeline run {rows.root_id} is not in the record any more.")
        epoch, next_seq, _ = found
        if epoch != rows.epoch:
            raise FencedError(
                f"Pipeline run {rows.root_id} was taken over by another driver (epoch {epoch}; "
                f"this one has {rows.epoch}). This driver stops. What became of it: sematic show "
                f"{rows.root_id[:8]}"
            )
        if end <= next_seq:
            return False
        raise RecordError(
            f"Event {next_seq} of pipeline run {rows.root_id} comes next, but the batch starts "
            f"with {rows.first_seq}."
        )
