"""Casts to lists, tuples, sets, mappings and the abstract collections.

Concrete annotations give new plain containers: the caller's own is neither changed nor shared.
Abstract ones, such as ``Sequence``, let a value keep its class.
"""

import collections
import collections.abc
import copy
import operator
from collections.abc import Callable, Iterable
from typing import Any

from sematic.errors import CastError
from sematic.types.casters import Caster, Compile, keep, mismatch
from sematic.types.classes import is_iterator
from sematic.types.display import short_repr
from sematic.types.forms import ABSTRACT_COLLECTIONS, Form

CONVERTIBLE = (list, tuple, set, frozenset)
"""Classes whose values can be cast to one another."""

TEXTS = (str, bytes, bytearray, memoryview)
"""Sequences for Python, single values for us."""


def build_collection(form: Form, annotation: Any, compile_: Compile, *, strict: bool) -> Caster:
    """The caster of any number of elements of one type."""
    element = compile_(form.args[0])
    if form.cls in ABSTRACT_COLLECTIONS:
        return _build_abstract(form.cls, annotation, element)
    sources: Any = form.cls if strict or form.cls not in CONVERTIBLE else CONVERTIBLE
    cast_elements = _build_elements(element)
    finish = _FINISH[form.cls]

    def cast_collection(value: Any) -> Any:
        if not isinstance(value, sources):
            raise mismatch(value, annotation, _why_no_collection(value, form.cls))
        try:
            return finish(value, cast_elements(value))
        except (CastError, _UnhashableError) as error:
            raise mismatch(value, annotation, error) from None

    return Caster(cast_collection, form.cls)


def build_tuple(form: Form, annotation: Any, compile_: Compile, *, strict: bool) -> Caster:
    """The caster of a tuple of fixed length."""
    casts = [compile_(arg).cast for arg in form.args]
    sources: Any = tuple if strict else CONVERTIBLE

    def cast_tuple(value: Any) -> Any:
        if not isinstance(value, sources):
            raise mismatch(value, annotation, _why_no_collection(value, tuple))
        if len(value) != len(casts):
            reason = f"Expected {len(casts)} elements, got {len(value)}: {short_repr(value)}"
            raise mismatch(value, annotation, reason)
        try:
            items = [cast(item) for cast, item in zip(casts, value, strict=True)]
        except CastError as error:
            raise mismatch(value, annotation, error) from None
        return _finish_tuple(value, items)

    return Caster(cast_tuple, tuple)


def build_mapping(form: Form, annotation: Any, compile_: Compile) -> Caster:
    """The caster of a mapping: keys and values are cast, the order is kept."""
    key, item = compile_(form.args[0]), compile_(form.args[1])
    cast_keys, cast_items = _build_elements(key), _build_elements(item)
    cls: Any = form.cls
    finish = _finish_dict if cls is dict else _finish_mapping

    def cast_mapping(value: Any) -> Any:
        if not isinstance(value, cls):
            raise mismatch(value, annotation, _why_no_mapping(value, cls))
        try:
            keys, items = cast_keys(value), cast_items(value.values())
        except CastError:
            raise mismatch(value, annotation, _wrong_item(value, key, item)) from None
        try:
            result = finish(value, keys, items)
        except TypeError as error:  # a key that has no hash any more
            raise mismatch(value, annotation, error) from None
        if len(result) != len(value):
            raise mismatch(value, annotation, "two of its keys become the same")
        return result

    return Caster(cast_mapping, cls)


class _UnhashableError(Exception):
    """An element has no hash, so that it cannot be in a set."""


def _build_elements(element: Caster) -> Callable[[Iterable[Any]], list[Any]]:
    """A function that makes the list of the cast elements."""
    cast, passes = element.cast, element.passes
    if cast is keep:
        return list
    if not passes:
        return lambda values: [cast(value) for value in values]

    def cast_elements(values: Iterable[Any]) -> list[Any]:
        # One pass in C over the classes is several times faster than a call per element.
        if set(map(type, values)) <= passes:
            return list(values)
        return [cast(value) for value in values]

    return cast_elements


def _build_abstract(cls: type, annotation: Any, element: Caster) -> Caster:
    cast_elements = _build_elements(element)
    plain = _finish_set if issubclass(cls, collections.abc.Set) else _finish_list

    def finish(value: Any) -> Any:
        # The value's own class if we know how to make another one of it, else a plain container.
        own = _FINISH.get(type(value))
        parts = value if own else list(value)
        items = cast_elements(parts)
        if own is None and _same(items, parts):
            return dict(value) if type(value) is dict else value
        try:
            return (own or plain)(value, items)
        except _UnhashableError:
            if plain is _finish_set:
                raise
            return items

    def cast_abstract(value: Any) -> Any:
        if not isinstance(value, cls) or isinstance(value, TEXTS):
            raise mismatch(value, annotation, _why_no_collection(value, cls))
        if not isinstance(value, collections.abc.Collection):
            reason = f"{short_repr(value)} has no length, so its elements cannot be checked"
            if is_iterator(type(value)):
                reason = "an iterator can be read only once; pass a list"
            raise mismatch(value, annotation, reason)
        try:
            return finish(value)
        except (CastError, _UnhashableError) as error:
            raise mismatch(value, annotation, error) from None

    return Caster(cast_abstract, cls)


def _finish_list(value: Any, items: list[Any]) -> list[Any]:
    return items


def _finish_tuple(value: Any, items: list[Any]) -> tuple[Any, ...]:
    if type(value) is tuple and _same(items, value):
        return value
    return tuple(items)


def _finish_set(value: Any, items: list[Any]) -> set[Any]:
    try:
        return set(items)
    except TypeError as error:
        raise _UnhashableError(str(error)) from None


def _finish_frozenset(value: Any, items: list[Any]) -> frozenset[Any]:
    if type(value) is frozenset and _same(items, value):
        return value
    return frozenset(_finish_set(value, items))


def _finish_deque(value: Any, items: list[Any]) -> collections.deque[Any]:
    return collections.deque(items, value.maxlen)


def _same(items: Iterable[Any], value: Iterable[Any]) -> bool:
    return all(map(operator.is_, items, value))


_FINISH: dict[type, Callable[[Any, list[Any]], Any]] = {
    list: _finish_list,
    tuple: _finish_tuple,
    set: _finish_set,
    frozenset: _finish_frozenset,
    collections.deque: _finish_deque,
}


def _finish_dict(value: Any, keys: list[Any], items: list[Any]) -> dict[Any, Any]:
    return dict(zip(keys, items, strict=True))


def _finish_mapping(value: Any, keys: list[Any], items: list[Any]) -> Any:
    """A mapping of the value's own class, if it is a dict of some kind; plain where it changed."""
    if isinstance(value, dict):
        result: Any = copy.copy(value)  # keeps what a subclass has besides its items
        result.clear()
        for key, item in zip(keys, items, strict=True):
            result[key] = item
        return result
    if _same(keys, value) and _same(items, value.values()):
        return value
    return _finish_dict(value, keys, items)


def _wrong_item(value: Any, key: Caster, item: Caster) -> str:
    """Which key or value of a mapping does not fit, and why."""
    for what, caster, parts in (("key", key, value), ("value", item, value.values())):
        for part in parts:
            try:
                caster.cast(part)
            except CastError as error:
                return f"Cannot cast {short_repr(part)} to {what} type: {error}"
    return "it changed while it was cast"


def _why_no_collection(value: object, cls: type) -> str:
    shown = short_repr(value)
    if not isinstance(value, collections.abc.Iterable):
        return f"{shown} not an iterable"
    if cls in CONVERTIBLE:
        return f"{shown} is not a list, tuple or set{_how_to_convert(value)}"
    return f"{shown} is not a {cls.__name__}"


def _why_no_mapping(value: object, cls: type) -> str:
    if not isinstance(value, collections.abc.Mapping):
        return f"{short_repr(value)} is not a mapping"
    return f"{short_repr(value)} is not a {cls.__name__}"


def _how_to_convert(value: object) -> str:
    """What makes a list of something that holds items, where nobody could mean anything else."""
    if isinstance(value, (collections.abc.Iterator, collections.abc.MappingView, range)):
        return ". Write list(...) around it."
    if hasattr(type(value), "tolist"):  # arrays, series
        return ". Write .tolist() behind it."
    return ""
