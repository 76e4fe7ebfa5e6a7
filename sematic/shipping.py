"""Functions, calls and outcomes as bytes, for workers in other processes.

A function travels as the path it can be imported from. Code itself travels only for what cannot
be imported: functions of ``__main__``, of notebook cells, and those defined inside of functions.
"""

import functools
import inspect
import io
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sematic.calls import ArtifactRef, Call, Expanded, Outcome, Succeeded
from sematic.code_imports import import_code, import_recorded, why_incomplete
from sematic.errors import UnserializableValueError
from sematic.function import Function, pickling_by_value
from sematic.types.names import canonical_module, find_qualified, main_module_name


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
    """Turns calls of one pipeline run into bytes; each function's code is pickled once."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Function[..., Any], bytes]] = {}

    def pack_call(self, call: Call, inputs: Mapping[str, ArtifactRef], *, log_path: str) -> bytes:
        """A call without its function for :func:`unpack_call`. What executes it needs no more."""
        parts = {name: _artifact_parts(ref) for name, ref in inputs.items()}
        return pickle.dumps((call.run_id, call.root_id, parts, log_path), _PROTOCOL)

    def knows(self, function: Function[..., Any]) -> bool:
        """Whether the function was packed before."""
        return id(function) in self._packed

    def pack_function(self, function: Function[..., Any]) -> bytes:
        """A function as bytes: the same ones each time.

        Raises:
            UnserializableValueError: it cannot be sent to another process.
        """
        known = self._packed.get(id(function))
        if known is None:  # the function is kept too, so that its id stays its own
            packed = pickle.dumps(build_reference(function), _PROTOCOL)
            known = self._packed[id(function)] = (function, packed)
        return known[1]


def unpack_call(packed: bytes, function: bytes) -> tuple[Call, dict[str, ArtifactRef], str]:
    """A call to execute, its inputs and the path of its log, from what a packer has returned.

    Raises:
        ImportError: its function cannot be imported here.
    """
    run_id, root_id, parts, log_path = pickle.loads(packed)
    known = _unpack_function(function)
    call = Call(run_id, root_id, None, known, {}, known.options)
    return call, {name: ArtifactRef(*ref) for name, ref in parts.items()}, log_path


def pack_outcome(
    outcome: Outcome, started_at: float, ended_at: float, *, log_failure: str | None = None
) -> bytes:
    """An outcome, its times and why output could not be kept, for :func:`unpack_outcome`.

    Raises:
        UnserializableValueError: a nested function cannot be sent to another process.
    """
    about = (started_at, ended_at, log_failure)
    if isinstance(outcome, Succeeded):  # most are: no classes, no imports, a tenth of the time
        return pickle.dumps((*about, _artifact_parts(outcome.output)), _PROTOCOL)
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, protocol=_PROTOCOL)
    pickler.packer = Packer()
    pickler.dump((*about, outcome))
    return buffer.getvalue()


def unpack_outcome(packed: bytes) -> tuple[Outcome, float, float, str | None]:
    """Outcome, start, end and log failure, from what ``pack_outcome`` returned.

    Raises:
        ImportError: a nested function cannot be imported here.
    """
    started_at, ended_at, log_failure, outcome = pickle.loads(packed)
    if isinstance(outcome, tuple):
        outcome = Succeeded(ArtifactRef(*outcome))
    elif isinstance(outcome, Expanded):
        for call in outcome.calls:
            if call.options.cache:
                call.function.prepare_identity()
    return outcome, started_at, ended_at, log_failure


class _Pickler(pickle.Pickler):
    packer: Packer

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Function):
            return _unpack_function, (self.packer.pack_function(obj),)
        return NotImplemented


_PROTOCOL = pickle.HIGHEST_PROTOCOL


def _artifact_parts(ref: ArtifactRef) -> tuple[Any, ...]:
    return (ref.id, ref.codec, ref.type, ref.size, ref.payload, ref.summary)


def _unpack_function(packed: bytes) -> Function[..., Any]:
    known = _functions.get(packed)
    if known is None:
        known = _functions[packed] = load_function(pickle.loads(packed))
    return known


# By their packed references: most calls are of a few functions.
_functions: dict[bytes, Function[..., Any]] = {}


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
        own = find_qualified(sys.modules["__main__"], ref.qualname)
        if isinstance(own, Function):
            return own
    function: Function[..., Any] = pickle.loads(ref.code)
    return function


def _pickle_code(function: Function[..., Any]) -> bytes:
    token, stream = pickling_by_value.set(True), io.BytesIO()
    try:
        _code_pickler()(stream).dump(function)
        return stream.getvalue()
    except Exception as error:  # whatever the __reduce__ of somebody's object raises
        raise UnserializableValueError(
            f"{function!r} cannot be sent to another process: {_culprit(function, error)} Make it "
            "inside of the function, or move the function to a module that can be imported."
        ) from error
    finally:
        pickling_by_value.reset(token)


@functools.cache
def _code_pickler() -> Any:
    import cloudpickle  # only needed for what cannot be imported

    class CodePickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        """cloudpickle's, but a class that is nested in another one keeps its qualified name."""

        def reducer_override(self, obj: Any) -> Any:
            reduced = super().reducer_override(obj)
            if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) > 2:
                attributes, _ = reduced[2]
                attributes["__qualname__"] = obj.__qualname__
            return reduced

    return CodePickler


def _culprit(function: Function[..., Any], error: Exception) -> str:
    """Which variable of a function cannot be pickled, in a sentence."""
    import cloudpickle

    variables = inspect.getclosurevars(function.func)
    for name, value in {**variables.globals, **variables.nonlocals}.items():
        try:
            cloudpickle.dumps(value)
        except Exception as its_error:  # noqa: BLE001
            # As above.
            kind = type(value).__qualname__
            return f"its variable {name!r}, a {kind}, cannot be pickled ({its_error})."
    return f"it cannot be pickled ({error})."


def _import_function(module: str, qualname: str) -> Function[..., Any]:
    try:
        found = find_qualified(import_code(module), qualname)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"Unable to find function {module}.{qualname}: {error}. The worker must be able to "
            "import the module: install it there, or keep it beside the script that runs."
        ) from error
    if not isinstance(found, Function):
        why = why_incomplete(sys.modules[module]) or "did it change location?"
        raise ImportError(f"Unable to find function {module}.{qualname}: {why}")
    return found


def locate_function(path: str) -> Function[..., Any]:
    """The function that was recorded under an importable path.

    Raises:
        ImportError: there is none any more, or its module cannot be imported; what that raised is
            the cause.
    """
    if path.startswith(f"{main_module_name()}."):
        found = find_qualified(sys.modules["__main__"], path[len(main_module_name()) + 1 :])
        if isinstance(found, Function):
            return found
    module, _, qualname = path.rpartition(".")
    while module:
        try:
            import_recorded(module)
        except ImportError as error:
            missing = isinstance(error, ModuleNotFoundError)
            if not missing or not f"{module}.".startswith(f"{error.name}."):  # one that it imports
                problem = str(error).removesuffix(".")
                cause = error.__cause__ or error
                raise ImportError(f"Unable to find function {path}: {problem}.") from cause
            # The last part of it is a class, or a function with a map.
            module, _, last = module.rpartition(".")
            qualname = f"{last}.{qualname}"
        else:
            return _import_function(module, qualname)
    raise ImportError(f"Unable to find function {path}: did it change location?")
