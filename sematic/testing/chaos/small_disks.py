"""A file system that is soon full."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(megabytes: int = 16) -> Iterator[Path]:
    """A directory on a file system of its own, of this size, while the block runs.

    Raises:
        PermissionError: the system does not let this user mount one: it takes root on Linux.
    """
    with tempfile.TemporaryDirectory(prefix="disk") as directory:
        _mount("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", directory)
        try:
            yield Path(directory)
        finally:
            _mount("umount", "--lazy", directory)


def _mount(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PermissionError(f"Cannot mount a file system on {sys.platform}: {error}") from error
    if done.returncode != 0:
        raise PermissionError(f"Cannot mount a small file system: {done.stderr.strip()}")
