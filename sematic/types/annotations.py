"""Annotations of functions: looked up, and refused where they cannot be checked."""

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, get_args, get_origin

from sematic.errors import InvalidFunctionError
from sematic.types.classes import is_subclass
from sematic.types.forms import (
    Kind,
    form_of,
    is_alias,
    is_bare,
    is_class,
    is_new_type,
    is_open_tuple_part,
    unwrap,
)
from sematic.types.hashability import never_has_hash
from sematic.types.hints import evaluate, function_scopes
from sematic.types.refusals import is_of_files, suggest

# These say nothing about what is in them unless they have parameters.
_PARAMETRIZED = frozenset(
    {
        list,
        tuple,
        dict,
        set,
        frozenset,
        collections.abc.Sequence,
        collections.abc.MutableSequence,
        collections.abc.Set,
        collections.abc.MutableSet,
        collections.abc.Collection,
        collections.abc.Iterable,
        collections.abc.Mapping,
        collections.abc.MutableMapping,
    }
)
_PARAMETRIZED_FORMS = (typing.Union, typing.Optional, typing.Literal, typing.Annotated)

# Values of these are used up by looking at them, or are code: they can be neither checked nor
# stored.
_REFUSED_CLASSES = frozenset(
    {
        collections.abc.Callable,
        collections.abc.Iterator,
        collections.abc.Generator,
        collections.abc.Awaitable,
        collections.abc.Coroutine,
        collections.abc.AsyncIterable,
        collections.abc.AsyncIterator,
        collections.abc.AsyncGenerator,
        typing.Generic,
        typing.Protocol,
    }
)


def resolve_annotations(func: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function by argument, ``"return"`` for its output, as types.

    Strings are looked up where the function was defined: in its module, its closure, and the
    variables of the functions around it while they are executing. ``None`` becomes ``NoneType``.

    Raises:
        InvalidFunctionError: a string names something that is not there.
    """
    globals_, names = function_scopes(func)
    resolved = {}
    for name, annotation in inspect.get_annotations(func).items():
        try:
            resolved[name] = evaluate(annotation, globals_, names)
        except Exception as error:
            where = "output" if name == "return" else f"argument {name!r}"
            raise InvalidFunctionError(
                f"Invalid type annotation for {where} of {func.__module__}.{func.__name__}: "
                f"{annotation!r} cannot be looked up ({type(error).__name__}: {error}). Define or "
                "import what it names before the function, and not only under `if TYPE_CHECKING:`."
            ) from error
    return resolved


def validate_annotation(annotation: Any) -> None:
    """Return if values can be checked against ``annotation``, whatever is nested in it.

    Fields of classes are not looked into: what a dataclass has in it is its author's choice.

    Raises:
        InvalidFunctionError: it cannot be used; says what to write instead.
    """
    pending = [annotation]
    known_aliases: set[int] = set()
    while pending:
        part = pending.pop()
        if is_alias(part):
            if id(part) in known_aliases:  # a recursive type
                continue
            known_aliases.add(id(part))
        pending.extend(_checked_parts(part))


def _checked_parts(annotation: Any) -> tuple[Any, ...]:
    """The annotations inside of one that is fine itself."""
    if annotation is Any:
        raise InvalidFunctionError("'Any' is not a Sematic-supported type. Use 'object' instead.")
    if any(annotation is form for form in _PARAMETRIZED_FORMS):
        _refuse_bare(annotation)
    origin = get_origin(annotation)
    if is_alias(origin) or is_alias(annotation) or is_new_type(annotation):
        return (unwrap(annotation),)
    if origin is typing.Literal:
        _check_literal(annotation)
    if annotation is None or origin is typing.Literal:
        return ()
    if origin is typing.Annotated:
        return (unwrap(annotation),)
    if origin in (typing.Union, types.UnionType):
        return get_args(annotation)
    return _parts_of_class(annotation, annotation if origin is None else origin)


def _parts_of_class(annotation: Any, cls: Any) -> tuple[Any, ...]:
    args = get_args(annotation)
    if not is_class(cls) or cls in _REFUSED_CLASSES or is_of_files(cls):
        _refuse(annotation)
    if any(map(is_open_tuple_part, args)):
        _refuse(annotation)
    if cls in _PARAMETRIZED and is_bare(annotation):
        _refuse_bare(annotation)
    if getattr(cls, "_is_protocol", False) and not getattr(cls, "_is_runtime_protocol", False):
        raise InvalidFunctionError(
            f"Values cannot be checked against the protocol {cls!r}. "
            "Decorate it with @typing.runtime_checkable."
        )
    wanted = _PARAMETERS.get(cls)
    if wanted is not None and len(args) != wanted:
        raise InvalidFunctionError(
            f"{cls.__name__} takes {wanted} parameter{'s' if wanted > 1 else ''}, but got "
            f"{annotation}."
        )
    form = form_of(annotation)
    nested = (Kind.COLLECTION, Kind.TUPLE, Kind.MAPPING, Kind.TYPE)
    if form.kind not in nested:
        return ()
    if form.kind is Kind.MAPPING or is_subclass(form.cls, collections.abc.Set):
        _check_hashable(annotation, form.args[0])
    return form.args


def _check_hashable(annotation: Any, part: Any) -> None:
    if is_alias(part) or not never_has_hash(part):  # an alias may be of itself
        return
    raise InvalidFunctionError(
        f"No value but an empty one can be of type {annotation}: values of {part} have no hash. "
        "Use tuples and frozensets for what is in a set, or is a key."
    )


def _check_literal(annotation: Any) -> None:
    for value in get_args(annotation):
        if type(value).__hash__ is None:
            raise InvalidFunctionError(
                f"The values of a Literal are numbers, texts and the like, but in {annotation} "
                f"there is {value!r}. Write its type instead."
            )


_PARAMETERS = {dict: 2, list: 1, set: 1, frozenset: 1}


def _refuse_bare(annotation: Any) -> None:
    name = annotation.__name__ if is_class(annotation) else annotation._name
    raise InvalidFunctionError(f"{name} must be parametrized ({name}[...] instead of {name}).")


def _refuse(annotation: object) -> None:
    raise InvalidFunctionError(
        f"Expected a Sematic-supported type here, but got: {annotation}. {suggest(annotation)}"
    )


def check_annotation(func: Callable[..., object], name: str, annotation: object) -> None:
    """Refuse what cannot annotate an argument of a function, or what it returns.

    Raises:
        InvalidFunctionError: naming the function and the argument.
    """
    where = "output" if name == "return" else f"argument {name!r}"
    try:
        validate_annotation(annotation)
    except InvalidFunctionError as error:
        raise InvalidFunctionError(
            f"Invalid type annotation for {where} of {func.__module__}.{func.__name__}: {error}"
        ) from None
