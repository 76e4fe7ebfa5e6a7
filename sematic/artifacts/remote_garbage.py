"""Objects of a remote place that no record refers to, and their end.

An object goes that the record does not know and that nobody has written for a day. Writing a value
that is there renews its age in time, and whoever writes records it well within that day. Who
writes the very object that is being deleted is kept out of it by a mark: see ``removal_marks``.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa
import pyarrow.fs as pafs

from sematic.artifacts.garbage import BATCH, DAY_SECONDS, NAME, Garbage
from sematic.artifacts.remote_place import RemotePlace
from sematic.artifacts.removal_marks import Mark, mtime
from sematic.errors import ArtifactError

# All there can be, by name: not every object store lists folders.
_FOLDERS = [f"{number:02x}" for number in range(256)]
_THREADS = 8
# Writers of a folder wait while so many of its objects go: a second or so.
_UNDER_ONE_MARK = 100


def collect_remote_garbage(
    place: RemotePlace,
    *,
    find_recorded: Callable[[Collection[str]], Collection[str]],
    now: Callable[[], float],
    older_than: float,
    delete: bool,
) -> Iterator[Garbage]:
    """Delete what is not needed, object by object, and tell of each: see ``collect_garbage``.

    Raises:
        ArtifactError: the place refuses, or does not tell when objects were written.
    """
    try:
        if delete:
            place.marks.forget_old(now() - DAY_SECONDS)
        yield from _collect_unfinished(place, now() - older_than, delete=delete)
        for folder in _FOLDERS:
            found = _list(place, folder)
            for start in range(0, len(found), BATCH):
                old = _select_old(found[start : start + BATCH], now() - older_than)
                recorded = find_recorded([folder + info.base_name for info in old])
                unknown = [info for info in old if folder + info.base_name not in recorded]
                if delete:
                    unknown = _remove_all(place, folder, unknown, now=now, older_than=older_than)
                yield from (Garbage(folder + info.base_name, info.size) for info in unknown)
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"Cannot collect garbage in {place.name}: {error}") from error


def _list(place: RemotePlace, folder: str) -> list[pafs.FileInfo]:
    selector = pafs.FileSelector(f"{place.root}/{folder}", allow_not_found=True)
    found = place.filesystem.get_file_info(selector)
    return [info for info in found if info.type == pafs.FileType.File]


def _select_old(infos: list[pafs.FileInfo], before: float) -> list[pafs.FileInfo]:
    return [info for info in infos if NAME.fullmatch(info.base_name) and mtime(info) < before]


def _remove_all(
    place: RemotePlace,
    folder: str,
    infos: Sequence[pafs.FileInfo],
    *,
    now: Callable[[], float],
    older_than: float,
) -> list[pafs.FileInfo]:
    """Those that are gone: not those that somebody wrote meanwhile."""
    gone: list[pafs.FileInfo] = []
    for start in range(0, len(infos), _UNDER_ONE_MARK):
        chunk = infos[start : start + _UNDER_ONE_MARK]
        with (
            place.marks.holding(folder) as mark,
            ThreadPoolExecutor(_THREADS, "sematic-gc") as threads,
        ):
            before = min(now(), mark.set_at) - older_than
            removed = threads.map(partial(_remove, place, mark=mark, before=before), chunk)
            gone.extend(info for info, is_gone in zip(chunk, removed, strict=True) if is_gone)
    return gone


def _remove(place: RemotePlace, info: pafs.FileInfo, *, mark: Mark, before: float) -> bool:
    """Whether an object was as old as that, and is gone."""
    found = place.filesystem.get_file_info(info.path)
    if found.type != pafs.FileType.File or mtime(found) >= before or not mark.is_valid():
        return False
    try:
        place.filesystem.delete_file(info.path)
    except FileNotFoundError:
        return False  # somebody else was faster
    return True


def _collect_unfinished(place: RemotePlace, before: float, *, delete: bool) -> Iterator[Garbage]:
    """What processes that were killed had begun, where a file can be seen before it is whole."""
    if place.is_object_store:
        return
    for info in _list(place, ""):
        if info.base_name.startswith(".writing-") and mtime(info) < before:
            if delete:
                place.filesystem.delete_file(info.path)
            yield Garbage(info.base_name, info.size)
