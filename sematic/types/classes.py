"""Casts to classes, enums, literals and ``type[X]``: a value is one of them or is not."""

import collections.abc
import enum
from typing import Any

from sematic.types.casters import Caster, keep, mismatch
from sematic.types.forms import Form, Kind, form_of


def build_class(form: Form, annotation: Any) -> Caster:
    """The caster of any class: takes its instances as they are."""
    cls = form.cls
    if not can_check(cls):
        return Caster(keep)

    def cast_instance(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise mismatch(value, annotation)

    # An abstract class has no direct instances: nothing is of exactly this class.
    return Caster(cast_instance, cls, frozenset({cls}))


def can_check(cls: type) -> bool:
    """Whether ``isinstance`` works with this class; it does not with all protocols."""
    try:
        isinstance(None, cls)
    except TypeError:
        return False
    return True


def build_enum(form: Form, annotation: Any, *, strict: bool) -> Caster:
    """The caster of an enum: takes its members, and their values unless ``strict``."""
    cls: Any = form.cls

    def cast_enum(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        member = None if strict else _member_of_value(cls, value)
        if member is None:
            raise mismatch(value, annotation)
        return member

    return Caster(cast_enum, cls, frozenset({cls}))


def _member_of_value(cls: Any, value: Any) -> enum.Enum | None:
    try:
        member = cls(value)
    except Exception:  # noqa: BLE001  _missing_ is the user's code; it says "no such member"
        return None
    if not isinstance(member, enum.Enum):
        return None
    # 1.0 and True find the member whose value is 1, but are not its value.
    same = type(member.value) is type(value) and member.value == value
    return member if same else None


def build_literal(form: Form, annotation: Any) -> Caster:
    """The caster of a literal: takes equal values of the same class."""
    allowed = frozenset((type(value), value) for value in form.args)
    classes = frozenset(map(type, form.args))

    def cast_literal(value: Any) -> Any:
        if type(value) in classes and (type(value), value) in allowed:
            return value
        raise mismatch(value, annotation)

    return Caster(cast_literal, classes_in_common(classes))


def classes_in_common(classes: frozenset[type]) -> type | None:
    """The only class there is, or ``None``."""
    return next(iter(classes)) if len(classes) == 1 else None


def build_type(form: Form, annotation: Any) -> Caster:
    """The caster of ``type[X]``: takes X and its subclasses."""
    bounds = class_bounds(form)

    def cast_type(value: Any) -> Any:
        if isinstance(value, type) and any(is_subclass(value, bound) for bound in bounds):
            return value
        raise mismatch(value, annotation)

    return Caster(cast_type, type)


def class_bounds(form: Form) -> tuple[type, ...]:
    """The classes that ``type[X]`` allows: several if X is a union."""
    inner = form_of(form.args[0])
    if inner.kind is Kind.UNION:
        return tuple(form_of(member).cls for member in inner.args)
    return (inner.cls,)


def is_subclass(cls: type, other: type | tuple[type, ...]) -> bool:
    """``issubclass`` that looks at the declared bases where Python raises: for some protocols."""
    try:
        return issubclass(cls, other)
    except TypeError:
        return other in cls.__mro__


def class_attribute(cls: type, name: str, default: Any = None) -> Any:
    """What a class or one of its bases defines under a name; its metaclass does not count."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), default)


def is_iterator(cls: type) -> bool:
    """Whether looking at the values of a class uses them up."""
    return is_subclass(cls, collections.abc.Iterator)
