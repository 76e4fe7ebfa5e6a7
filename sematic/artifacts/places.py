"""Where the bytes of artifacts are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from sematic.artifacts.identity import Hashing
from sematic.artifacts.local_place import LocalPlace


class Place(Protocol):
    """Keeps files by id. What is there is complete, and changes only by accident."""

    @property
    def name(self) -> str:
        """What people call it; without credentials."""

    def has(self, artifact_id: str, size: int) -> bool:
        """Whether the whole file is there."""

    def is_trusted(self, artifact_id: str) -> bool:
        """Whether the bytes of a file are right without a look at them."""

    def trust(self, artifact_id: str) -> None:
        """Take notice that the bytes of a file are right."""

    def write(self, segments: Sequence[memoryview], hashing: Hashing) -> str:
        """Keep a file and return its id; renew its age if it is there already.

        Raises:
            ArtifactError: it cannot be kept; nothing is left of it.
        """

    def read(self, artifact_id: str, size: int) -> memoryview:
        """The bytes of a file: writable, and no write reaches the file.

        Raises:
            MissingArtifactError: there is no such file.
            CorruptArtifactError: it has another size.
            ArtifactError: it cannot be read.
        """


def open_place(location: str, *, fsync: bool, trusted_from: float | None = None) -> Place:
    """The place of a path or URI; nothing is created there.

    Args:
        location: a path or URI.
        fsync: whether files of a directory survive a power loss at once.
        trusted_from: seconds since the epoch; long files of a directory that were written since
            are taken to be right.

    Raises:
        ArtifactError: the URI is malformed, or of an unknown scheme.
    """
    if "://" not in location:
        return LocalPlace(Path(location), fsync=fsync, trusted_from=trusted_from)
    parts = urlsplit(location)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        return LocalPlace(path, fsync=fsync, trusted_from=trusted_from)
    from sematic.artifacts.remote_place import open_remote_place

    return open_remote_place(location)
