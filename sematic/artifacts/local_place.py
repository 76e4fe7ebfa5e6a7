"""Artifacts as files of a local or network file system."""

import contextlib
import errno
import mmap
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from sematic.artifacts.identity import Hashing, iter_pieces
from sematic.errors import ArtifactError, CorruptArtifactError, MissingArtifactError

# Shorter files are read: a mapping holds a file descriptor for as long as the value lives.
_MAP_FROM = 256 * 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


class LocalPlace:
    """A directory with the file ``ab/cdef...`` for the artifact ``abcdef...``.

    A file appears complete under its name or not at all, and never changes.
    """

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        """Nothing is created before the first write.

        Args:
            root: the directory.
            fsync: whether what was written survives a power loss from the moment it is there.
        """
        self._root = root
        self._fsync = fsync

    @property
    def name(self) -> str:
        """What people call the place: its path."""
        return str(self._root)

    def path(self, artifact_id: str) -> Path:
        """Where the file of an artifact is, or would be."""
        return self._root / artifact_id[:2] / artifact_id[2:]

    def has(self, artifact_id: str, size: int) -> bool:
        """Whether the whole file is there."""
        try:
            return self.path(artifact_id).stat().st_size == size
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._failure("look for", error) from error

    def write(self, segments: Sequence[memoryview], hashing: Hashing) -> str:
        """Keep a file and return its id. If it is there already, only its age is renewed.

        Raises:
            ArtifactError: there is no space, or no permission to write.
        """
        size = sum(len(segment) for segment in segments)
        temporary = self._root / f".writing-{os.getpid()}-{secrets.token_hex(8)}"
        try:
            if not self._renew_known(hashing, size):
                self._root.mkdir(parents=True, exist_ok=True)
                if self._fill(temporary, segments, hashing=hashing, size=size):
                    self._publish(temporary, hashing.wait(), size)
            return hashing.wait()
        except OSError as error:
            raise self._failure("write to", error) from error
        finally:
            hashing.cancel()
            # After the exception that matters; a file that stays is found by its name and age.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _fill(
        self, path: Path, segments: Sequence[memoryview], *, hashing: Hashing, size: int
    ) -> bool:
        """Write a file; ``False`` if the artifact turns out to be there before it is written."""
        known = hashing.id_if_known is not None
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        try:
            for piece in iter_pieces(segments):
                if not known and hashing.id_if_known is not None:
                    known = True  # hashing is faster than writing: it tells in time
                    if self._renew_known(hashing, size):
                        return False
                _write_all(descriptor, piece)
            if self._fsync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True

    def _publish(self, temporary: Path, artifact_id: str, size: int) -> None:
        if self._renew(artifact_id, size):
            return
        path = self.path(artifact_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        if self._fsync:
            for folder in (path.parent, self._root):
                _sync_folder(folder)

    def _renew_known(self, hashing: Hashing, size: int) -> bool:
        return hashing.id_if_known is not None and self._renew(hashing.id_if_known, size)

    def _renew(self, artifact_id: str, size: int) -> bool:
        """Whether the whole file is there; if so, its age starts anew."""
        path = self.path(artifact_id)
        if not self.has(artifact_id, size):
            return False
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            # It belongs to somebody else, who looks after its age.
        return True

    def read(self, artifact_id: str, size: int) -> memoryview:
        """The bytes of an artifact: writable, and no write reaches the file.

        Raises:
            MissingArtifactError: there is no such file.
            CorruptArtifactError: it has another size.
            ArtifactError: it cannot be read.
        """
        path = self.path(artifact_id)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingArtifactError(
                f"Artifact {artifact_id} is not in {self.name}. It was deleted, or this process "
                "looks in another place than the one that it was stored in."
            ) from error
        except OSError as error:
            raise self._failure("read from", error) from error
        try:
            found = os.fstat(descriptor).st_size
            if found != size:
                raise CorruptArtifactError(f"it has {found} bytes instead of {size}")
            return _load(descriptor, size)
        except OSError as error:
            raise self._failure("read from", error) from error
        finally:
            os.close(descriptor)

    def _failure(self, action: str, error: OSError) -> ArtifactError:
        start = f"Cannot {action} the artifact store {self.name}"
        if error.errno in _NO_SPACE:
            return ArtifactError(f"{start}: no space left. Free some, or use another location.")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return ArtifactError(
                f"{start}: {error.strerror}. Get the permission, or use another location."
            )
        return ArtifactError(f"{start}: {error}")


def _write_all(descriptor: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(descriptor: int, size: int) -> memoryview:
    if size >= _MAP_FROM:
        try:
            return memoryview(_map(descriptor, size))
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
    memory = memoryview(bytearray(size))
    done = 0
    while done < size:
        count = os.readv(descriptor, [memory[done:]])
        if count == 0:
            raise OSError(errno.EIO, "the file became shorter while it was read")
        done += count
    return memory


def _map(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
