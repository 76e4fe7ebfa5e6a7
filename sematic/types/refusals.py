"""What to write instead of an annotation that cannot be checked, or whose values cannot be kept."""

import collections.abc
import inspect
import io
import typing
from typing import Any, TypeVar, get_args, get_origin

from sematic.types.forms import is_class

_FILE_CLASSES = (typing.IO, io.RawIOBase, io.BufferedReader, io.BufferedWriter, io.TextIOWrapper)
_FILE = "Use 'pathlib.Path' and pass where the file is, or 'str' or 'bytes' for what is in it."
_ANY_VALUE = "Use 'object' instead, and any value passes"
_ITERATED = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)
# By their names: typing and typing_extensions have each its own.
_BY_NAME = {
    "NoReturn": "Use 'None' for a function that returns nothing.",
    "Never": "Use 'None' for a function that returns nothing.",
    "LiteralString": "Use 'str' instead.",
    "TypeGuard": "Use 'bool' instead.",
    "TypeIs": "Use 'bool' instead.",
    "Self": "Write the name of the class instead.",
    "TypedDict": "Define a class with the keys, and write its name.",
    "NamedTuple": "Define a class with the fields, and write its name.",
    "Generic": "Define a class of it, and write its name.",
    "Protocol": "Define a class of it, and write its name.",
    "Unpack": "Write the types one by one.",
    "TypeVarTuple": "Write the types one by one.",
    "ParamSpec": f"{_ANY_VALUE}, functions too.",
}


def is_of_files(cls: Any) -> bool:
    """Whether all values of a class are open files, which nobody can keep."""
    return is_class(cls) and issubclass(cls, _FILE_CLASSES)


def suggest(annotation: Any) -> str:
    """A sentence that says what to write instead."""
    origin = get_origin(annotation) or annotation
    if origin is collections.abc.Callable or origin is typing.Callable:
        return f"{_ANY_VALUE}, functions too."
    if origin in _ITERATED:
        return f"Use 'list[{_inner(annotation)}]' instead: looking at the values would use them up."
    if origin in (collections.abc.Awaitable, collections.abc.Coroutine):
        return "Wait for it in the function, e.g. with asyncio.run(...), and write what it gives."
    if is_of_files(origin):
        return _FILE
    if isinstance(annotation, TypeVar):
        bound = getattr(annotation, "__bound__", None)
        instead = "object" if bound is None else _name(bound)
        return f"Use '{instead}' instead, or the type that it stands for."
    name = str(getattr(origin, "_name", None) or getattr(origin, "__name__", ""))
    for known in (name, type(origin).__name__):
        if known in _BY_NAME:
            return _BY_NAME[known]
    if isinstance(annotation, str):
        return f"It is a text in something that is no text: write {annotation} without quotes."
    return _suggest_for_value(annotation, name)


def _suggest_for_value(annotation: Any, name: str) -> str:
    if annotation is Ellipsis:
        return "'...' has a meaning only at the end of 'tuple[X, ...]'."
    if isinstance(annotation, bool | int | bytes):
        return f"Use 'Literal[{annotation!r}]' or '{type(annotation).__name__}' instead."
    if isinstance(annotation, tuple | list) and annotation:
        of = ", ".join(map(_name, annotation))
        return f"Use 'tuple[{of}]' or '{' | '.join(map(_name, annotation))}' instead."
    if inspect.isroutine(annotation):
        return f"'{name}' is a function: write the type of what it returns."
    if args := get_args(annotation) or getattr(annotation, "type", ()):
        of = args[0] if isinstance(args, tuple) else args
        return f"It belongs into a class. Use '{_name(of)}' instead."
    return "Write a class, or what typing makes of classes, e.g. 'int', 'list[int]', 'int | None'."


def _inner(annotation: Any) -> str:
    args = get_args(annotation)
    return _name(args[0]) if args else "..."


def _name(annotation: Any) -> str:
    return annotation.__name__ if is_class(annotation) else str(annotation)
