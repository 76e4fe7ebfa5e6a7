"""Functions as the record knows them: for readers that do not have, or must not load, the code."""

from typing import Any

from sematic.function import Function
from sematic.options import CallOptions


class RecordedFunction(Function[..., Any]):
    """A function that can be named, but not executed: what the record says of it.

    Enough to replay a pipeline run, and to end it. Nothing is imported and nothing unpickled.

    Args:
        path: importable path.
        source: its source code as it was, which makes its ``source_hash``.
        output_descriptor: the type of its output; empty where no call of it has an output yet,
            so that there is nothing to compare it with.
    """

    def __init__(self, path: str, *, source: str = "", output_descriptor: str = "") -> None:
        module, _, name = path.rpartition(".")
        self.__module__, self.__name__, self.__qualname__ = module, name, name
        self._path = path
        self.source = source
        self.output_descriptor = output_descriptor
        self.options = CallOptions(name=name)

    @property
    def path(self) -> str:
        """The path that was recorded, whatever this process calls its main module."""
        return self._path

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
        return _restore, (self._path, self.source, self.output_descriptor)


def _restore(path: str, source: str, output_descriptor: str) -> RecordedFunction:
    return RecordedFunction(path, source=source, output_descriptor=output_descriptor)


def recorded_class(path: str) -> type[BaseException]:
    """A class that stands for the exception at an importable path; nothing is imported.

    Retry settings compare exceptions by their paths, so it matches what the real one would.
    """
    module, _, name = path.rpartition(".")
    return type(name, (BaseException,), {"__module__": module})
