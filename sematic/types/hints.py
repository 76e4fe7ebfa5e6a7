"""Annotations of functions and classes, with the names in them looked up."""

import inspect
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ForwardRef, TypeVar, get_args, get_origin

from sematic.types.forms import Form, Kind, Unchecked, is_class, unwrap

_known_hints: "weakref.WeakKeyDictionary[type, dict[str, Any]]" = weakref.WeakKeyDictionary()


def evaluate(annotation: Any, globals_: dict[str, Any], locals_: dict[str, Any]) -> Any:
    """An annotation without strings and forward references in it; ``None`` becomes its type.

    Raises:
        Exception: whatever the expression in a string raises, ``NameError`` for one.
    """
    if is_class(annotation):
        return annotation
    # A class: in one, typing lets ClassVar and Final pass.
    holder = type("annotated", (), {"__annotations__": {"x": annotation}})
    hints = typing.get_type_hints(holder, globals_, locals_, include_extras=True)
    found = hints["x"]
    if sys.version_info < (3, 11):
        referring = _with_references(found)
        if referring is not found:
            return evaluate(referring, globals_, locals_)
    return found


def function_scopes(func: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names that annotations of ``func`` may use: global ones, and those that go before them.

    The latter are of the functions around ``func``: its closure, and their variables while they
    are executing.
    """
    inner: Any = func
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    names = dict(_enclosing_variables(inner.__qualname__, inner.__globals__))
    names.update(_closure(inner))
    names.update(_type_parameters(inner))
    return inner.__globals__, names


def class_hints(cls: type) -> dict[str, Any]:
    """The types of a class's annotated attributes, inherited ones first.

    A type whose name cannot be found, say because it is imported for type checkers only, is
    :class:`Unchecked`.
    """
    known = _known_hints.get(cls)
    if known is not None:
        return known
    hints: dict[str, Any] = {}
    complete = True
    for base in reversed(cls.__mro__):
        for name, annotation in inspect.get_annotations(base).items():
            hints[name] = _class_hint(base, annotation)
            complete = complete and hints[name] is not Unchecked
    if complete:  # else a later call may find more, when more is defined
        _known_hints[cls] = hints
    return hints


def member_types(form: Form) -> dict[str, Any]:
    """The types of the fields of a dataclass or named tuple, or of the keys of a typed dict.

    Parameters of a generic class are filled in.
    """
    hints = class_hints(form.cls)
    if form.kind is Kind.NAMED_TUPLE:
        names: tuple[str, ...] = form.cls._fields  # type: ignore[attr-defined]
        hints = {name: hints.get(name, object) for name in names}
    bindings = _generic_bindings(form.cls, form.args)
    if not bindings:
        return hints
    return {name: substitute(hint, bindings) for name, hint in hints.items()}


def substitute(annotation: Any, bindings: Mapping[Any, Any]) -> Any:
    """``annotation`` with type variables replaced; one without a binding becomes ``object``."""
    if isinstance(annotation, TypeVar):
        return bindings.get(annotation, object)
    parameters = getattr(annotation, "__parameters__", ())
    if not parameters or is_class(annotation):
        return annotation
    return annotation[tuple(bindings.get(parameter, object) for parameter in parameters)]


def _generic_bindings(cls: type, args: tuple[Any, ...]) -> dict[Any, Any]:
    """What the type variables of a generic class and of its bases stand for."""
    bindings = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if is_class(origin) and origin is not typing.Generic:
            filled = tuple(substitute(arg, bindings) for arg in get_args(base))
            bindings = _generic_bindings(origin, filled) | bindings
    return bindings


def _class_hint(base: type, annotation: Any) -> Any:
    globals_ = getattr(sys.modules.get(base.__module__), "__dict__", {})
    # As in typing, a class's own attributes go last: a field may have the name of its type.
    names = {**vars(base), base.__name__: base, **globals_}
    names.update(_enclosing_variables(base.__qualname__, globals_))
    names.update(_type_parameters(base))
    try:
        return evaluate(annotation, globals_, names)
    except Exception:  # noqa: BLE001  the expression in a string may raise anything
        return Unchecked


def _type_parameters(owner: Any) -> dict[str, Any]:
    return {parameter.__name__: parameter for parameter in getattr(owner, "__type_params__", ())}


def _closure(func: Any) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # the variable has no value yet
            continue


def _enclosing_variables(qualname: str, globals_: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the functions that something is defined in, while they are executing."""
    parts = qualname.split(".<locals>.")[:-1]
    outer = {part.rpartition(".")[2] for part in parts}
    names: dict[str, Any] = {}
    frame = sys._getframe(1) if outer else None
    while frame is not None:
        if frame.f_globals is globals_ and frame.f_code.co_name in outer:
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names


def _with_references(annotation: Any) -> Any:
    """Strings inside of ``list["X"]`` as references: Python 3.10 does not look them up itself."""
    args = get_args(annotation)
    if not args or get_origin(annotation) in (typing.Literal, typing.Annotated):
        return annotation
    inner = tuple(_with_references(arg) for arg in args)
    if isinstance(annotation, types.GenericAlias):
        inner = tuple(ForwardRef(arg) if isinstance(arg, str) else arg for arg in inner)
    if all(new is old for new, old in zip(inner, args, strict=True)):
        return annotation
    if isinstance(annotation, types.GenericAlias):
        return types.GenericAlias(get_origin(annotation), inner)
    return annotation.copy_with(inner) if hasattr(annotation, "copy_with") else annotation


def typed_dict_keys(cls: Any) -> dict[str, bool]:
    """The keys of a typed dict, and whether each must be there."""
    return {
        name: _is_required(hint, name in cls.__required_keys__)
        for name, hint in class_hints(cls).items()
    }


def _is_required(hint: Any, by_class: bool) -> bool:
    """With string annotations the class knows only its ``total``, not what each key says."""
    while True:
        name = getattr(get_origin(hint), "_name", None)
        if name in ("Required", "NotRequired"):
            return bool(name == "Required")
        inner = unwrap(hint)
        if inner is hint:
            return by_class
        hint = inner
