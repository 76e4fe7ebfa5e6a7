"""SqlLease: a driver's right to drive, kept in the record by the database's own clock."""

import time
from contextlib import suppress
from typing import Any

from sematic.errors import FencedError, RecordError
from sematic.ports import Clock
from sematic.tracking.connections import connect, driver_error, errors_explained, is_sqlite
from sematic.tracking.statements import build_statements

# The engine may wait for an answer: better to be told soon, and to ask again.
_BUSY_SECONDS = 2.0


class SqlLease:
    """The lease of one epoch of a pipeline run; see :class:`sematic.ports.Lease`.

    Its connection is its own: whoever writes batches does not hold it up. Not for several threads
    at once.

    Args:
        url: of the record.
        root_id: the pipeline run.
        epoch: of the driver that has the lease.
        seconds: how long it lasts after each renewal.
        clock: that of the driver's events: time limits are by it, and so is when they stood still.
    """

    def __init__(
        self, url: str, root_id: str, *, epoch: int, seconds: float, clock: Clock = time.time
    ) -> None:
        self.seconds = seconds
        self._url = url
        self._root_id = root_id
        self._epoch = epoch
        self._clock = clock
        self._statements = build_statements(sqlite=is_sqlite(url))
        self._connection: Any = None

    def renew(self) -> None:
        """Show a sign of life; see :meth:`sematic.ports.Lease.renew`."""
        marks = (self.seconds, self._clock(), self._root_id, self._epoch)
        if self._execute(self._statements.renew, marks).rowcount != 1:
            raise FencedError(
                f"Pipeline run {self._root_id} was taken over by another driver. This one (epoch "
                f"{self._epoch}) stops. What became of it: sematic show {self._root_id[:8]}"
            )

    def read_wish(self) -> str | None:
        """Why the pipeline run is to be cancelled; see :meth:`sematic.ports.Lease.read_wish`."""
        row = self._execute(self._statements.read_wish, (self._root_id,)).fetchone()
        return None if row is None else row[0]

    def end(self) -> None:
        """Let others take over at once; see :meth:`sematic.ports.Lease.end`."""
        self._execute(self._statements.end_lease, (self._root_id, self._epoch))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(driver_error(self._url)):
                self._connection.close()
            self._connection = None

    def _execute(self, statement: str, marks: tuple[Any, ...]) -> Any:
        try:
            with errors_explained(self._url):
                if self._connection is None:
                    self._connection = connect(self._url, busy_seconds=_BUSY_SECONDS)
                return self._connection.execute(statement, marks)
        except RecordError:
            self.close()
            raise
