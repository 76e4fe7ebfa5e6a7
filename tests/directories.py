"""Directories that are not as programs expect them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def deleted_directory(path: Path) -> Iterator[None]:
    """Be in a new directory at ``path`` that was deleted."""
    before = os.open(".", os.O_RDONLY)
    path.mkdir()
    os.chdir(path)
    path.rmdir()
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)
