"""The pickler of everything that has no codec of its own."""

import ctypes
import io
import pickle
from typing import Any

import cloudpickle

from sematic.artifacts.codecs.classes import (
    build_definition,
    class_name,
    is_of_main,
    resolve_class,
)


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle's, without what ties a value to its process."""

    def reducer_override(self, obj: Any) -> Any:
        """Arrays are writable where they are read, and figures let go of their window.

        The classes of a script become those of the script where it runs again.
        """
        if isinstance(obj, type) and is_of_main(obj):
            return _reduce_class(obj)
        if _is_of(obj, "numpy", "ndarray"):
            return _reduce_array(obj)
        if _is_of(obj, "matplotlib.figure", "Figure"):
            return _reduce_figure(obj)
        return super().reducer_override(obj)


def _is_of(obj: object, module: str, name: str) -> bool:
    """Whether an object is an instance of a class that may not be loaded."""
    return any(base.__module__ == module and base.__name__ == name for base in type(obj).__mro__)


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


def dump(value: object) -> bytes:
    """The pickle of a value with everything in it."""
    stream = io.BytesIO()
    Pickler(stream, protocol=5).dump(value)
    return stream.getvalue()
