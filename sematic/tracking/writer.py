"""SqlWriter: writes rows, each batch in one transaction."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from sematic.calls import ArtifactRef
from sematic.errors import FencedError, RecordError
from sematic.ports import PipelineRunInfo
from sematic.states import TERMINAL_STATUSES, PipelineRunStatus, RunState
from sematic.tracking.connections import (
    connect,
    display_url,
    driver_error,
    is_sqlite,
    transaction,
)
from sematic.tracking.rows import RowBatch
from sematic.tracking.statements import PIPELINE_COLUMNS, build_statements

_RETRY_SECONDS = (0.1, 0.3, 1.0, 3.0)
_TRANSIENT = frozenset(
    {"OperationalError", "AdminShutdown", "DeadlockDetected", "SerializationFailure"}
    | {"ConnectionFailure", "ConnectionException", "IdleInTransactionSessionTimeout"}
)
_TERMINAL = frozenset(status.value for status in TERMINAL_STATUSES)


class _TransientError(RecordError):
    """What may be over when it is tried again."""


class SqlWriter:
    """Writes the rows of pipeline runs to one database.

    Not for several threads at once. Picklable: another process opens a connection of its own.

    Args:
        url: of the database, see :class:`sematic.tracking.database.Database`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._statements = build_statements(sqlite=is_sqlite(url))
        self._connection: Any = None

    def __reduce__(self) -> Any:
        return SqlWriter, (self._url,)

    def begin(self, info: PipelineRunInfo, driver: dict[str, Any]) -> int:
        """Record a pipeline run, or take it over; returns the new epoch.

        Raises:
            RecordError: the database cannot be written.
        """
        row = {
            **asdict(info),
            "environment": json.dumps(info.environment, default=str),
            "status": PipelineRunStatus.SCHEDULED.value,
            "epoch": 1,
            "next_seq": 0,
            "driver": json.dumps(driver),
            "updated_at": time.time(),
        }
        with self._transaction() as cursor:
            cursor.execute(self._statements.begin, [row[column] for column in PIPELINE_COLUMNS])
            epoch, _ = cursor.execute(self._statements.position, (info.root_id,)).fetchone()
        return int(epoch)

    def write(self, rows: RowBatch) -> None:
        """Write a batch: all of it or nothing. A batch that was written already is ignored.

        Raises:
            FencedError: another driver has taken the pipeline run over.
            RecordError: events are missing before it, or the database cannot be written.
        """
        for seconds in _RETRY_SECONDS:
            try:
                self._write(rows)
            except _TransientError:  # a batch that was written after all is recognised
                time.sleep(seconds)
            else:
                return
        self._write(rows)

    def _write(self, rows: RowBatch) -> None:
        statements = self._statements
        with self._transaction() as cursor:
            if not self._advance(cursor, rows):
                return
            for statement, values in (
                (statements.artifacts, rows.artifacts),
                (statements.constants, rows.constants),
                (statements.functions, rows.functions),
                (statements.new_runs, rows.new_runs),
                (statements.inputs, rows.inputs),
                (statements.changed_runs, rows.changed_runs),
                (statements.input_artifacts, rows.input_artifacts),
                (statements.events, rows.events),
            ):
                if values:
                    cursor.executemany(statement, values)
            if rows.status is not None:
                status, reason, at = rows.status
                ended_at = at if status in _TERMINAL else None
                cursor.execute(statements.status, (status, reason, ended_at, rows.root_id))

    def annotate(self, root_id: str, environment: dict[str, Any]) -> None:
        """Replace what is known of a pipeline run's environment."""
        text = json.dumps(environment, default=str)
        with self._transaction() as cursor:
            cursor.execute(self._statements.environment, (text, root_id))

    def find_output(self, cache_key: str) -> tuple[str, ArtifactRef] | None:
        """The oldest recorded output under a cache key, and the run that computed it."""
        statement = self._statements.find_output
        with self._errors_translated():
            found = self.open().execute(statement, (cache_key, RunState.RESOLVED.value))
            row = found.fetchone()
        return None if row is None else (row[0], ArtifactRef(*row[1:]))

    def open(self) -> Any:
        """The connection; it is opened unless it is open.

        Raises:
            RecordError: the database cannot be reached.
        """
        if self._connection is None:
            self._connection = connect(self._url)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next use opens one again."""
        if self._connection is not None:
            self._connection.close()
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
            # Lost connections, deadlocks, locks: both drivers call these operational.
            kind = _TransientError if type(error).__name__ in _TRANSIENT else RecordError
            raise kind(f"Cannot use the record at {display_url(self._url)}: {error}") from error

    def _drop(self) -> None:
        """Forget a connection that may be of no use any more."""
        with suppress(driver_error(self._url)):
            self.close()
        self._connection = None

    def _advance(self, cursor: Any, rows: RowBatch) -> bool:
        """Take a batch's sequence numbers. False where the same batch has taken them before."""
        end = rows.first_seq + len(rows.events)
        marks = (end, time.time(), rows.root_id, rows.epoch, rows.first_seq)
        cursor.execute(self._statements.advance, marks)
        if cursor.rowcount == 1:
            return True
        cursor.execute(self._statements.position, (rows.root_id,))
        found = cursor.fetchone()
        if found is None:
            raise RecordError(f"Pipeline run {rows.root_id} is not in the record any more.")
        epoch, next_seq = found
        if epoch != rows.epoch:
            raise FencedError(
                f"Pipeline run {rows.root_id} was taken over by another driver (epoch {epoch}; "
                f"this one has {rows.epoch}). This driver stops."
            )
        if end <= next_seq:
            return False
        raise RecordError(
            f"Event {next_seq} of pipeline run {rows.root_id} comes next, but the batch starts "
            f"with {rows.first_seq}."
        )
