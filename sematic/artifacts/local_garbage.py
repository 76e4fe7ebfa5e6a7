"""Files of a directory that no record refers to, and their end.

A file goes that the record does not know and that nobody has written for a day. Writing a value
that is there renews its age, and whoever writes records it well within that day. So only the
moment of deletion is delicate: somebody may renew the age of the very file that was just found to
be old. A file is therefore put aside first and looked at again. Who wrote it before is seen by its
age then, and it is put back; who comes later finds nothing, and writes it anew. Who reads finds it
aside.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from sematic.artifacts.garbage import BATCH, NAME, Garbage
from sematic.artifacts.local_place import aside, original_name


def collect_local_garbage(
    root: Path,
    *,
    find_recorded: Callable[[Collection[str]], Collection[str]],
    now: Callable[[], float],
    older_than: float,
    delete: bool,
) -> Iterator[Garbage]:
    """Delete what is not needed, file by file, and tell of each: see ``collect_garbage``.

    Raises:
        OSError: a file can be neither looked at nor deleted.
    """
    for name, path in _iter_old(root.glob(".writing-*"), now() - older_than):
        yield from _remove(name, path, delete=delete)
    batch: list[tuple[str, Path]] = []
    for found in _iter_old(_iter_files(root), now() - older_than):
        batch.append(found)
        if len(batch) == BATCH:
            yield from _collect_batch(batch, find_recorded, now() - older_than, delete=delete)
            batch = []
    yield from _collect_batch(batch, find_recorded, now() - older_than, delete=delete)


def _iter_files(root: Path) -> Iterator[Path]:
    for folder in root.glob("[0-9a-f][0-9a-f]"):
        for path in folder.iterdir():
            if NAME.fullmatch(original_name(path.name)):  # what is not ours stays
                yield path


def _iter_old(paths: Iterator[Path], before: float) -> Iterator[tuple[str, Path]]:
    for path in paths:
        try:
            if path.stat().st_mtime < before:
                yield path.name, path
        except FileNotFoundError:
            continue  # somebody else was faster


def _collect_batch(
    batch: list[tuple[str, Path]],
    find_recorded: Callable[[Collection[str]], Collection[str]],
    before: float,
    *,
    delete: bool,
) -> Iterator[Garbage]:
    ids = {path: path.parent.name + original_name(name) for name, path in batch}
    recorded = find_recorded(set(ids.values()))
    for path, artifact_id in ids.items():
        original = path.with_name(artifact_id[2:])
        if artifact_id in recorded:
            if path != original:  # left aside by a process that was killed
                _put_back(path, original)
        elif not delete:
            yield from _remove(artifact_id, path, delete=False)
        else:
            yield from _collect(artifact_id, original, before)


def _collect(artifact_id: str, path: Path, before: float) -> Iterator[Garbage]:
    put_aside = aside(path)
    try:
        path.rename(put_aside)
    except FileNotFoundError:
        if not put_aside.exists():
            return
    if put_aside.stat().st_mtime < before:
        yield from _remove(artifact_id, put_aside, delete=True)
    else:
        _put_back(put_aside, path)


def _put_back(put_aside: Path, path: Path) -> None:
    with contextlib.suppress(FileExistsError):  # it was written anew meanwhile
        os.link(put_aside, path)
    put_aside.unlink()


def _remove(name: str, path: Path, *, delete: bool) -> Iterator[Garbage]:
    try:
        size = path.stat().st_size
        if delete:
            path.unlink()
    except FileNotFoundError:
        return
    yield Garbage(name, size)
