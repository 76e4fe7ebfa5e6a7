"""Assignability to dataclasses, named tuples and typed dicts."""

import dataclasses
from typing import Any

from sematic.types.classes import is_subclass
from sematic.types.comparison import Pair, Reason
from sematic.types.dataclass_casts import init_parameters
from sematic.types.forms import Form, Kind
from sematic.types.hints import member_types, typed_dict_keys


def named_tuple_reason(pair: Pair, reason: Reason) -> str | None:
    """Why a type does not fit a named tuple: instances only, whose fields fit."""
    if not is_subclass(pair.from_.cls, pair.to.cls):
        return pair.mismatch()
    return _fields_reason(pair, reason, list(member_types(pair.to)))


def typed_dict_reason(pair: Pair, reason: Reason) -> str | None:
    """Why a type does not fit a typed dict: another one that surely has its keys."""
    if pair.from_.kind is not Kind.TYPED_DICT:
        return pair.because("not a typed dict")
    given, wanted = typed_dict_keys(pair.from_.cls), typed_dict_keys(pair.to.cls)
    # A value may have more keys than its type names, with values of any type: so a key must be
    # named even where it is not required.
    missing = {key for key, required in wanted.items() if not given.get(key, False) >= required}
    missing |= wanted.keys() - given.keys()
    if missing:
        return pair.because(_missing(missing))
    return _fields_reason(pair, reason, list(wanted))


def dataclass_reason(pair: Pair, reason: Reason) -> str | None:
    """Why a type does not fit a dataclass: subclasses, and others that have all its fields."""
    if is_subclass(pair.from_.cls, pair.to.cls):
        return _fields_reason(pair, reason, _field_names(pair.to))
    if pair.from_.kind is not Kind.DATACLASS:
        return pair.because("not a dataclass")
    wanted = list(init_parameters(pair.to.cls))
    missing = set(wanted) - set(_field_names(pair.from_))
    if missing:
        return pair.because(_missing(missing))
    if hasattr(pair.to.cls, "__post_init__"):
        return pair.because("its __post_init__ may refuse the fields")
    return _fields_reason(pair, reason, wanted)


def _fields_reason(pair: Pair, reason: Reason, names: list[str]) -> str | None:
    given, wanted = member_types(pair.from_), member_types(pair.to)
    for name in names:
        inner = reason(given.get(name, object), wanted.get(name, object))
        if inner is not None:
            return pair.because(f"field {name!r} cannot cast: {inner}")
    return None


def _field_names(form: Form) -> list[str]:
    cls: Any = form.cls
    return [field.name for field in dataclasses.fields(cls)]


def _missing(names: set[str]) -> str:
    return f"missing fields: {{{', '.join(map(repr, sorted(names)))}}}"
