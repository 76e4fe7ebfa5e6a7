"""Artifacts as objects of any file system that Arrow speaks to: S3, Google Cloud Storage, HDFS."""

import ctypes
import mmap
import os
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from sematic.artifacts.identity import Hashing
from sematic.artifacts.removal_marks import RemovalMarks
from sematic.credentials import hide_all_credentials, hide_credentials
from sematic.errors import ArtifactError, CorruptArtifactError, MissingArtifactError

# Here an object appears under its key when its writer closes it, and cannot be renamed.
_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
_ERRORS = (OSError, pa.ArrowException)
# An object that is there is written again once it is this old: it starts a new age.
_RENEW_AFTER_SECONDS = 6 * 3600.0
# Arrow copies what it sends to S3, and would copy all there is at once.
_MOST_COPIED = 64 * 1024 * 1024
# Garbage is collected in moments: who finds an object gone so often finds another fault.
_MOST_UPLOADS = 10


class RemotePlace:
    """A folder of a file system with the file ``ab/cdef...`` for the artifact ``abcdef...``.

    Attributes:
        filesystem: where the folder is.
        root: its path there.
        marks: of who deletes objects.
    """

    def __init__(self, filesystem: pafs.FileSystem, root: str, *, name: str) -> None:
        """Nothing is created before the first write.

        Args:
            filesystem: any of ``pyarrow.fs``.
            root: path of the folder inside of it.
            name: what to call the place in errors, without credentials.
        """
        self.filesystem = filesystem
        self.root = root.rstrip("/")
        self._name = name
        self.marks = RemovalMarks(filesystem, self.root, has_folders=not self.is_object_store)

    @property
    def name(self) -> str:
        """What people call the place; without credentials."""
        return self._name

    @property
    def is_object_store(self) -> bool:
        """Whether a file appears as a whole, and cannot be renamed."""
        return self.filesystem.type_name in _OBJECT_STORES

    def path(self, artifact_id: str) -> str:
        """Where the object of an artifact is, or would be."""
        return f"{self.root}/{artifact_id[:2]}/{artifact_id[2:]}"

    def has(self, artifact_id: str, size: int) -> bool:
        """Whether the whole object is there."""
        info = self._info(artifact_id)
        return bool(info.type == pafs.FileType.File and info.size == size)

    def is_trusted(self, artifact_id: str) -> bool:
        """Nothing is: beside the transfer of all bytes, a look at them costs little."""
        return False

    def trust(self, artifact_id: str) -> None:
        """Nothing is kept."""

    def _info(self, artifact_id: str) -> pafs.FileInfo:
        try:
            return self.filesystem.get_file_info(self.path(artifact_id))
        except _ERRORS as error:
            raise self._failure("look for", error) from error

    def write(self, segments: Sequence[memoryview], hashing: Hashing) -> str:
        """Keep an object and return its id. If it is there and young, nothing is written.

        Raises:
            ArtifactError: the file system refused.
        """
        try:
            artifact_id = hashing.wait()  # first: an object cannot be renamed once it is written
        finally:
            hashing.cancel()
        size = sum(len(segment) for segment in segments)
        if self._is_young(artifact_id, size) and self._is_kept(artifact_id, size):
            return artifact_id
        for _ in range(_MOST_UPLOADS):
            _run_uninterrupted(lambda: self._upload(artifact_id, segments))
            if self._is_kept(artifact_id, size):
                return artifact_id
        raise ArtifactError(
            f"Cannot keep artifact {artifact_id} in {self._name}: it was written {_MOST_UPLOADS} "
            "times, and something removed it each time."
        )

    def _is_kept(self, artifact_id: str, size: int) -> bool:
        """Whether an object is there that who collects garbage leaves alone: see the marks."""
        try:
            self.marks.wait(artifact_id[:2])
        except _ERRORS as error:
            raise self._failure("look for", error) from error
        return self.has(artifact_id, size)

    def _is_young(self, artifact_id: str, size: int) -> bool:
        info = self._info(artifact_id)
        if info.type != pafs.FileType.File or info.size != size or info.mtime_ns is None:
            return False
        return bool(time.time() - info.mtime_ns / 1e9 < _RENEW_AFTER_SECONDS)

    def _upload(self, artifact_id: str, segments: Sequence[memoryview]) -> None:
        path = self.path(artifact_id)
        try:
            if self.is_object_store:
                self._write_object(path, segments)
            else:
                self._write_and_rename(path, segments)
        except _ERRORS as error:
            raise self._failure("write to", error) from error

    def _write_object(self, path: str, segments: Sequence[memoryview]) -> None:
        stream = self.filesystem.open_output_stream(path)
        try:
            for segment in segments:
                if self.filesystem.type_name == "s3":
                    _write_frugally(stream, memoryview(segment))
                else:  # in pieces it takes longer; and Azure publishes what is flushed
                    stream.write(segment)
        except BaseException:
            _keep_forever(stream)
            raise
        stream.close()

    def _write_and_rename(self, path: str, segments: Sequence[memoryview]) -> None:
        self.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        temporary = f"{self.root}/.writing-{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with self.filesystem.open_output_stream(temporary) as stream:
                for segment in segments:
                    stream.write(segment)
            self.filesystem.move(temporary, path)
        except BaseException:
            if self.filesystem.get_file_info(temporary).type == pafs.FileType.File:
                self.filesystem.delete_file(temporary)
            raise

    def read(self, artifact_id: str, size: int) -> memoryview:
        """The bytes of an artifact, in memory of their own.

        Raises:
            MissingArtifactError: there is no such object.
            CorruptArtifactError: it has another size.
            ArtifactError: it cannot be read.
        """
        memory = memoryview(mmap.mmap(-1, size))
        try:
            # Not a file that tells its size: Arrow asks Google for that with Python's lock held.
            with self.filesystem.open_input_stream(
                self.path(artifact_id), compression=None
            ) as stream:
                found = _fill(memory, stream)
        except FileNotFoundError as error:
            raise MissingArtifactError(
                f"Artifact {artifact_id} is not in {self._name}. It was deleted, or this process "
                "looks in another place than the one that it was stored in."
            ) from error
        except _ERRORS as error:
            raise self._failure("read from", error) from error
        if found < size:
            raise CorruptArtifactError(f"it has {found} bytes instead of {size}")
        if found > size:
            raise CorruptArtifactError(f"it has more than {size} bytes")
        return memory

    def _failure(self, action: str, error: OSError) -> ArtifactError:
        return ArtifactError(f"Cannot {action} the artifact store {self._name}: {error}")


def _write_frugally(stream: Any, segment: memoryview) -> None:
    for start in range(0, len(segment), _MOST_COPIED):
        stream.write(segment[start : start + _MOST_COPIED])
        if len(segment) > _MOST_COPIED:
            stream.flush()  # waits for what is on its way


def _fill(memory: memoryview, stream: Any) -> int:
    """How many bytes there are: as many as fit, fewer, or one more."""
    done = 0
    while done < len(memory):
        count = stream.readinto(memory[done:])
        if count == 0:
            return done
        done += count
    return done + len(stream.read(1))


def _keep_forever(stream: Any) -> None:
    """See to it that a stream that failed half-way is never closed.

    Object stores put an object in its place when its stream is closed, and Arrow closes streams
    that are forgotten. A reference of ours would be gone when Python ends: the stream would be
    closed then, and wait for what Arrow has taken down already.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


def _run_uninterrupted(action: Any) -> None:
    """Run something where no Ctrl-C reaches it between two steps; the caller can be interrupted."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  raised again below
            errors.append(error)

    thread = threading.Thread(target=run, name="sematic-upload")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def open_remote_place(uri: str) -> RemotePlace:
    """The place that a URI of ``pyarrow.fs`` names, e.g. ``s3://bucket/folder``.

    Raises:
        ArtifactError: Arrow does not know the scheme, or the URI is malformed.
    """
    name = hide_credentials(uri)
    try:
        filesystem, root = pafs.FileSystem.from_uri(uri)
    except (*_ERRORS, ValueError) as error:
        reason = hide_all_credentials(str(error))
        raise ArtifactError(f"Cannot use {name} as an artifact store: {reason}") from error
    if filesystem.type_name in _OBJECT_STORES and not root.strip("/"):
        raise ArtifactError(f"Cannot use {name} as an artifact store: it names no bucket.")
    return RemotePlace(filesystem, root, name=name)
