"""Small disks of a test's own, which may be filled and made read-only."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEGABYTE = 1024 * 1024


class SmallDisk:
    """A file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filling = path / "filling"

    @property
    def free(self) -> int:
        """Bytes."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, *, but: int = 0) -> None:
        """Take what is free, except for so many bytes."""
        with open(self._filling, "ab") as file:
            size = self.free - but
            if size > 0:
                os.posix_fallocate(file.fileno(), file.tell(), size)

    def make_room(self) -> None:
        """Give back what was taken."""
        self._filling.unlink()

    def make_read_only(self) -> None:
        """Nobody may write, not even root."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """An empty disk of 64 MiB, at a path of the test's own."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk is mounted: needs root on Linux")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
