"""Ballast: space that is kept beside a SQLite record, so that it can tell of a full disk."""

import os
from contextlib import suppress
from pathlib import Path

# What the end of a pipeline run needs in the write-ahead log, measured: 3.1 MB for 10,000 runs that
# wait. Before that, some calls that have just ended are recorded, and the log is emptied into the
# database, which first grows by up to 4 MB.
BALLAST_BYTES = 8 * 1024 * 1024
# It leaves as much to others: else it would be what fills the disk, and a pipeline run that begins
# could take at once what another one has just set free to tell of its end.
_LEFT_BYTES = BALLAST_BYTES // 2


class Ballast:
    """A file of no content that takes up real space. One for all that use a record.

    Args:
        record: the file of the record.
    """

    def __init__(self, record: Path) -> None:
        self.record = record
        self.path = record.with_name(record.name + ".ballast")

    def make(self) -> bool:
        """Take the space, unless it is taken, or is better left to others. Returns whether it is.

        Without it a pipeline run is as good as with it until the disk is full.
        """
        try:
            if self.path.stat().st_size >= BALLAST_BYTES:
                return True
        except OSError:
            pass  # it is not there
        try:
            return self._has_room() and self._allocate()
        except OSError:
            self.free()  # half of it
            return False

    def free(self) -> bool:
        """Give the space back. Returns whether there was any."""
        with suppress(OSError):
            self.path.unlink()
            return True
        return False

    def _has_room(self) -> bool:
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize >= BALLAST_BYTES + _LEFT_BYTES

    def _allocate(self) -> bool:
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
            else:  # macOS
                for _ in range(BALLAST_BYTES // len(_ZEROS)):
                    os.write(descriptor, _ZEROS)
        finally:
            os.close(descriptor)
        return True


_ZEROS = bytes(64 * 1024)
