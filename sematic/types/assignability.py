"""Assignability of types: whether every value of one type can be cast to another.

Decided before anything runs, for futures that are passed or returned. Yes is a promise that the
cast of the value will work. It cannot be kept for an int that is too large for a float, for a
mapping two of whose keys become the same number, and for a subclass that undoes what its base
says, such as having a hash.
"""

import collections.abc
import enum
import functools
import numbers
import typing
from collections.abc import Callable
from typing import Any

from sematic.types.assignable_containers import collection_reason, mapping_reason, tuple_reason
from sematic.types.assignable_records import (
    dataclass_reason,
    named_tuple_reason,
    typed_dict_reason,
)
from sematic.types.classes import can_check, class_bounds, is_subclass
from sematic.types.comparison import Pair, Reason, first_reason
from sematic.types.display import short_repr
from sematic.types.forms import Form, Kind, Unchecked, form_of, strip
from sematic.types.hashability import has_hash
from sematic.types.keys import TypeKey


def can_cast_type(from_type: Any, to_type: Any) -> tuple[bool, str | None]:
    """Whether every value of ``from_type`` can be cast to ``to_type``.

    Args:
        from_type: the type of a future; ``Unchecked`` fits everything.
        to_type: the annotation that it meets.

    Returns:
        ``(True, None)``, or ``False`` and the reason. Never raises, however strange the types.
    """
    if from_type is to_type and type(from_type) is type:  # most are, and to make keys takes longer
        return True, None
    reason = _cached_reason(TypeKey(from_type), TypeKey(to_type))
    return reason is None, reason


@functools.lru_cache(maxsize=4096)
def _cached_reason(from_key: TypeKey, to_key: TypeKey) -> str | None:
    return _Comparison().reason(from_key.annotation, to_key.annotation)


class _Comparison:
    """One question, with the pairs it has come across: recursive types come back to them."""

    def __init__(self) -> None:
        self._open: set[tuple[TypeKey, TypeKey]] = set()

    def reason(self, source: Any, target: Any) -> str | None:
        """Why ``source`` does not fit ``target``; ``None`` if it does."""
        key = (TypeKey(source), TypeKey(target))
        # A pair that is being looked at further out fails there, if it does.
        if key[0] == key[1] or strip(source) is Unchecked or key in self._open:
            return None
        self._open.add(key)
        try:
            return self._reason(Pair(source, target, form_of(source), form_of(target)))
        finally:
            self._open.discard(key)

    def _reason(self, pair: Pair) -> str | None:
        from_, to = pair.from_, pair.to
        if to.kind is Kind.ANYTHING:
            return None
        if from_.kind is Kind.UNION:
            return self._members_reason(from_.args, pair.target)
        if from_.kind is Kind.LITERAL and len(from_.args) > 1:
            members = tuple(typing.Literal[value] for value in from_.args)
            return self._members_reason(members, pair.target)
        if to.kind is Kind.UNION:
            return self._union_reason(pair)
        if to.kind is Kind.LITERAL:
            return None if _is_within(from_, to) else pair.mismatch()
        if from_.kind is Kind.LITERAL:
            return self.reason(type(from_.args[0]), pair.target)
        if from_.kind is Kind.ANYTHING:
            return _class_words(pair)
        return _RULES[to.kind](pair, self.reason)

    def _members_reason(self, members: tuple[Any, ...], target: Any) -> str | None:
        return first_reason(self.reason, ((member, target) for member in members))

    def _union_reason(self, pair: Pair) -> str | None:
        if any(self.reason(pair.source, member) is None for member in pair.to.args):
            return None
        members = ", ".join(map(short_repr, pair.to.args))
        return f"{short_repr(pair.source)} cannot cast to any of ({members})"


def _class_reason(pair: Pair, reason: Reason) -> str | None:
    if pair.to.cls is collections.abc.Hashable:  # Sequence has a hash for Python, a list has none
        return None if has_hash(pair.source) else pair.mismatch()
    return None if _is_instance(pair.from_.cls, pair.to.cls) else _class_words(pair)


def _class_words(pair: Pair) -> str:
    source, cls = short_repr(pair.source), pair.to.cls
    if cls in (int, float):
        return f"Cannot cast {source} to {cls.__name__}"
    return f"{source} cannot cast to str" if cls is str else pair.mismatch()


def _is_instance(cls: type, target: type) -> bool:
    """Whether the cast to the class ``target`` takes all instances of ``cls``."""
    if not can_check(target) or is_subclass(cls, target):
        return True
    numpy_name = cls.__name__ if cls.__module__ == "numpy" else None
    if target is bool:
        return numpy_name in ("bool", "bool_")
    if target is int:
        return is_subclass(cls, numbers.Integral)
    if target is float:
        return is_subclass(cls, numbers.Integral) or numpy_name in ("float16", "float32")
    return False


def _enum_reason(pair: Pair, reason: Reason) -> str | None:
    if is_subclass(pair.from_.cls, pair.to.cls):
        return None
    return f"{short_repr(pair.source)} does not match {short_repr(pair.target)}"


def _model_reason(pair: Pair, reason: Reason) -> str | None:
    return None if is_subclass(pair.from_.cls, pair.to.cls) else pair.mismatch()


def _type_reason(pair: Pair, reason: Reason) -> str | None:
    if pair.from_.kind is Kind.TYPE:
        given = class_bounds(pair.from_)
    elif is_subclass(pair.from_.cls, type):
        given = (object,)
    else:
        return pair.mismatch()
    wanted = class_bounds(pair.to)
    fits = all(any(is_subclass(cls, bound) for bound in wanted) for cls in given)
    return None if fits else pair.mismatch()


def _is_within(form: Form, literal: Form) -> bool:
    """Whether all values of a type are among those of a literal."""
    values = _values(form)
    allowed = {(type(value), value) for value in literal.args}
    return values is not None and all((type(value), value) in allowed for value in values)


def _values(form: Form) -> tuple[Any, ...] | None:
    """All values of a type that has only a few; ``None`` for the others."""
    cls: Any = form.cls
    if form.kind is Kind.LITERAL:
        return form.args
    if cls is bool:
        return (True, False)
    if cls is type(None):
        return (None,)
    if form.kind is Kind.ENUM and not issubclass(cls, enum.Flag) and len(cls) > 0:
        return tuple(cls)
    return None


_RULES: dict[Kind, Callable[[Pair, Reason], str | None]] = {
    Kind.CLASS: _class_reason,
    Kind.ENUM: _enum_reason,
    Kind.MODEL: _model_reason,
    Kind.TYPE: _type_reason,
    Kind.COLLECTION: collection_reason,
    Kind.TUPLE: tuple_reason,
    Kind.MAPPING: mapping_reason,
    Kind.NAMED_TUPLE: named_tuple_reason,
    Kind.TYPED_DICT: typed_dict_reason,
    Kind.DATACLASS: dataclass_reason,
}
