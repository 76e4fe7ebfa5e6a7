"""Types as text that is the same in every process: ``list[int]``, ``train.Config | None``."""

import enum
import functools
import sys
import types
import typing
from typing import Any, TypeVar, get_args, get_origin

from sematic.types.forms import Unchecked, is_alias, is_bare, is_class, is_new_type, unwrap
from sematic.types.keys import TypeKey
from sematic.types.names import canonical_module, main_module_name, qualified_name

# Their classes are known by the name they are imported by; the module that they are defined in
# changes from one version to the next.
_FACADES = frozenset({"pandas", "polars", "pathlib"})

_PLAIN = {Any: "Any", Ellipsis: "...", Unchecked: "object"}


def describe_type(type_: Any) -> str:
    """The canonical name of a type.

    However it was written, a type has one: ``List[int]`` and ``list[int]`` are ``"list[int]"``,
    ``Optional[int]`` is ``"int | None"``; members of unions stay in the order of declaration.
    ``Annotated`` is left out. Classes have their module in front, except for Python's builtins;
    classes of a script have the script's name instead of ``__main__``.
    """
    if type(type_) is type:  # most are plain classes, which are keys by themselves
        return _cached_class_description(type_, main_module_name())
    return _cached_description(TypeKey(type_), main_module_name())


@functools.lru_cache(maxsize=4096)
def _cached_class_description(cls: type, main_name: str) -> str:
    return _describe(cls)


@functools.lru_cache(maxsize=4096)
def _cached_description(key: TypeKey, main_name: str) -> str:
    return _describe(key.annotation)


def _describe(annotation: Any) -> str:
    for plain, name in _PLAIN.items():
        if annotation is plain:
            return name
    if is_alias(annotation) or is_new_type(annotation):
        return f"{canonical_module(annotation.__module__)}.{annotation.__name__}"
    inner = unwrap(annotation)
    if inner is not annotation:
        return _describe(inner)
    origin = get_origin(annotation)
    if origin is None:
        return _describe_single(annotation)
    args = get_args(annotation)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(_describe_value, args))}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join("None" if arg is type(None) else _describe(arg) for arg in args)
    return _describe_generic(annotation, origin, args)


def _describe_single(annotation: Any) -> str:
    if is_class(annotation):
        return _describe_class(annotation)
    return annotation.__name__ if isinstance(annotation, TypeVar) else str(annotation)


def _describe_class(cls: type) -> str:
    if cls.__module__ == "builtins":
        return cls.__qualname__
    facade = cls.__module__.partition(".")[0]
    if facade in _FACADES and getattr(sys.modules.get(facade), cls.__qualname__, None) is cls:
        return f"{facade}.{cls.__qualname__}"
    return qualified_name(cls)


def _describe_generic(annotation: Any, origin: Any, args: tuple[Any, ...]) -> str:
    name = _describe(origin)
    if not args or args == ((),):
        return name if is_bare(annotation) else f"{name}[()]"
    if name == "numpy.ndarray" and args[0] == tuple[int, ...]:
        # numpy.typing.NDArray, as it was until numpy 2.3, and still is on Python 3.10.
        args = (tuple[Any, ...], *args[1:])
    return f"{name}[{', '.join(map(_describe_argument, args))}]"


def _describe_argument(argument: Any) -> str:
    if isinstance(argument, list):  # the arguments of a Callable
        return f"[{', '.join(map(_describe_argument, argument))}]"
    return _describe(argument)


def _describe_value(value: object) -> str:
    if isinstance(value, enum.Enum):
        return f"{_describe_class(type(value))}.{value.name}"
    return repr(value)
