"""Deleting what no record refers to, wherever it is."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from sematic.artifacts.garbage import DAY_SECONDS, Garbage
from sematic.artifacts.local_garbage import collect_local_garbage
from sematic.artifacts.local_place import LocalPlace
from sematic.artifacts.places import open_place


def collect_garbage(
    location: str | Path,
    *,
    find_recorded: Callable[[Collection[str]], Collection[str]],
    now: Callable[[], float],
    older_than: float = DAY_SECONDS,
    delete: bool = True,
) -> Iterator[Garbage]:
    """Delete what is not needed, file by file, and tell of each.

    Args:
        location: of a store: a directory, or a URI.
        find_recorded: tells which of these ids the record has.
        now: seconds since the epoch.
        older_than: seconds; what was written since is left alone.
        delete: whether to delete; without it, what would be is told.

    Raises:
        OSError, ArtifactError: a file can be neither looked at nor deleted.
    """
    place = open_place(str(location), fsync=False)
    collect: Callable[..., Iterator[Garbage]]
    if isinstance(place, LocalPlace):
        collect = partial(collect_local_garbage, Path(place.name))
    else:
        from sematic.artifacts.remote_garbage import collect_remote_garbage  # loads Arrow
        from sematic.artifacts.remote_place import RemotePlace

        assert isinstance(place, RemotePlace)  # there are no others
        collect = partial(collect_remote_garbage, place)
    yield from collect(find_recorded=find_recorded, now=now, older_than=older_than, delete=delete)
