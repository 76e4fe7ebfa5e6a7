"""Keys under which what was worked out for an annotation is kept."""

import typing
from typing import Any, get_args, get_origin


class TypeKey:
    """An annotation as a key of a cache, also where it cannot be hashed.

    Annotations cannot be keys themselves: ``int | str == str | int``, though the order of the
    members matters to us, and ``Annotated[int, []]`` has no hash. Two keys are equal if the
    annotations were written in the same way. ``Annotated`` around the whole is left out.
    """

    __slots__ = ("_hash", "_structure", "annotation")

    def __init__(self, annotation: Any) -> None:
        if type(annotation) is not type:  # most are plain classes: a third of the time
            while get_origin(annotation) is typing.Annotated:
                annotation = annotation.__origin__
        self.annotation = annotation  # holds what the structure knows by id
        self._structure = _structure(annotation)
        self._hash = hash(self._structure)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeKey) and self._structure == other._structure

    def __repr__(self) -> str:
        return f"TypeKey({self.annotation!r})"


def _structure(annotation: Any) -> object:
    if type(annotation) is type:
        return id(annotation)
    if isinstance(annotation, list):  # the arguments of a Callable
        return tuple(map(_structure, annotation))
    origin, args = get_origin(annotation), get_args(annotation)
    if not args or origin is typing.Annotated:  # metadata may have no hash, and shows in errors
        return id(annotation)
    if origin is typing.Literal:
        parts: tuple[object, ...] = tuple((id(type(value)), repr(value)) for value in args)
    else:
        parts = tuple(map(_structure, args))
    return (id(type(annotation)), id(origin), *parts)
