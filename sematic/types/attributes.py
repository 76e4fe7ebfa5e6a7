"""The types of attributes of futures, as far as they are known before the values are."""

import functools
import inspect
from typing import Any

from sematic.types.classes import class_attribute
from sematic.types.display import short_repr
from sematic.types.forms import (
    ABSTRACT_COLLECTIONS,
    ABSTRACT_MAPPINGS,
    Form,
    Kind,
    Unchecked,
    form_of,
)
from sematic.types.hints import (
    class_hints,
    evaluate,
    function_scopes,
    member_types,
    substitute,
)
from sematic.types.joining import known_or_unchecked, type_of_members
from sematic.types.keys import TypeKey

_NOTHING = object()
_BUILTIN_KINDS = (Kind.TUPLE, Kind.COLLECTION, Kind.MAPPING, Kind.TYPED_DICT)
_WITH_FIELDS = (Kind.DATACLASS, Kind.NAMED_TUPLE)


def attribute_type(owner_type: Any, name: str) -> Any:
    """The type of ``owner.name``.

    Args:
        owner_type: the type of a future.
        name: the attribute.

    Returns:
        What its annotation says, or that of what a property returns; ``Unchecked`` where there is
        none.

    Raises:
        AttributeError: values of the type surely have no such attribute.
    """
    return _cached_type(TypeKey(owner_type), name)


@functools.lru_cache(maxsize=4096)
def _cached_type(owner: TypeKey, name: str) -> Any:
    form = form_of(owner.annotation)
    if form.kind in (Kind.UNION, Kind.LITERAL):
        return type_of_members(form, lambda member: attribute_type(member, name))
    if form.kind is Kind.ENUM and name in ("name", "value"):
        return str if name == "name" else _enum_value_type(form.cls)
    if form.kind in (Kind.ANYTHING, Kind.TYPE):
        return Unchecked
    types = member_types(form) if form.kind in _WITH_FIELDS else class_hints(form.cls)
    if name in types and form.kind is not Kind.TYPED_DICT:
        return known_or_unchecked(types[name])
    attribute = class_attribute(form.cls, name, _NOTHING)
    if attribute is not _NOTHING:
        return _type_from_class(attribute)
    if _may_have_more(form):
        return Unchecked
    raise AttributeError(_no_attribute(owner.annotation, form, name))


def _enum_value_type(cls: Any) -> Any:
    types = {type(member.value) for member in cls}
    return types.pop() if len(types) == 1 else Unchecked


def _type_from_class(attribute: Any) -> Any:
    """The type that an attribute of the class, such as a property, has in an instance."""
    getter = attribute
    if isinstance(attribute, property):
        getter = attribute.fget
    elif isinstance(attribute, functools.cached_property):
        getter = attribute.func
    if getter is attribute or not inspect.isfunction(getter):
        return Unchecked
    annotation = inspect.get_annotations(getter).get("return", object)
    try:
        found = evaluate(annotation, *function_scopes(getter))
    except Exception:  # noqa: BLE001  a string may hold anything; then nothing is known
        return Unchecked
    return known_or_unchecked(substitute(found, {}))


def _may_have_more(form: Form) -> bool:
    """Whether instances may have attributes that their class does not tell of."""
    cls = form.cls
    if cls in ABSTRACT_COLLECTIONS or cls in ABSTRACT_MAPPINGS:
        return True
    if form.kind in _BUILTIN_KINDS or form.kind is Kind.NAMED_TUPLE:
        return False
    if form.kind is Kind.DATACLASS:
        # Its own code may set more than its fields.
        return any(class_attribute(cls, name) for name in ("__post_init__", "__getattr__"))
    return cls.__module__ != "builtins"


def _no_attribute(owner_type: Any, form: Form, name: str) -> str:
    if form.kind not in _WITH_FIELDS:
        return f"Values of {short_repr(owner_type)} have no attribute {name!r}"
    fields = ", ".join(map(repr, member_types(form))) or "none"
    return f"{short_repr(owner_type)} has no field {name!r}; its fields are: {fields}"
