"""Functions as the record knows them: for readers that do not have, or must not load, the code."""

import builtins
import functools
from typing import Any

from sematic.code_places import NO_PLACE, place_of_source
from sematic.function import NO_SOURCE_HASH, Function
from sematic.options import CallOptions


class RecordedFunction(Function[..., Any]):
    """A function that can be named, but not executed: what the record says of it.

    Enough to replay a pipeline run, and to end it. Nothing is imported and nothing unpickled.

    Args:
        path: importable path.
        source: its source code as it was, which makes its ``source_hash`` unless that is given.
        source_hash: 40 hex digits.
        output_descriptor: the type of its output; empty where no call of it has an output yet,
            so that there is nothing to compare it with.
        place: what told it from functions of the same path, where that is recorded: of calls
            that may be cached, by this version; empty where nothing did.
        because: why its code is not to be had, where somebody has looked for it.
    """

    def __init__(
        self,
        path: str,
        *,
        source: str = "",
        source_hash: str | None = None,
        output_descriptor: str = "",
        place: str | None = None,
        because: ImportError | None = None,
    ) -> None:
        module, _, name = path.rpartition(".")
        self.__module__, self.__name__, self.__qualname__ = module, name, name
        self._path = path
        self.__doc__ = None
        self.source = source
        if source_hash is not None:
            self.source_hash = source_hash
        self.output_descriptor = output_descriptor
        self._place = self._find_place() if place is None else place or None
        self.options = CallOptions(name=name)
        self._because = because

    @property
    def path(self) -> str:
        """The path that was recorded, whatever this process calls its main module."""
        return self._path

    @property
    def place(self) -> str | None:
        """What told it from functions of the same path; ``None`` where nothing did."""
        return self._place

    def _find_place(self) -> str | None:
        if "<locals>" in self._path:
            return None
        if not self._path.startswith("__main__."):
            return NO_PLACE
        return None if self.source_hash == NO_SOURCE_HASH else place_of_source(self.source_hash)

    def of_call(
        self, source_hash: str | None, output_descriptor: str | None, place: str | None
    ) -> "RecordedFunction":
        """The function as it was when a call of it was made: several may have the same path.

        Args:
            source_hash: ``None`` where it is not recorded, as in older records.
            output_descriptor: the same.
            place: the same.
        """
        source = self.source if source_hash in (None, self.source_hash) else ""
        return RecordedFunction(
            self._path,
            source=source,
            source_hash=source_hash,
            output_descriptor=output_descriptor or self.output_descriptor,
            place=place,
            because=self._because,
        )

    def missing(self) -> ImportError:
        """What to raise where it must execute, and is not to be found."""
        if self._because is None:
            return ImportError(f"Unable to find function {self.path}: did it change location?")
        error = ImportError(str(self._because))
        error.__cause__ = self._because.__cause__
        return error

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: there is no code.

        Raises:
            ImportError: always.
        """
        raise ImportError(f"{self.path} is only known from the record: it has no code here.")

    def execute(self, arguments: dict[str, Any]) -> object:
        """Refuse: there is no code.

        Raises:
            ImportError: always.
        """
        return self()

    def __reduce__(self) -> Any:
        known = (self.source, self.source_hash, self.output_descriptor, self.place or "")
        return _restore, (self._path, *known)


def _restore(
    path: str, source: str, source_hash: str, output_descriptor: str, place: str | None
) -> RecordedFunction:
    return RecordedFunction(
        path,
        source=source,
        source_hash=source_hash,
        output_descriptor=output_descriptor,
        place=place,
    )


@functools.cache
def recorded_class(path: str) -> type[BaseException]:
    """A class that stands for the exception at an importable path; nothing is imported.

    Retry settings compare exceptions by their paths, so it matches what the real one would. Those
    of Python itself are always at hand.
    """
    module, _, name = path.rpartition(".")
    known = getattr(builtins, name, None) if module == "builtins" else None
    if isinstance(known, type) and issubclass(known, BaseException):
        return known
    return type(name, (BaseException,), {"__module__": module})
