"""Futures inside of containers, nested at will."""

from collections.abc import Callable, Iterator
from typing import Any

from sematic.containers import parts, with_parts
from sematic.errors import FutureUseError
from sematic.future import AbstractFuture

ATOMS = frozenset({int, float, str, bool, bytes, complex, type(None)})
"""Classes whose values have nothing inside."""


def iter_nested(value: object) -> Iterator[AbstractFuture]:
    """Every future inside of ``value``, from left to right; ``value`` itself if it is one.

    A container that occurs more than once is looked into once, so one that contains itself is no
    trap.
    """
    stack = [value]
    entered: dict[int, object] = {}  # the containers are kept, so that their ids stay their own
    while stack:
        item = stack.pop()
        if type(item) in ATOMS:
            continue
        if isinstance(item, AbstractFuture):
            yield item
            continue
        children = [part for part in parts(item) if type(part) not in ATOMS]
        if children and id(item) not in entered:
            entered[id(item)] = item
            stack.extend(reversed(children))


def holds_future(value: object) -> bool:
    """Whether there is a future inside of ``value``."""
    if type(value) in ATOMS:  # most are; a generator takes ten times as long
        return False
    return next(iter_nested(value), None) is not None


def map_nested(value: Any, replace: Callable[[Any], Any], *, leaf: type = AbstractFuture) -> Any:
    """A copy of ``value`` in which every ``leaf`` inside is what ``replace`` makes of it.

    Parts without a ``leaf`` are shared with ``value``, which is never changed. A container that
    occurs more than once is copied once; ``replace`` meets leaves in the order of
    :func:`iter_nested`.

    Raises:
        FutureUseError: a container with a ``leaf`` inside contains itself, or cannot be copied.
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
        """The copy of the whole. Without recursion: values may be deep."""
        results: list[Any] = []
        stack: list[tuple[Any, list[Any], list[Any]]] = [(None, [value], results)]
        while stack:
            container, children, mapped = stack[-1]
            if len(mapped) < len(children):
                self._enter(children[len(mapped)], stack)
                continue
            stack.pop()
            if stack:
                stack[-1][2].append(self._leave(container, children, mapped))
        return results[0]

    def _enter(self, value: Any, stack: list[tuple[Any, list[Any], list[Any]]]) -> None:
        """Add the copy of one part to those of the last container, or look into the part first."""
        mapped = stack[-1][2]
        if type(value) in ATOMS:
            mapped.append(value)
        elif isinstance(value, self._leaf):
            mapped.append(self._replace(value))
        elif id(value) in self._done:
            mapped.append(self._done[id(value)][1])
        elif id(value) in self._open:  # no harm as long as there is no leaf in it
            self._cyclic.add(id(value))
            mapped.append(value)
        else:
            children = parts(value)
            if all(type(child) in ATOMS for child in children):
                mapped.append(value)
                return
            self._open.add(id(value))
            stack.append((value, children, []))

    def _leave(self, value: Any, children: list[Any], mapped: list[Any]) -> Any:
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
