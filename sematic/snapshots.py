"""Arguments as they were when the call was written: later changes to them do not reach it."""

import enum
import io
import pickle
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from sematic.future import AbstractFuture, Future, Operation, Selection

_ATOMS = frozenset({int, float, str, bool, bytes, complex, type(None)})
_UNCHANGING = _ATOMS | {Future, Selection, Operation}
_SHARED = (AbstractFuture, enum.Enum, type, FunctionType, BuiltinFunctionType, ModuleType)
"""What stays what it is wherever it occurs in an argument."""


class Snapshots:
    """Copies of the arguments of calls that are made one after the other.

    An object that is passed again gives the same copy as long as it has not changed meanwhile:
    what many calls share is kept, and stored, once.
    """

    def __init__(self) -> None:
        # By id: the object, kept so that its id stays its own; what it was; the copy.
        self._taken: dict[int, tuple[object, _Content, Any]] = {}
        self._shared: list[object] = []
        self._indices: dict[int, int] = {}

    def take(self, value: Any) -> Any:
        """A copy that does not change with ``value``; ``value`` itself where it cannot change.

        What cannot be copied is returned as it is: either it cannot be stored, and storing it
        says why, or it is all that anybody can have. Copies are made with pickle, futures,
        functions and classes in them stay the same objects.
        """
        kind = type(value)
        if kind in _UNCHANGING or isinstance(value, _SHARED):
            return value
        if kind in (list, set, tuple, frozenset) and _UNCHANGING.issuperset(map(type, value)):
            return kind(value)  # a tuple is its own copy
        if kind is dict and _UNCHANGING.issuperset(map(type, (*value, *value.values()))):
            return value.copy()
        try:
            return self._copy(value)
        except Exception:  # noqa: BLE001 - whatever the methods of a foreign class raise
            return value

    def _copy(self, value: object) -> Any:
        taken = self._taken.get(id(value))
        content = _Content(value, self._share)
        if taken is not None and taken[1].equals(content):
            return taken[2]
        content.keep()
        copied = content.load(self._shared)
        self._taken[id(value)] = (value, content, copied)
        return copied

    def _share(self, part: object) -> int:
        index = self._indices.setdefault(id(part), len(self._shared))
        if index == len(self._shared):
            self._shared.append(part)
        return index


class _Content:
    """What a value is made of: a pickle, and the memory of arrays beside it."""

    def __init__(self, value: object, share: Callable[[object], int]) -> None:
        self._buffers: list[Any] = []
        stream = io.BytesIO()
        pickler = _Pickler(stream, protocol=5, buffer_callback=self._add)
        pickler.share = share
        pickler.dump(value)
        self._pickle = stream.getvalue()

    def _add(self, buffer: pickle.PickleBuffer) -> None:
        self._buffers.append(buffer.raw())

    def equals(self, other: "_Content") -> bool:
        """Whether another value, whose memory was not copied, is made of the same."""
        return self._pickle == other._pickle and self._buffers == other._buffers

    def keep(self) -> None:
        """Copy the memory that is still the value's own."""
        self._buffers = [bytearray(buffer) for buffer in self._buffers]

    def load(self, shared: list[object]) -> Any:
        """The value, made of the kept memory."""
        unpickler = _Unpickler(io.BytesIO(self._pickle), buffers=self._buffers)
        unpickler.shared = shared
        return unpickler.load()


class _Pickler(pickle.Pickler):
    share: Callable[[object], int]

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _SHARED) and obj is not _shared_object:
            return _shared_object, (self.share(obj),)
        if "matplotlib.figure" in sys.modules:
            return _without_window(obj)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    shared: list[object]

    def find_class(self, module: str, name: str) -> Any:
        if name == _shared_object.__name__:
            return self.shared.__getitem__
        return super().find_class(module, name)


def _shared_object(index: int) -> object:
    """Stands in pickles for what looks an object up."""
    raise AssertionError(index)


def _without_window(obj: Any) -> Any:
    """Figures of pyplot would open a second window where they are copied."""
    if not isinstance(obj, sys.modules["matplotlib.figure"].Figure):
        return NotImplemented
    constructor, arguments, state, *rest = obj.__reduce_ex__(5)
    state = {key: part for key, part in state.items() if key != "_restore_to_pylab"}
    return constructor, arguments, state, *rest
