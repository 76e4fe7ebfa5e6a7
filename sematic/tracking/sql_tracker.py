"""SqlTracker: the record of pipeline runs in SQLite or PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

from sematic.calls import ArtifactRef
from sematic.ports import Batch, PipelineRunInfo
from sematic.tracking.connections import HEAD, read_schema_version
from sematic.tracking.processes import describe_process
from sematic.tracking.rows import RowBatch, RowBuilder
from sematic.tracking.writer import SqlWriter


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
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._own = self.build_writer()
        self._writer: RowWriter = self._own
        self._builder = RowBuilder()
        self._reader: SqlWriter | None = None
        self._reader_lock = threading.Lock()

    def build_writer(self) -> SqlWriter:
        """A writer of its own connection, for another thread or process."""
        return SqlWriter(self._url)

    def begin(self, info: PipelineRunInfo) -> int:
        """Record a pipeline run, or take it over; see :meth:`sematic.ports.Tracker.begin`."""
        if read_schema_version(self._url) != HEAD:
            from sematic.tracking.database import Database  # SQLAlchemy takes a quarter second

            Database(self._url).prepare()
        return self._own.begin(info, describe_process())

    def record(self, batch: Batch) -> None:
        """Record a batch; see :meth:`sematic.ports.Tracker.record`."""
        self._writer.write(self._builder.build(batch))

    def find_output(self, cache_key: str) -> tuple[str, ArtifactRef] | None:
        """The oldest recorded output under a cache key; see :meth:`sematic.ports.Tracker`."""
        with self._reader_lock:
            if self._reader is None:
                self._reader = self.build_writer()
            return self._reader.find_output(cache_key)

    @contextmanager
    def annotations(self) -> Iterator[Callable[[str, dict[str, Any]], None]]:
        """What replaces the environment of a pipeline run, given its id; from any thread.

        Its connection is open while the block runs. SQLite tidies up whenever the last one is
        closed, which takes longer than all else here: with this around, that is only once.
        """
        with closing(self.build_writer()) as writer:
            writer.open()
            yield writer.annotate

    def use_writer(self, writer: RowWriter) -> None:
        """Write through ``writer`` from the next batch on; from any thread.

        Batches are recorded one at a time, so none is in flight when the next one goes elsewhere.
        """
        self._writer = writer

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._own.close()
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
