"""The pickler of everything that has no codec of its own."""

import ctypes
import io
import pathlib
import pickle
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

import cloudpickle

from sematic.artifacts.codecs.classes import (
    build_definition,
    class_name,
    is_of_main,
    resolve_class,
)
from sematic.artifacts.codecs.compiled_code import THIS_PYTHON, build_code
from sematic.artifacts.codecs.plotly_pickles import reduce_figure
from sematic.artifacts.codecs.tensors import reduce_tensor
from sematic.types.unstorable import refuse


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle's, without what ties a value to its process.

    Attributes:
        has_code: whether there is compiled code in what was pickled.
    """

    has_code = False

    def reducer_override(self, obj: Any) -> Any:
        """Arrays are writable where they are read, tensors too; figures let go of their window.

        What belongs to this process is refused. The classes of a script become those of the
        script where it runs again.
        """
        refuse(obj)
        if type(obj) is CodeType:
            return self._reduce_code(obj)
        if isinstance(obj, type) and is_of_main(obj):
            return _reduce_class(obj)
        for base in type(obj).__mro__:
            reduce = _REDUCERS.get((base.__module__, base.__name__))
            if reduce is not None:
                return reduce(obj)
        return super().reducer_override(obj)

    def _reduce_code(self, code: CodeType) -> Any:
        self.has_code = True
        _, parts = self.dispatch_table[CodeType](code)
        return build_code, (THIS_PYTHON, *parts)


def _reduce_class(cls: type) -> Any:
    name, definition = class_name(cls), build_definition(cls)
    return resolve_class, (name, {} if definition is None else {name: definition})


def _reduce_array(array: Any) -> Any:
    """Read-only arrays, e.g. those that pandas hands out, would stay so in the reader's memory."""
    if array.flags.writeable:
        return NotImplemented
    constructor, arguments, *rest = array.__reduce_ex__(5)
    if not isinstance(arguments[0], pickle.PickleBuffer):
        return NotImplemented
    memory = (ctypes.c_ubyte * array.nbytes).from_address(array.ctypes.data)
    writable = pickle.PickleBuffer(memory if array.nbytes else bytearray())
    return constructor, (writable, *arguments[1:]), *rest


def _reduce_figure(figure: Any) -> Any:
    """Reading a figure of pyplot's would open its window again."""
    constructor, arguments, state, *rest = figure.__reduce_ex__(5)
    if isinstance(state, dict):
        state = {key: value for key, value in state.items() if key != "_restore_to_pylab"}
    return constructor, arguments, state, *rest


def _reduce_model(model: Any) -> Any:
    """The names of the fields that were given are a set: here in the same order everywhere."""
    cls: Any = type(model)
    if cls.__reduce_ex__ is not object.__reduce_ex__ or cls.__reduce__ is not object.__reduce__:
        return NotImplemented
    constructor, arguments, state, *rest = model.__reduce_ex__(5)
    names = state.get("__pydantic_fields_set__") if isinstance(state, dict) else None
    if not isinstance(names, set):
        return NotImplemented
    return constructor, arguments, {**state, "__pydantic_fields_set__": _Sorted(names)}, *rest


def _reduce_memory(memory: memoryview) -> Any:
    """It would come back as bytes."""
    return _build_memory, (memory.tobytes(), memory.format, memory.shape)


def _build_memory(content: bytes, format_: str, shape: tuple[int, ...]) -> memoryview:
    memory = memoryview(content)
    return memory if (format_, shape) == ("B", memory.shape) else memory.cast(format_, shape)  # type: ignore[call-overload]


def _reduce_path(path: pathlib.PurePath) -> Any:
    """Python 3.13 pickles paths by names that older versions do not have."""
    cls = type(path)
    if getattr(pathlib, cls.__name__, None) is not cls:
        return NotImplemented
    return _build_path, (cls.__name__, str(path))


def _build_path(name: str, text: str) -> object:
    return getattr(pathlib, name)(text)


# By the names of classes that may not be loaded.
_REDUCERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("numpy", "ndarray"): _reduce_array,
    ("matplotlib.figure", "Figure"): _reduce_figure,
    ("plotly.basedatatypes", "BaseFigure"): reduce_figure,
    ("pydantic.main", "BaseModel"): _reduce_model,
    ("torch", "Tensor"): reduce_tensor,
    ("builtins", "memoryview"): _reduce_memory,
    ("pathlib", "PurePath"): _reduce_path,
    ("pathlib._local", "PurePath"): _reduce_path,
}


class _Sorted:
    """A set of texts that is pickled in order."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = sorted(texts)

    def __reduce__(self) -> Any:
        return set, (self._texts,)


def dump(value: object) -> bytes:
    """The pickle of a value with everything in it."""
    stream = io.BytesIO()
    Pickler(stream, protocol=5).dump(value)
    return stream.getvalue()
