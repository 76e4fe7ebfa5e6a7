"""Futures inside of lists, tuples, sets, dicts, named tuples and dataclasses, nested at will."""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from sematic.future import AbstractFuture

_ATOMS = frozenset({int, float, str, bool, bytes, complex, type(None)})


def iter_nested(value: object) -> Iterator[AbstractFuture]:
    """Every future inside of ``value``, from left to right; ``value`` itself if it is one."""
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) in _ATOMS:
            continue
        if isinstance(item, AbstractFuture):
            yield item
        else:
            stack.extend(reversed(_children(item)))


def holds_future(value: object) -> bool:
    """Whether there is a future inside of ``value``."""
    return next(iter_nested(value), None) is not None


def map_nested(value: Any, replace: Callable[[Any], Any], *, leaf: type = AbstractFuture) -> Any:
    """A copy of ``value`` in which every ``leaf`` inside is what ``replace`` makes of it.

    Parts without a ``leaf`` are shared with ``value``, which is never changed.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if isinstance(value, leaf):
        return replace(value)
    children = _children(value)
    if not children:
        return value
    mapped = [map_nested(child, replace, leaf=leaf) for child in children]
    if all(new is old for new, old in zip(mapped, children, strict=True)):
        return value
    return _rebuild(value, mapped)


def _children(value: Any) -> list[Any]:
    """The direct parts of a container in a fixed order; none of anything else."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return list(value)
    if kind is dict:
        return [*value.keys(), *value.values()]
    if isinstance(value, tuple):
        return list(value) if hasattr(kind, "_make") else []
    if dataclasses.is_dataclass(kind):
        return [
            getattr(value, field.name)
            for field in dataclasses.fields(kind)
            if hasattr(value, field.name)
        ]
    return []


def _rebuild(value: Any, children: list[Any]) -> Any:
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return kind(children)
    if kind is dict:
        half = len(children) // 2
        return dict(zip(children[:half], children[half:], strict=True))
    if isinstance(value, tuple):
        return kind._make(children)  # type: ignore[attr-defined]
    # Not through __init__: the object exists, its __post_init__ has run, fields may be init=False.
    rebuilt = copy.copy(value)
    names = [field.name for field in dataclasses.fields(kind) if hasattr(value, field.name)]
    for name, child in zip(names, children, strict=True):
        object.__setattr__(rebuilt, name, child)
    return rebuilt
