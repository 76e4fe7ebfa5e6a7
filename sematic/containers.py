"""Containers taken apart and put together again: where futures are looked for, and replaced."""

import copy
import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from functools import lru_cache
from typing import Any

from sematic.errors import FutureUseError

KNOWN = "lists, tuples, sets, dicts, deques, named tuples and dataclasses"
"""What futures are found in; subclasses that only add methods included."""

_PLAIN = (list, tuple, set, frozenset)
# With what copy and pickle make one from another. A subclass that has its own of these may refuse
# a future, or what stands for one, and may be another object when it comes back.
_HOOKS = (
    *("__new__", "__getnewargs__", "__getnewargs_ex__", "__reduce__", "__reduce_ex__"),
    *("__getstate__", "__setstate__", "__copy__", "__iter__", "__setitem__"),
    *("items", "append", "extend", "update", "add"),
)
_BASES: dict[type, tuple[str, ...]] = {
    OrderedDict: ("__init__", *_HOOKS),
    defaultdict: ("__init__", *_HOOKS),
    Counter: ("__init__", *_HOOKS),
    dict: _HOOKS,  # these are made without __init__
    list: _HOOKS,
    deque: ("__init__", *_HOOKS),
    set: ("__init__", *_HOOKS),
}


def parts(value: Any) -> list[Any]:
    """The direct parts of a container in a fixed order; none of anything else.

    Of a dict the keys and then the values, of a dataclass its fields, as far as they are set, of
    a slice start, stop and step.
    """
    kind = type(value)
    if kind in _PLAIN:
        return list(value)
    if kind is dict:
        return [*value.keys(), *value.values()]
    if kind is slice:
        return [value.start, value.stop, value.step]
    if isinstance(value, tuple):
        return list(value) if hasattr(kind, "_make") else []
    if dataclasses.is_dataclass(kind):
        return [getattr(value, name) for name in field_names(value)]
    base: Any = _base(kind)
    if base is None:
        return []
    if issubclass(base, dict):
        return [*base.keys(value), *base.values(value)]
    return list(base.__iter__(value))


def with_parts(value: Any, children: list[Any]) -> Any:
    """A copy of a container that has ``children`` in place of its :func:`parts`.

    Raises:
        FutureUseError: how to copy this class is not known.
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind(children)
    if kind is dict:
        return dict(_pairs(children))
    if kind is slice:
        return slice(*children)
    if isinstance(value, tuple):
        return kind._make(children)
    if not dataclasses.is_dataclass(kind):
        return _with_items(value, children)
    # Not through __init__: the object exists, its __post_init__ has run, fields may be init=False.
    rebuilt = copy.copy(value)
    for name, child in zip(field_names(value), children, strict=True):
        object.__setattr__(rebuilt, name, child)
    return rebuilt


def field_names(value: Any) -> list[str]:
    """The fields of a dataclass that this instance has."""
    return [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]


def _pairs(children: list[Any]) -> Any:
    half = len(children) // 2
    return zip(children[:half], children[half:], strict=True)


def _with_items(value: Any, children: list[Any]) -> Any:
    kind: Any = type(value)
    base: Any = _base(kind)
    hook = _own_hook(kind)
    if hook is not None:
        plain = next(each for each in (dict, list, deque, set) if issubclass(base, each))
        raise FutureUseError(
            f"A future cannot be inside of a {kind.__name__}: it has its own {hook}, so it is "
            f"not known how to put the value in the future's place. Use a plain {plain.__name__}, "
            f"or pass the future to another @sematic.func and make the {kind.__name__} there."
        )
    rebuilt = copy.copy(value)
    base.clear(rebuilt)
    if issubclass(base, dict):
        for key, child in _pairs(children):
            base.__setitem__(rebuilt, key, child)
    elif base is set:
        set.update(rebuilt, children)
    else:
        base.extend(rebuilt, children)
    return rebuilt


def _base(kind: type) -> type | None:
    return next((base for base in _BASES if issubclass(kind, base)), None)


@lru_cache(maxsize=1024)
def _own_hook(kind: type) -> str | None:
    """The first method of a subclass that makes it unknown how to copy it, if there is one."""
    base = _base(kind)
    assert base is not None
    for name in _BASES[base]:
        if getattr(kind, name, None) is not getattr(base, name, None):
            return name
    return None
