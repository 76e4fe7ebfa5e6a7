"""How who writes to a remote place and who collects garbage there stay out of each other's way.

No object store deletes "unless somebody has just written it again". So who collects leaves a mark
first, then looks how old an object is, deletes it, and takes the mark away. Who writes looks for
marks when the object is there, waits until there is none, and looks once more whether the object
is there. Either the mark came after the object: then who collects has seen how young it is. Or it
came before: then the writer has seen the mark, or what was left when it was gone.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.fs as pafs

from sematic.errors import ArtifactError

_FOLDER = ".removing"
# Nothing is deleted under an older mark. A request that is tried again may take a minute more.
_HOLD_SECONDS = 20.0
_PATIENCE_SECONDS = 120.0
_LOOK_EVERY_SECONDS = 0.05
# Of a process that was killed. It is long, for it is told by two clocks.
_FORGET_AFTER_SECONDS = 3600.0
# The one stands still while the machine sleeps, the other may be set back.
_CLOCKS = (time.monotonic, time.time)


@dataclass(frozen=True)
class Mark:
    """That somebody deletes objects of a folder.

    Attributes:
        set_at: seconds since the epoch, by the clock that times the objects.
        is_valid: whether something may still be deleted under it.
    """

    set_at: float
    is_valid: Callable[[], bool]


class RemovalMarks:
    """The marks of one remote place."""

    def __init__(self, filesystem: pafs.FileSystem, root: str, *, has_folders: bool) -> None:
        """Nothing is asked or created.

        Args:
            filesystem: any of ``pyarrow.fs``.
            root: path of the place inside of it.
            has_folders: whether a folder must be made before something is put into it.
        """
        self._filesystem = filesystem
        self._root = f"{root}/{_FOLDER}"
        self._has_folders = has_folders
        self._left_behind: set[str] = set()

    @contextlib.contextmanager
    def holding(self, folder: str) -> Iterator[Mark]:
        """A mark for as long as the block runs.

        Args:
            folder: first two digits of the ids in question.

        Raises:
            OSError: it cannot be set or taken away.
        """
        path = f"{self._root}/{folder}-{os.getpid()}-{secrets.token_hex(8)}"
        deadlines = [(clock, clock() + _HOLD_SECONDS) for clock in _CLOCKS]
        if self._has_folders:
            self._filesystem.create_dir(self._root, recursive=True)
        with self._filesystem.open_output_stream(path) as stream:
            stream.write(b"sematic gc")
        try:
            set_at = mtime(self._filesystem.get_file_info(path))
            yield Mark(set_at, lambda: all(clock() < end for clock, end in deadlines))
        finally:
            self._filesystem.delete_file(path)

    def wait(self, folder: str) -> None:
        """Return when nobody deletes objects of a folder; at once, but for moments.

        Raises:
            OSError: the place does not answer.
        """
        began = time.monotonic()
        while marks := self._find(folder):
            if time.monotonic() - began > _PATIENCE_SECONDS:
                self._left_behind |= marks
                return
            time.sleep(_LOOK_EVERY_SECONDS)

    def _find(self, folder: str) -> set[str]:
        return {
            info.base_name
            for info in self._list()
            if info.base_name.startswith(f"{folder}-")
            and time.time() - mtime(info) < _FORGET_AFTER_SECONDS
        } - self._left_behind

    def forget_old(self, before: float) -> None:
        """Take away marks that were set before a time: of processes that were killed.

        Raises:
            OSError: the place does not answer.
        """
        for info in self._list():
            if mtime(info) < before:
                with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                    self._filesystem.delete_file(info.path)

    def _list(self) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(self._root, allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        return [info for info in found if info.type == pafs.FileType.File]


def mtime(info: Any) -> float:
    """When an object was written: seconds since the epoch.

    Raises:
        ArtifactError: the file system does not tell.
    """
    if info.mtime_ns is None:
        raise ArtifactError(f"{info.path} has no time, so nothing tells what is old.")
    return float(info.mtime_ns) / 1e9
