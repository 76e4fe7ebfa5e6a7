"""Futures inside of lists, tuples, sets, dicts, named tuples and dataclasses, nested at will."""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from sematic.errors import FutureUseError
from sematic.future import AbstractFuture

_ATOMS = frozenset({int, float, str, bool, bytes, complex, type(None)})


def iter_nested(value: object) -> Iterator[AbstractFuture]:
    """Every future inside of ``value``, from left to right; ``value`` itself if it is one.

    A container that occurs more than once is looked into once, so one that contains itself is no
    trap.
    """
    stack = [value]
    entered: dict[int, object] = {}  # the containers are kept, so that their ids stay their own
    while stack:
        item = stack.pop()
        if type(item) in _ATOMS:
            continue
        if isinstance(item, AbstractFuture):
            yield item
            continue
        children = [part for part in parts(item) if type(part) not in _ATOMS]
        if children and id(item) not in entered:
            entered[id(item)] = item
            stack.extend(reversed(children))


def holds_future(value: object) -> bool:
    """Whether there is a future inside of ``value``."""
    return next(iter_nested(value), None) is not None


def map_nested(value: Any, replace: Callable[[Any], Any], *, leaf: type = AbstractFuture) -> Any:
    """A copy of ``value`` in which every ``leaf`` inside is what ``replace`` makes of it.

    Parts without a ``leaf`` are shared with ``value``, which is never changed. A container that
    occurs more than once is copied once; ``replace`` meets leaves in the order of
    :func:`iter_nested`.

    Raises:
        FutureUseError: a container with a ``leaf`` inside contains itself.
    """
    return _Mapping(replace, leaf).apply(value)


class _Mapping:
    """One pass of :func:`map_nested`."""

    def __init__(self, replace: Callable[[Any], Any], leaf: type) -> None:
        self._replace = replace
        self._leaf = leaf
        self._done: dict[int, tuple[Any, Any]] = {}  # by id: the container, kept, and its copy
        self._open: set[int] = set()
        self._cyclic: set[int] = set()  # containers that contain themselves

    def apply(self, value: Any) -> Any:
        """The copy of one part."""
        if type(value) in _ATOMS:
            return value
        if isinstance(value, self._leaf):
            return self._replace(value)
        if id(value) in self._done:
            return self._done[id(value)][1]
        if id(value) in self._open:  # no harm as long as there is no leaf in it
            self._cyclic.add(id(value))
            return value
        children = parts(value)
        if all(type(child) in _ATOMS for child in children):
            return value
        self._open.add(id(value))
        mapped = [self.apply(child) for child in children]
        self._open.discard(id(value))
        copied = value if _same(mapped, children) else self._copy(value, mapped)
        self._done[id(value)] = (value, copied)
        return copied

    def _copy(self, value: Any, mapped: list[Any]) -> Any:
        if id(value) in self._cyclic:
            raise FutureUseError(
                f"A {type(value).__name__} with a future in it contains itself. Pass the future "
                "as an argument of its own."
            )
        return with_parts(value, mapped)


def _same(new: list[Any], old: list[Any]) -> bool:
    return all(a is b for a, b in zip(new, old, strict=True))


def parts(value: Any) -> list[Any]:
    """The direct parts of a container in a fixed order; none of anything else.

    Of a dict the keys and then the values, of a dataclass its fields, as far as they are set, of
    a slice start, stop and step.
    """
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return list(value)
    if kind is dict:
        return [*value.keys(), *value.values()]
    if kind is slice:
        return [value.start, value.stop, value.step]
    if isinstance(value, tuple):
        return list(value) if hasattr(kind, "_make") else []
    if dataclasses.is_dataclass(kind):
        return [getattr(value, name) for name in field_names(value)]
    return []


def with_parts(value: Any, children: list[Any]) -> Any:
    """A copy of a container that has ``children`` in place of its :func:`parts`."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return kind(children)
    if kind is dict:
        half = len(children) // 2
        return dict(zip(children[:half], children[half:], strict=True))
    if kind is slice:
        return slice(*children)
    if isinstance(value, tuple):
        return kind._make(children)
    # Not through __init__: the object exists, its __post_init__ has run, fields may be init=False.
    rebuilt = copy.copy(value)
    for name, child in zip(field_names(value), children, strict=True):
        object.__setattr__(rebuilt, name, child)
    return rebuilt


def field_names(value: Any) -> list[str]:
    """The fields of a dataclass that this instance has."""
    return [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
