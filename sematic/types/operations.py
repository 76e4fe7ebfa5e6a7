"""The types of operations on futures, as far as they are known before the values are."""

import datetime
import functools
from types import GenericAlias
from typing import Any

from sematic.types.forms import Form, Kind, Unchecked, form_of
from sematic.types.joining import join_types, type_of_members
from sematic.types.keys import TypeKey

_COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
_BITWISE = frozenset({"and_", "or_", "xor"})
_ARITHMETIC = frozenset({"add", "sub", "mul", "floordiv", "mod"})
_SIGNS = frozenset({"neg", "pos", "abs"})
_TO_INTEGERS = frozenset({"floor", "ceil", "trunc"})
_SET_OPERATIONS = _BITWISE | {"sub"}

# Modules whose classes compare to a bool, unlike arrays and frames.
_PLAIN_MODULES = frozenset({"builtins", "datetime", "decimal", "fractions", "pathlib", "uuid"})
_COMPOSED = frozenset(
    {
        Kind.ENUM,
        Kind.TUPLE,
        Kind.COLLECTION,
        Kind.MAPPING,
        Kind.TYPED_DICT,
        Kind.NAMED_TUPLE,
        Kind.DATACLASS,
        Kind.TYPE,
    }
)
_DATES: dict[tuple[str, type, type], type] = {
    ("sub", datetime.datetime, datetime.datetime): datetime.timedelta,
    ("sub", datetime.date, datetime.date): datetime.timedelta,
    ("add", datetime.timedelta, datetime.timedelta): datetime.timedelta,
    ("sub", datetime.timedelta, datetime.timedelta): datetime.timedelta,
    ("truediv", datetime.timedelta, datetime.timedelta): float,
}
_DATES |= {
    (operator, moment, datetime.timedelta): moment
    for operator in ("add", "sub")
    for moment in (datetime.datetime, datetime.date)
}


def operation_type(operator: str, *operand_types: Any) -> Any:
    """The type of what an operator of Python gives.

    Args:
        operator: a name of :data:`sematic.future.OPERATORS`: ``"add"``, ``"lt"``, ``"round"``...
        operand_types: the types of its operands, in order.

    Returns:
        A type where Python's own classes leave no doubt; else ``Unchecked``.
    """
    return _cached_type(operator, *map(TypeKey, operand_types))


@functools.lru_cache(maxsize=4096)
def _cached_type(operator: str, *operands: TypeKey) -> Any:
    forms = [_plain(form_of(operand.annotation)) for operand in operands]
    if operator in _COMPARISONS:
        return bool if all(map(_compares_to_bool, forms)) else Unchecked
    classes = {form.cls for form in forms}
    if all(form.kind is Kind.CLASS for form in forms) and classes <= {bool, int, float}:
        if operator == "round":  # to an integer, or to so many digits
            return float if len(forms) > 1 and forms[0].cls is float else int
        return _number_type(operator, classes)
    return _pair_type(operator, *forms) if len(forms) == 2 else Unchecked


def _plain(form: Form) -> Form:
    """A literal as the class of its values, if they have one class."""
    if form.kind is not Kind.LITERAL:
        return form
    return form_of(type_of_members(form, lambda member: member))


def _compares_to_bool(form: Form) -> bool:
    if form.kind is Kind.UNION:
        return all(_compares_to_bool(form_of(member)) for member in form.args)
    if form.kind is Kind.CLASS:
        return form.cls.__module__.partition(".")[0] in _PLAIN_MODULES
    return form.kind in _COMPOSED


def _number_type(operator: str, classes: set[type]) -> Any:
    if operator in _ARITHMETIC or operator in _SIGNS:
        return float if float in classes else int
    if operator == "truediv":
        return float
    if operator in _TO_INTEGERS:
        return int
    if operator == "divmod":
        part = float if float in classes else int
        return GenericAlias(tuple, (part, part))
    if float in classes:
        return Unchecked
    if operator in _BITWISE:
        return bool if classes == {bool} else int
    # Not powers: 2 ** -1 is a float.
    return int if operator in ("invert", "lshift", "rshift") else Unchecked


def _pair_type(operator: str, left: Form, right: Form) -> Any:
    if left.cls in (str, bytes) and operator in ("add", "mod"):
        return left.cls if operator == "mod" or right.cls is left.cls else Unchecked
    if operator == "mul" and {left.cls, right.cls} & {int, bool}:
        return _repeated_type(right if left.cls in (int, bool) else left)
    if left.kind is Kind.CLASS and right.kind is Kind.CLASS:
        return _DATES.get((operator, left.cls, right.cls), Unchecked)
    if operator == "add" and left.cls is right.cls:
        return _concatenated_type(left, right)
    if operator in _SET_OPERATIONS and left.cls in (set, frozenset):
        return _set_type(operator, left, right)
    if operator == "or_" and left.cls is dict and right.cls is dict:
        return _merged_type(left, right)
    return Unchecked


def _repeated_type(form: Form) -> Any:
    if form.cls in (str, bytes):
        return form.cls
    if form.cls is list:
        return GenericAlias(list, (join_types(form.args),))
    return GenericAlias(tuple, (join_types(form.args), ...)) if form.cls is tuple else Unchecked


def _concatenated_type(left: Form, right: Form) -> Any:
    joined = join_types(left.args + right.args)
    if left.cls is list:
        return GenericAlias(list, (joined,))
    if left.cls is not tuple:
        return Unchecked
    if left.kind is Kind.TUPLE and right.kind is Kind.TUPLE:
        return GenericAlias(tuple, left.args + right.args)
    return GenericAlias(tuple, (joined, ...))


def _set_type(operator: str, left: Form, right: Form) -> Any:
    if right.cls not in (set, frozenset):
        return Unchecked
    adds = operator in ("or_", "xor")
    element = join_types(left.args + right.args if adds else left.args)
    return GenericAlias(left.cls, (element,))


def _merged_type(left: Form, right: Form) -> Any:
    if left.kind is not Kind.MAPPING or right.kind is not Kind.MAPPING:
        return Unchecked
    return GenericAlias(dict, tuple(map(join_types, zip(left.args, right.args, strict=True))))
