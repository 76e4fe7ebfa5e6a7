"""The types of items and attributes of futures, as far as they are known before the values are.

What is not known is :class:`Unchecked`: it fits every annotation, and the value is checked when it
is there.
"""

import collections
import collections.abc
import operator
from types import GenericAlias
from typing import Any, get_origin

from sematic.errors import CastError, FutureUseError
from sematic.types.assignability import can_cast_type
from sematic.types.attributes import attribute_type
from sematic.types.casting import caster
from sematic.types.classes import class_attribute
from sematic.types.display import short_repr
from sematic.types.forms import Form, Kind, Unchecked, form_of, is_alias, is_class, is_new_type
from sematic.types.hints import member_types
from sematic.types.joining import join_types, known_or_unchecked, type_of_members
from sematic.types.operations import operation_type

__all__ = ["attribute_type", "fixed_length", "item_type", "operation_type"]

_SLICED = (list, tuple, collections.abc.Sequence, collections.abc.MutableSequence)
_TEXT_ITEMS: dict[type, type] = {str: str, bytes: int, bytearray: int, range: int}


def item_type(container_type: Any, key: Any) -> Any:
    """The type of ``container[key]``.

    Args:
        container_type: the type of a future.
        key: a key, an index or a slice; where that is a future itself, its type.

    Raises:
        FutureUseError: values of the type have no items, or none with such a key.
        IndexError: a tuple of fixed length has no item with this index.
    """
    form = form_of(container_type)
    match form.kind:
        case Kind.ANYTHING:
            return Unchecked
        case Kind.UNION | Kind.LITERAL:
            return type_of_members(form, lambda member: item_type(member, key))
        case Kind.TUPLE:
            return _tuple_item(form.args, key)
        case Kind.NAMED_TUPLE:
            return _tuple_item(tuple(member_types(form).values()), key)
        case Kind.COLLECTION:
            return _sequence_item(form, container_type, key)
        case Kind.MAPPING:
            return _mapping_item(form, key)
        case Kind.TYPED_DICT:
            return _typed_dict_item(form, key)
        case _:
            return _class_item(form, container_type, key)


def fixed_length(type_: Any) -> int | None:
    """How many elements values of a type have, if it is known: for tuples and named tuples."""
    form = form_of(type_)
    if form.kind is Kind.TUPLE:
        return len(form.args)
    return len(member_types(form)) if form.kind is Kind.NAMED_TUPLE else None


def _tuple_item(types: tuple[Any, ...], key: Any) -> Any:
    if isinstance(key, slice):
        if all(part is None or isinstance(part, int) for part in (key.start, key.stop, key.step)):
            return GenericAlias(tuple, types[key])
        return GenericAlias(tuple, (_one_of(types), ...))
    _check_index(key)
    return _one_of(types) if _is_type(key) else known_or_unchecked(types[key])


def _one_of(types: tuple[Any, ...]) -> Any:
    """The type of one element that is not known which; the value is checked if they differ."""
    joined = join_types(types)
    return Unchecked if form_of(joined).kind is Kind.UNION and len(types) > 1 else joined


def _sequence_item(form: Form, container_type: Any, key: Any) -> Any:
    if form.cls in _SLICED and isinstance(key, slice):
        return container_type
    if (form.cls is not collections.deque and form.cls not in _SLICED) or isinstance(key, slice):
        raise _no_items(container_type)
    _check_index(key)
    return known_or_unchecked(form.args[0])


def _mapping_item(form: Form, key: Any) -> Any:
    _check_key(key, form.args[0])
    return known_or_unchecked(form.args[1])


def _typed_dict_item(form: Form, key: Any) -> Any:
    if _is_type(key):
        return Unchecked
    types = member_types(form)
    if not isinstance(key, str) or key not in types:
        raise FutureUseError(
            f"Invalid key {short_repr(key)}: the keys of {form.cls.__name__} are "
            f"{', '.join(map(repr, types))}"
        )
    return known_or_unchecked(types[key])


def _class_item(form: Form, container_type: Any, key: Any) -> Any:
    item = _TEXT_ITEMS.get(form.cls)
    if item is not None:
        if isinstance(key, slice):
            return form.cls
        _check_index(key)
        return item
    if class_attribute(form.cls, "__getitem__") is None:
        raise _no_items(container_type)
    return Unchecked


def _check_index(key: Any) -> None:
    """Raise if this, or a value of this type, is no index of a sequence."""
    if _is_type(key):
        _check_key(key, int)
        return
    try:
        operator.index(key)
    except TypeError:
        shown = short_repr(key)
        raise FutureUseError(f"Invalid key {shown}: Cannot cast {shown} to {int!r}") from None


def _check_key(key: Any, wanted: Any) -> None:
    """Raise if a key of this value, or of this type, can never be found."""
    if _is_type(key):
        fits, reason = can_cast_type(key, wanted)
        if not fits:
            raise FutureUseError(f"Invalid key of type {short_repr(key)}: {reason}")
        return
    shown = short_repr(key)
    try:
        found = caster(wanted)(key)
    except CastError as error:
        raise FutureUseError(f"Invalid key {shown}: {error}") from None
    # The key is looked up as it is: "3" is no key of a dict[int, ...], though it can be cast.
    if not (found is key or found == key):
        raise FutureUseError(f"Invalid key {shown}: Cannot cast {shown} to {short_repr(wanted)}")


def _is_type(key: Any) -> bool:
    """Whether this stands for a key that is a future: it is the type of one then."""
    return is_class(key) or get_origin(key) is not None or is_new_type(key) or is_alias(key)


def _no_items(container_type: Any) -> FutureUseError:
    return FutureUseError(
        f"__getitem__ is not supported for Futures of type {short_repr(container_type)}"
    )
