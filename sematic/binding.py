"""Arguments and outputs with futures inside: checked by their types before they have values."""

import inspect
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sematic.containers import field_names, parts, with_parts
from sematic.errors import CastError, InvalidFunctionError
from sematic.future import AbstractFuture
from sematic.nesting import holds_future
from sematic.option_names import closest
from sematic.types.assignability import can_cast_type
from sematic.types.casting import caster
from sematic.types.forms import Kind, form_of
from sematic.types.hints import member_types


def bind_arguments(
    name: str, signature: inspect.Signature, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """Arguments by name, in order, with the defaults of those that are left out.

    Raises:
        TypeError: they do not fit the signature; it begins with the function's name.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        problem = str(error)
        unknown = [given for given in kwargs if given not in signature.parameters]
        if unknown:
            hint = closest(unknown[0], list(signature.parameters))
            problem = f"got an unexpected keyword argument {unknown[0]!r}. {hint}".rstrip(". ")
        elif problem == "too many positional arguments":
            problem = f"got {problem}: {_describe_count(signature, len(args))}"
        elif problem.startswith("multiple values"):
            problem = f"got {problem}"
        elif not problem.startswith(("missing", "got")):
            problem = f"cannot be called like this: {problem}"
        raise TypeError(f"{name}() {problem}") from None
    bound.apply_defaults()
    return bound.arguments


def _describe_count(signature: inspect.Signature, given: int) -> str:
    """How many positional arguments a signature takes, and how many there are."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [each for each in signature.parameters.values() if each.kind in kinds]
    most = len(positional)
    least = sum(each.default is each.empty for each in positional)
    taken = str(most) if least == most else f"from {least} to {most}"
    return f"it takes {taken} but {given} {'was' if given == 1 else 'were'} given"


def bind_value(value: object, type_: object, cast: Callable[[object], object]) -> object:
    """``value`` cast to ``type_``; where futures are inside, what is known of it is checked.

    Args:
        value: a plain value, a future, or a container with futures inside.
        type_: the annotation it meets.
        cast: the compiled caster of ``type_``.

    Raises:
        CastError: it can never fit.
    """
    if isinstance(value, AbstractFuture):
        _check_future(value, type_)
        return value
    if not holds_future(value):
        return cast(value)
    return _bind_container(value, type_)


def _check_future(future: AbstractFuture, type_: object) -> None:
    fits, reason = can_cast_type(future._type, type_)
    if not fits:
        raise CastError(f"Cannot cast {future._type} to {type_}: {reason}")


def _bind_container(value: Any, type_: object) -> object:
    """Check the parts of a container. Its whole is cast when the futures have values."""
    form = form_of(type_)
    match form.kind:
        case Kind.TUPLE if type(value) in (list, tuple):
            if len(form.args) != len(value):
                raise CastError(f"Expected {len(form.args)} elements, got {len(value)}")
            pairs = zip(value, form.args, strict=True)
            return type(value)([_bind_part(part, kind) for part, kind in pairs])
        case Kind.COLLECTION if isinstance(value, _ITEMS) or type(value) is tuple:
            cast = caster(form.args[0])
            bound = [bind_value(part, form.args[0], cast) for part in parts(value)]
            return with_parts(value, bound)
        case Kind.MAPPING if isinstance(value, dict):
            bound, half = parts(value), len(value)
            types = [form.args[0]] * half + [form.args[1]] * half
            return with_parts(value, list(map(_bind_part, bound, types)))
        case Kind.ENUM | Kind.LITERAL:
            raise _mismatch(value, type_)
        case Kind.CLASS if not isinstance(value, form.cls):
            raise _mismatch(value, type_)
        case _:  # a union, a dataclass: whether it fits is decided when the futures have values
            return _bind_fields(value)


_ITEMS = (list, set, frozenset, deque)


def _mismatch(value: object, type_: object) -> CastError:
    return CastError(f"Cannot cast a {type(value).__name__} of futures to {type_}")


def _bind_fields(value: Any) -> object:
    """A copy, so that what happens to the caller's own later is not seen by the call."""
    form = form_of(type(value))
    if form.kind not in (Kind.DATACLASS, Kind.NAMED_TUPLE):
        return with_parts(value, [_bind_part(part, object) for part in parts(value)])
    names = value._fields if form.kind is Kind.NAMED_TUPLE else field_names(value)
    types = member_types(form)
    bound = []
    for name, part in zip(names, parts(value), strict=True):
        try:
            bound.append(_bind_part(part, types[name]))
        except CastError as error:
            raise CastError(f"Field {name!r} of {type(value).__name__}: {error}") from None
    return with_parts(value, bound)


def _bind_part(value: object, type_: object) -> object:
    return bind_value(value, type_, caster(type_))


def fan_out_signature(function: Any) -> Callable[..., Any]:
    """The plain function behind ``f.map``: a list in, one call of ``f`` per element, a list out."""
    parameters = list(function.__signature__.parameters.values())
    if not parameters:
        raise InvalidFunctionError(
            f"{function!r} has no argument, so it cannot be mapped over a list."
        )
    mapped, *shared = parameters
    name = mapped.name

    def fan_out(*args: Any, **kwargs: Any) -> Any:
        bound = function.__signature__.bind(*args, **kwargs)  # some may be positional only
        calls = []
        for item in bound.arguments[name]:
            bound.arguments[name] = item
            calls.append(function(*bound.args, **bound.kwargs))
        return calls

    list_type = list[function.input_types[name]]
    types = {**function.input_types, name: list_type, "return": list[function.output_type]}
    fan_out.__name__ = f"{function.__name__}.map"
    fan_out.__qualname__ = f"{function.__qualname__}.map"
    fan_out.__module__ = function.__module__
    fan_out.__doc__ = f"{function.__name__}, once per element of {name}."
    fan_out.__annotations__ = types
    fan_out.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            mapped.replace(annotation=list_type, default=mapped.empty),
            *(p.replace(annotation=types[p.name]) for p in shared),
        ],
        return_annotation=types["return"],
    )
    return fan_out
