"""What commands do where the disk of the record is full: they use the space of its ballast.

A driver keeps it for its end. A command that is to make room, or to end what nobody drives, has
nothing better to wait for; the next pipeline run makes the ballast again.
"""

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from sematic.errors import RecordFullError, RecordUnavailableError
from sematic.tracking.ballast import BALLAST_BYTES, Ballast
from sematic.tracking.connections import sqlite_path
from sematic.tracking.faults import NoSpaceError
from sematic.tracking.patience import Patience
from sematic.tracking.writer import SqlWriter

# How long it waits for who reads, so that SQLite's log can be emptied.
_BUSY_SECONDS = 3.0

T = TypeVar("T")


def in_reserve(url: str, attempt: Callable[[], T]) -> T:
    """What ``attempt`` returns; where it finds no space, the ballast is freed, and it tries again.

    Args:
        url: of the record.
        attempt: may be called a second time, also where it has written all that it had to write.

    Raises:
        RecordFullError: that is not enough; says what to do.
    """
    try:
        return attempt()
    except (NoSpaceError, RecordFullError) as error:
        # RecordFullError: a writer has freed it for what it took to be a driver's.
        freed = isinstance(error, RecordFullError)
    ballast = Ballast(sqlite_path(url))
    freed = ballast.path.exists() or freed
    with closing(SqlWriter(url, _BUSY_SECONDS)) as writer:
        writer.make_room()
    try:
        return attempt()
    except (NoSpaceError, RecordFullError) as error:
        used = f", not even in its reserve of {BALLAST_BYTES >> 20} MiB, which was freed"
        raise RecordFullError(
            f"No space is left for the record at {ballast.record}{used if freed else ''}. Free "
            "some on that disk, and do this again.",
            recorded=False,
        ) from error


class ReservePatience(Patience):
    """Waits for a record that is locked or out of reach, and not for space: see above.

    Args:
        url: of the record.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def insist(
        self,
        attempt: Callable[[], T],
        *,
        on: type[RecordUnavailableError] = RecordUnavailableError,
    ) -> T:
        """As :meth:`Patience.insist`.

        Raises:
            RecordFullError: the disk is full, and the ballast is not enough.
        """
        return super().insist(lambda: in_reserve(self._url, attempt), on=on)
