"""FileSystemStore: values in, references out, and back."""

import os
from pathlib import Path
from typing import Any

from sematic.artifacts import inline
from sematic.artifacts.codecs import plain
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.places import Place, open_place
from sematic.calls import ArtifactRef
from sematic.errors import ArtifactError, MissingArtifactError
from sematic.types.descriptors import describe_type

# A list of this many items, or bytes of this length, have a text too long to be kept inline.
_LONG_LIST = inline.LIMIT_BYTES // 2
_LONG_BYTES = inline.LIMIT_BYTES // 4 * 3


class FileSystemStore:
    """Keeps values: small plain ones in their references, all others as files of one folder.

    Instances are cheap, can be pickled, and serve several threads and processes at once. What a
    value needs is loaded when the first one like it comes.
    """

    def __init__(
        self, location: str | Path, *, fsync: bool = False, trusted_from: float | None = None
    ) -> None:
        """Nothing is created or connected to before it is needed.

        Args:
            location: a directory, or a URI that Arrow understands, e.g. ``s3://bucket/folder``.
            fsync: whether files survive a power loss from the moment that ``put`` returns;
                directories only.
            trusted_from: seconds since the epoch. Files of a directory that are long enough to be
                mapped, and were written since, are not compared with their ids when they are read:
                for one pipeline run, between whose functions that would cost as much as writing.
        """
        self._location = str(location)
        if "://" not in self._location:
            self._location = str(Path(location).expanduser().absolute())
        self._fsync = fsync
        self._trusted_from = trusted_from
        self._opened: Place | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def put(self, value: object, type_: object) -> ArtifactRef:
        """Store a value under its declared type; it is neither changed nor kept.

        The same value of the same type has the same id in every process, pickled objects excepted:
        for them that is likely, but not promised.

        Raises:
            UnserializableValueError: the value cannot be turned into bytes; says which part.
            ArtifactError: the bytes cannot be kept: no space, no permission.
        """
        descriptor = describe_type(type_)
        text = None if _is_long(value) else _write_text(value)
        if text is not None:
            ref = inline.build_ref(text, descriptor)
            if ref is not None:
                return ref
        from sematic.artifacts.files import write_value  # loads Arrow

        return write_value(value, descriptor, text=text, place=self._place)

    def get(self, ref: ArtifactRef, *, verify: bool = True) -> object:
        """A fresh value: no change to it reaches anybody else.

        Long arrays and frames are views of their file until they are written to. All bytes are
        compared with the id, of a long file once for as long as nobody touches it.

        Args:
            ref: what ``put`` returned, in this process or another.
            verify: ``False`` to look at the structure only.

        Raises:
            MissingArtifactError: the bytes are not there.
            CorruptArtifactError: the bytes are not what was written.
            ArtifactError: the value is fine, but needs something that this process does not have.
        """
        try:
            if ref.payload is not None:
                if verify:
                    inline.check(ref)
                return inline.read(ref)
            from sematic.artifacts.files import read_value

            return read_value(ref, place=self._place, verify=verify)
        except MissingArtifactError:
            raise
        except ArtifactError as error:
            raise self._named(ref, error) from error

    def exists(self, ref: ArtifactRef) -> bool:
        """Whether the bytes of an artifact are there, all of them.

        Raises:
            ArtifactError: the place does not answer.
        """
        return ref.payload is not None or self._place.has(ref.id, ref.size)

    def check(self, ref: ArtifactRef) -> None:
        """Compare all bytes of an artifact with its id, without making a value of them.

        Raises:
            MissingArtifactError: the bytes are not there.
            CorruptArtifactError: the bytes are not what was written.
            ForeignCodeError: they are, but only another version of Python can read them.
        """
        try:
            if ref.payload is not None:
                inline.check(ref)
                return inline.check_readable(ref)
            from sematic.artifacts.files import check_file

            return check_file(ref, place=self._place)
        except MissingArtifactError:
            raise
        except ArtifactError as error:
            raise self._named(ref, error) from error

    def check_writable(self) -> None:
        """Refuse a directory that cannot be written to, before anything depends on it.

        Takes microseconds and creates nothing. Of other places only writing tells.

        Raises:
            ArtifactError: it is read-only for this process, or no directory.
        """
        if "://" in self._location:
            return
        directory = Path(self._location)
        while not directory.exists() and directory != directory.parent:
            directory = directory.parent
        if directory.is_dir() and os.access(directory, os.W_OK | os.X_OK):
            return
        why = "is read-only for this process" if directory.is_dir() else "is no directory"
        raise ArtifactError(
            f"Cannot write to the artifact store {self._location}: {directory} {why}. Get the "
            "permission, or set SEMATIC_ARTIFACTS_URI to another location."
        )

    @property
    def _place(self) -> Place:
        if self._opened is None:
            self._opened = open_place(
                self._location, fsync=self._fsync, trusted_from=self._trusted_from
            )
        return self._opened

    def _named(self, ref: ArtifactRef, error: ArtifactError) -> ArtifactError:
        """The error with the artifact's name and place in front."""
        where = "in the record" if ref.payload is not None else f"in {self._place.name}"
        return type(error)(f"Cannot read artifact {ref.id} ({ref.type}) {where}: {error}")


def _is_long(value: object) -> bool:
    """Whether it is certain that the text of a value would be too long, and not worth writing."""
    cls = type(value)
    if cls is list or cls is tuple:
        return len(value) >= _LONG_LIST  # type: ignore[arg-type]
    if cls.__module__ == "sematic.types" and cls.__name__ == "Image":
        return len(value.bytes) >= _LONG_BYTES  # type: ignore[attr-defined]
    return cls is bytes and len(value) >= _LONG_BYTES  # type: ignore[arg-type]


def _write_text(value: object) -> plain.PlainText | None:
    try:
        return plain.encode(value)
    except NotEncodable:
        return None
