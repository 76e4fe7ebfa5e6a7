"""Functions, calls and outcomes as bytes, for workers in other processes.

A function travels as the path it can be imported from. Code itself travels only for what cannot
be imported: functions of ``__main__``, of notebook cells, and those defined inside of functions.
"""

import hashlib
import importlib
import io
import operator
import pickle
import sys
from dataclasses import dataclass
from typing import Any

from sematic.function import Function, pickling_by_value
from sematic.types.names import canonical_module, main_module_name, set_main_module_name


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """How another process finds a function.

    Attributes:
        module: importable module, or the real name of ``__main__``.
        qualname: dotted path inside of the module.
        code: the pickled function where it cannot be imported.
    """

    module: str
    qualname: str
    code: bytes | None = None


class Packer:
    """Turns data with functions inside into bytes; each function's code is pickled once."""

    def __init__(self) -> None:
        self._refs: dict[int, tuple[Function[..., Any], FunctionRef]] = {}

    def pack(self, data: object) -> bytes:
        """Bytes for :func:`unpack`.

        Raises:
            TypeError, pickle.PicklingError: a function's closure holds what cannot be pickled.
        """
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.packer = self
        pickler.dump((main_module_name(), data))
        return buffer.getvalue()

    def reference(self, function: Function[..., Any]) -> FunctionRef:
        """How another process finds ``function``."""
        known = self._refs.get(id(function))
        if known is None:  # the function is kept too, so that its id stays its own
            known = self._refs[id(function)] = (function, build_reference(function))
        return known[1]


class _Pickler(pickle.Pickler):
    packer: Packer

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Function):
            return load_function, (self.packer.reference(obj),)
        return NotImplemented


def unpack(data: bytes) -> Any:
    """What was packed, in a process that knows the real name of the other's ``__main__``."""
    _, value = pickle.loads(data)
    return value


def adopt_main(data: bytes) -> Any:
    """As :func:`unpack`, in a worker: takes over the driver's name for its ``__main__``."""
    main_name, value = pickle.loads(data)
    set_main_module_name(main_name)
    return value


def build_reference(function: Function[..., Any]) -> FunctionRef:
    """A reference to a function, with its code where other processes cannot import it."""
    module = canonical_module(function.__module__)
    if function.is_importable():
        return FunctionRef(module, function.__qualname__)
    return FunctionRef(module, function.__qualname__, _pickle_code(function))


def load_function(ref: FunctionRef) -> Function[..., Any]:
    """The function that a reference names.

    Raises:
        ImportError: its module cannot be imported here, or has no such function any more.
    """
    if ref.code is None:
        return _import_function(ref.module, ref.qualname)
    if ref.module == main_module_name() and "__main__" in sys.modules:
        own = _find(sys.modules["__main__"], ref.qualname)
        if isinstance(own, Function):
            return own
    key = hashlib.sha1(ref.code).digest()
    if key not in _loaded:
        _loaded[key] = pickle.loads(ref.code)
    return _loaded[key]


_loaded: dict[bytes, Function[..., Any]] = {}


def _pickle_code(function: Function[..., Any]) -> bytes:
    import cloudpickle  # only needed for what cannot be imported

    token = pickling_by_value.set(True)
    try:
        return bytes(cloudpickle.dumps(function))
    finally:
        pickling_by_value.reset(token)


def _import_function(module: str, qualname: str) -> Function[..., Any]:
    try:
        found = _find(importlib.import_module(module), qualname)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"Unable to find function {module}.{qualname}: {error}. The worker must be able to "
            "import the module: install it there, or keep it beside the script that runs."
        ) from error
    if not isinstance(found, Function):
        raise ImportError(f"Unable to find function {module}.{qualname}: did it change location?")
    return found


def locate_function(path: str) -> Function[..., Any]:
    """The function that was recorded under an importable path.

    Raises:
        ImportError: there is none any more.
    """
    if path.startswith(f"{main_module_name()}."):
        found = _find(sys.modules["__main__"], path[len(main_module_name()) + 1 :])
        if isinstance(found, Function):
            return found
    module, _, qualname = path.rpartition(".")
    while module:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:  # the last part of it is a class, or a function with a map
            module, _, last = module.rpartition(".")
            qualname = f"{last}.{qualname}"
        else:
            return _import_function(module, qualname)
    raise ImportError(f"Unable to find function {path}: did it change location?")


def _find(module: Any, qualname: str) -> Any:
    try:
        return operator.attrgetter(qualname)(module)
    except AttributeError:
        return None
