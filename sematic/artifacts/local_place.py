"""Artifacts as files of a local or network file system."""

import contextlib
import errno
import mmap
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sematic.artifacts.identity import Hashing, iter_pieces
from sematic.errors import ArtifactError, CorruptArtifactError, MissingArtifactError

# Shorter files are read: a mapping holds a file descriptor for as long as the value lives.
_MAP_FROM = 256 * 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_ELSEWHERE = "set SEMATIC_ARTIFACTS_URI to another location"
_ASIDE = ".removing-"
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


class LocalPlace:
    """A directory with the file ``ab/cdef...`` for the artifact ``abcdef...``.

    A file appears complete under its name or not at all, and nobody of us changes it. Somebody
    else, or the disk, may: a file is trusted if it was found right here and not touched since.
    """

    def __init__(
        self, root: Path, *, fsync: bool = False, trusted_from: float | None = None
    ) -> None:
        """Nothing is created before the first write.

        Args:
            root: the directory.
            fsync: whether what was written survives a power loss from the moment it is there.
            trusted_from: seconds since the epoch; long files that were written since are right.
        """
        self._root = root
        self._fsync = fsync
        self._trusted_from = trusted_from
        self._trusted: dict[str, _Stamp] = {}  # of long files only: short ones cost nothing

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

    def is_trusted(self, artifact_id: str) -> bool:
        """Whether a file is right without a look at its bytes; never of a short one."""
        stamp = self._stamp(artifact_id)
        if stamp is None:
            return False
        if self._trusted_from is not None and stamp.mtime >= self._trusted_from:
            return True
        return self._trusted.get(artifact_id) == stamp

    def trust(self, artifact_id: str) -> None:
        """Take it that a file is right for as long as nobody touches it."""
        if (stamp := self._stamp(artifact_id)) is not None:
            self._trusted[artifact_id] = stamp

    def _stamp(self, artifact_id: str) -> "_Stamp | None":
        """What changes with the bytes of a long file."""
        try:
            status = self.path(artifact_id).stat()
        except OSError:
            return None
        if status.st_size < _MAP_FROM:
            return None
        return _Stamp(status.st_mtime, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)

    def write(self, segments: Sequence[memoryview], hashing: Hashing) -> str:
        """Keep a file and return its id. If it is there already, only its age is renewed.

        One that is there, but damaged, is replaced.

        Raises:
            ArtifactError: there is no space, or no permission to write.
        """
        size = sum(len(segment) for segment in segments)
        temporary = self._root / f".writing-{os.getpid()}-{secrets.token_hex(8)}"
        try:
            if not self._renew_known(hashing, segments, size):
                self._root.mkdir(parents=True, exist_ok=True)
                if self._fill(temporary, segments, hashing=hashing, size=size):
                    self._publish(temporary, hashing.wait(), segments, size)
                self.trust(hashing.wait())
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
                    if self._renew_known(hashing, segments, size):
                        return False
                _write_all(descriptor, piece)
            if self._fsync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True

    def _publish(
        self, temporary: Path, artifact_id: str, segments: Sequence[memoryview], size: int
    ) -> None:
        if self._renew(artifact_id, segments, size):
            return
        path = self.path(artifact_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        if self._fsync:
            for folder in (path.parent, self._root):
                _sync_folder(folder)

    def _renew_known(self, hashing: Hashing, segments: Sequence[memoryview], size: int) -> bool:
        artifact_id = hashing.id_if_known
        return artifact_id is not None and self._renew(artifact_id, segments, size)

    def _renew(self, artifact_id: str, segments: Sequence[memoryview], size: int) -> bool:
        """Whether the whole file is there, undamaged; if so, its age starts anew."""
        path = self.path(artifact_id)
        if not self.has(artifact_id, size):
            return False
        try:
            if not self.is_trusted(artifact_id) and not _holds(path, segments):
                return False
            os.utime(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            # It belongs to somebody else, who looks after its age.
            return True
        # Between the moments in which the system finds a file and changes its age somebody may have
        # deleted it, as too old.
        return self.has(artifact_id, size)

    def read(self, artifact_id: str, size: int) -> memoryview:
        """The bytes of an artifact: writable, and no write reaches the file.

        Raises:
            MissingArtifactError: there is no such file.
            CorruptArtifactError: it has another size.
            ArtifactError: it cannot be read.
        """
        try:
            descriptor = _open(self.path(artifact_id))
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
            return ArtifactError(f"{start}: no space left. Free some, or {_ELSEWHERE}.")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return ArtifactError(f"{start}: {error.strerror}. Get the permission, or {_ELSEWHERE}.")
        return ArtifactError(f"{start}: {error}")


def aside(path: Path) -> Path:
    """Where the file of an artifact is while it is decided whether it is still needed."""
    return path.with_name(_ASIDE + path.name)


def original_name(name: str) -> str:
    """The name of a file without what says that it was put aside."""
    return name.removeprefix(_ASIDE)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):
            return os.open(aside(path), os.O_RDONLY | os.O_CLOEXEC)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # it may have been put back


class _Stamp(NamedTuple):
    """A file as it was: what tells that its bytes may have changed."""

    mtime: float
    inode: int
    mtime_ns: int
    ctime_ns: int


def _holds(path: Path, segments: Sequence[memoryview]) -> bool:
    """Whether a file of the right size is made of just these bytes."""
    with path.open("rb", buffering=0) as file:
        for piece in iter_pieces(segments):
            found = bytearray(len(piece))
            if not _fill_from(file.fileno(), memoryview(found)) or found != piece:
                return False
    return True


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
    if not _fill_from(descriptor, memory):
        raise OSError(errno.EIO, "the file became shorter while it was read")
    return memory


def _fill_from(descriptor: int, memory: memoryview) -> bool:
    """Read on until ``memory`` is full; ``False`` if the file ends before."""
    while memory:
        count = os.readv(descriptor, [memory])
        if count == 0:
            return False
        memory = memory[count:]
    return True


def _map(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
