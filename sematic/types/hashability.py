"""Whether the values of a type can be in a set, or be the keys of a dict."""

import dataclasses
import inspect
from typing import Any

from sematic.types.forms import Form, Kind, form_of
from sematic.types.hints import member_types
from sematic.types.keys import TypeKey


def has_hash(annotation: Any) -> bool:
    """Whether all values of a type surely have a hash. Subclasses are taken to keep it."""
    return _has_hash(annotation, frozenset())


def never_has_hash(annotation: Any) -> bool:
    """Whether surely no value of a type has a hash, as of ``list[int]`` and ``dict[str, int]``."""
    form = form_of(annotation)
    match form.kind:
        case Kind.TUPLE:
            return any(map(never_has_hash, form.args))
        case Kind.COLLECTION | Kind.MAPPING:  # of an abstract class there may be others
            return form.cls.__hash__ is None and not inspect.isabstract(form.cls)
        case _:
            return False


def _has_hash(annotation: Any, outer: frozenset[TypeKey]) -> bool:
    key = TypeKey(annotation)
    if key in outer:  # a type within itself adds nothing that is not looked at already
        return True
    form, within = form_of(annotation), outer | {key}
    match form.kind:
        case Kind.LITERAL | Kind.TYPE:
            return True
        case Kind.UNION | Kind.TUPLE:
            return all(_has_hash(arg, within) for arg in form.args)
        case Kind.COLLECTION:
            return form.cls is frozenset or (form.cls is tuple and _has_hash(form.args[0], within))
        case Kind.NAMED_TUPLE:
            return all(_has_hash(hint, within) for hint in member_types(form).values())
        case Kind.DATACLASS:
            return _dataclass_has_hash(form, within)
        case Kind.CLASS | Kind.ENUM:
            return form.cls.__hash__ is not None
        case _:
            return False


def _dataclass_has_hash(form: Form, within: frozenset[TypeKey]) -> bool:
    cls: Any = form.cls
    if cls.__hash__ is None:
        return False
    if cls.__hash__ is object.__hash__:
        return True
    types = member_types(form)
    return all(
        _has_hash(types.get(field.name, object), within)
        for field in dataclasses.fields(cls)
        if (field.compare if field.hash is None else field.hash)
    )
