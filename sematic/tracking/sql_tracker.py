"""SqlTracker: the record of pipeline runs in SQLite or PostgreSQL."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from sematic.calls import ArtifactRef
from sematic.errors import RecordError
from sematic.ports import Batch, Clock, PipelineRunInfo
from sematic.tracking.ballast import Ballast
from sematic.tracking.connections import HEAD, is_sqlite, sqlite_path
from sematic.tracking.faults import LockedError
from sematic.tracking.lease import SqlLease
from sematic.tracking.patience import Patience
from sematic.tracking.processes import Mark, describe_process
from sematic.tracking.rows import RowBatch, RowBuilder
from sematic.tracking.writer import SqlWriter

# How long one attempt waits for a lock; then the user is told, and it is tried again.
_BUSY_SECONDS = 3.0

_SECONDS_TO_ANNOTATE = 5.0


class RowWriter(Protocol):
    """What rows are given to: a writer in this process, or an actor that hosts one."""

    def write(self, rows: RowBatch) -> None:
        """Write a batch of rows, see :meth:`SqlWriter.write`."""

    def close(self) -> None:
        """Let go of connections."""


class SqlTracker:
    """A Tracker over SQL, for one driver.

    Args:
        url: of the database.
        lease_seconds: how long the driver counts as alive after each sign of life.
        patience: how a record that cannot be used for a while is waited for.
        clock: that of the events.
        heartbeat_at: the last sign of life that was seen of the driver that is to be taken over
            from, by the clock of the record, 0 for none: :meth:`begin` raises FencedError if it has
            shown another one since. ``None`` for whatever it has shown.
        on_void: told why the pipeline run that is taken over was to be cancelled, if none of its
            drivers has heard of that; it goes on then. Without it the wish stays.
    """

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 30.0,
        patience: Patience | None = None,
        clock: Clock = time.time,
        heartbeat_at: float | None = None,
        on_void: Callable[[str], None] | None = None,
    ) -> None:
        self._url = url
        self._lease_seconds = lease_seconds
        self._own = self.build_writer()
        self._writer: RowWriter = self._own
        self._builder = RowBuilder()
        self._reader: SqlWriter | None = None
        self._reader_lock = threading.Lock()
        self._patience = patience or Patience()
        self._clock = clock
        self._heartbeat_at = heartbeat_at
        self._on_void = on_void
        self._mark: Mark | None = None

    @property
    def is_quick(self) -> bool:
        """Whether the record is a file of this machine."""
        return is_sqlite(self._url)

    def build_writer(self) -> SqlWriter:
        """A writer of its own connection, for another thread or process."""
        return SqlWriter(self._url, _BUSY_SECONDS)

    def begin(self, info: PipelineRunInfo, *, after_epoch: int = 0) -> int:
        """Record a pipeline run, or take it over; see :meth:`sematic.ports.Tracker.begin`."""
        if self._mark is not None:
            self._mark.close()
        self._mark = Mark(f"sematic-{info.root_id[:64]}-{after_epoch + 1}")
        # Whoever has locked it will be ready some day; all else is better told at once.
        epoch = self._patience.insist(lambda: self._begin(info, after_epoch), on=LockedError)
        if is_sqlite(self._url):
            Ballast(sqlite_path(self._url)).make()
        return epoch

    def _begin(self, info: PipelineRunInfo, after_epoch: int) -> int:
        if self._own.schema_version() != HEAD:
            from sematic.tracking.database import Database  # SQLAlchemy takes a quarter second

            Database(self._url).prepare()
        epoch = self._own.begin(
            info,
            {**describe_process(), "mark": self._mark and self._mark.name},
            after_epoch=after_epoch,
            heartbeat_at=self._heartbeat_at,
            lease_seconds=self._lease_seconds,
            on_void=self._on_void if after_epoch else None,
        )
        if after_epoch:  # from here on nobody else adds to it
            self._builder = RowBuilder(self._own.count_runs(info.root_id))
        return epoch

    def open_lease(self, root_id: str, epoch: int) -> SqlLease:
        """The lease of a driver, from when :meth:`begin` returned its epoch."""
        return SqlLease(
            self._url, root_id, epoch=epoch, seconds=self._lease_seconds, clock=self._clock
        )

    def request_cancel(self, root_id: str, reason: str) -> None:
        """Let whoever drives a pipeline run know that it is to be cancelled.

        Raises:
            RecordError: the record cannot be written.
        """
        self._patience.insist(lambda: self._own.request_cancel(root_id, reason), on=LockedError)

    def record(self, batch: Batch) -> None:
        """Record a batch; see :meth:`sematic.ports.Tracker.record`.

        It waits for a record that is locked or out of reach, and says so on standard error.
        """
        rows = self._builder.build(batch)
        self._patience.insist(lambda: self._writer.write(rows))

    def find_outputs(self, cache_keys: Collection[str]) -> dict[str, list[tuple[str, ArtifactRef]]]:
        """The recorded outputs under cache keys; see :meth:`sematic.ports.Tracker`."""
        with self._reader_lock:
            if self._reader is None:
                self._reader = self.build_writer()
            return self._reader.find_outputs(cache_keys)

    def annotate(self, root_id: str, environment: dict[str, Any]) -> None:
        """Replace what is known of a pipeline run's environment; also after :meth:`close`.

        Raises:
            RecordError: the record cannot be written. Nobody waits long for that.
        """
        if is_sqlite(self._url) and not sqlite_path(self._url).exists():
            raise RecordError(f"There is no record at {sqlite_path(self._url)} any more.")
        patience = Patience(most_seconds=_SECONDS_TO_ANNOTATE)
        writer = SqlWriter(self._url)
        try:
            patience.insist(lambda: writer.annotate(root_id, environment))
        finally:
            writer.keep_open()

    def use_writer(self, writer: RowWriter) -> None:
        """Write through ``writer`` from the next batch on; from any thread.

        Batches are recorded one at a time, so none is in flight when the next one goes elsewhere.
        """
        self._writer = writer

    def close(self) -> None:
        """Close every connection, and let others see that nobody drives from here any more."""
        if self._mark is not None:
            self._mark.close()
        if self._writer is not self._own:
            self._writer.close()
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
        self._own.keep_open()
