"""Assignability to lists, tuples, sets, mappings and the abstract collections."""

import collections
import collections.abc
from typing import Any

from sematic.types.classes import is_iterator, is_subclass
from sematic.types.comparison import Pair, Reason, first_reason
from sematic.types.containers import CONVERTIBLE, TEXTS
from sematic.types.display import short_repr
from sematic.types.forms import ABSTRACT_COLLECTIONS, Form, Kind, form_of
from sematic.types.hashability import has_hash
from sematic.types.hints import member_types
from sematic.types.keys import TypeKey


def collection_reason(pair: Pair, reason: Reason) -> str | None:
    """Why a type does not fit a collection of elements of one type."""
    why = _why_no_collection(pair.from_, pair.to.cls)
    if why is not None:
        return pair.because(why)
    wanted = pair.to.args[0]
    given = element_types_of(pair.from_)
    inner = first_reason(reason, ((element, wanted) for element in given))
    if inner is not None:
        return pair.because(inner)
    if not is_subclass(pair.to.cls, collections.abc.Set):
        return None
    hashed = is_subclass(pair.from_.cls, collections.abc.Set) or _is_mapping(pair.from_.cls)
    if all(_stays_hashed(element, wanted, hashed=hashed) for element in given):
        return None
    return pair.because(_no_hash(wanted))


def tuple_reason(pair: Pair, reason: Reason) -> str | None:
    """Why a type does not fit a tuple of fixed length."""
    if pair.from_.kind not in (Kind.TUPLE, Kind.NAMED_TUPLE):
        return pair.because("not a tuple")
    given, wanted = element_types_of(pair.from_), pair.to.args
    if len(given) != len(wanted):
        return pair.because(f"they have different arities ({len(given)} vs {len(wanted)})")
    inner = first_reason(reason, zip(given, wanted, strict=True))
    return None if inner is None else pair.because(inner)


def mapping_reason(pair: Pair, reason: Reason) -> str | None:
    """Why a type does not fit a mapping."""
    if not is_subclass(pair.from_.cls, pair.to.cls):
        wanted = pair.to.cls.__name__ if _is_mapping(pair.from_.cls) else "mapping"
        return pair.because(f"not a {wanted}")
    given = _key_and_value(pair.from_)
    for what, source, target in zip(("key", "value"), given, pair.to.args, strict=True):
        inner = reason(source, target)
        if inner is not None:
            return pair.because(f"{what} type: {inner}")
    if _stays_hashed(given[0], pair.to.args[0], hashed=True):
        return None
    return pair.because(_no_hash(pair.to.args[0]))


def element_types_of(form: Form) -> tuple[Any, ...]:
    """The types of what iteration over a value gives: one for all elements, or one for each."""
    match form.kind:
        case Kind.COLLECTION | Kind.TUPLE:
            return form.args
        case Kind.NAMED_TUPLE:
            return tuple(member_types(form).values())
        case Kind.MAPPING:
            return form.args[:1]
        case Kind.TYPED_DICT:
            return (str,)
        case _:
            return (int,) if form.cls is range else (object,)


def _key_and_value(form: Form) -> tuple[Any, Any]:
    if form.kind is Kind.MAPPING:
        return form.args[0], form.args[1]
    # A typed dict may have more keys than it names, with values of any type.
    return (str, object) if form.kind is Kind.TYPED_DICT else (object, object)


def _why_no_collection(form: Form, target: type) -> str | None:
    """Why values of a form are not taken for a collection, whatever their elements are."""
    cls = form.cls
    abstract = target in ABSTRACT_COLLECTIONS
    if not abstract and is_subclass(cls, CONVERTIBLE if target in CONVERTIBLE else target):
        return None
    if abstract and is_subclass(cls, target) and _is_countable(cls) and not _is_text(cls):
        return None
    if form.kind is Kind.CLASS:
        return "not a subscripted generic"
    if not is_subclass(cls, collections.abc.Iterable):
        return "not an iterable"
    return f"not a {target.__name__}" if abstract else "not a list, tuple or set"


def _is_countable(cls: type) -> bool:
    """Whether looking at all elements leaves the value as it was."""
    if cls is collections.abc.Iterable:  # only collections are ever cast to it
        return True
    return is_subclass(cls, collections.abc.Collection) and not is_iterator(cls)


def _is_text(cls: type) -> bool:
    return any(is_subclass(cls, text) for text in TEXTS)


def _is_mapping(cls: type) -> bool:
    return is_subclass(cls, collections.abc.Mapping)


def _stays_hashed(source: Any, target: Any, *, hashed: bool) -> bool:
    """Whether what the cast makes of an element has a hash.

    Args:
        source: the element's type.
        target: the type it is cast to.
        hashed: whether the element has one because it comes from a set, or is a key.
    """
    if has_hash(target) or (hashed and TypeKey(source) == TypeKey(target)):
        return True
    as_it_is = form_of(target).kind in (Kind.ANYTHING, Kind.CLASS)
    return as_it_is and (hashed or has_hash(source))


def _no_hash(annotation: Any) -> str:
    return f"values of {short_repr(annotation)} may have no hash"
