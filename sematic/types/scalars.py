"""Casts to int, float, bool, str and bytes.

A scalar of numpy is taken for the Python value that it is equal to. Instances of other
subclasses stay what they are: ``True`` is an int, as Python has it.
"""

import math
import numbers
import operator
import re
from collections.abc import Callable
from typing import Any

from sematic.types.casters import Cast, Caster, mismatch

_INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]*")


def build_scalar(cls: type, annotation: Any, *, strict: bool) -> Caster | None:
    """The caster of a scalar class; ``None`` for any other class.

    Args:
        cls: what ``annotation`` comes down to.
        annotation: as it is shown in errors.
        strict: take instances only, without the lossless conversions.
    """
    build = _BUILDERS.get(cls)
    if build is None:
        return None
    return Caster(build(annotation, strict), cls, frozenset({cls}))


def _build_int(annotation: Any, strict: bool) -> Cast:
    def cast_int(value: Any) -> Any:
        if type(value) is int or isinstance(value, int):
            return value
        if isinstance(value, numbers.Integral):
            return operator.index(value)
        number = None if strict else _exact_int(value)
        if number is None:
            raise mismatch(value, annotation)
        return number

    return cast_int


def _exact_int(value: Any) -> int | None:
    """The integer that a float or a text stands for exactly."""
    if type(value) is str:
        return _int_of_text(value)
    if isinstance(value, float) or _is_inexact(value):
        number = float(value)
        if number == value and number.is_integer():
            return int(number)
    return None


def _int_of_text(text: str) -> int | None:
    if not _INTEGER_TEXT.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:  # more digits than Python is willing to convert
        return None


def _build_float(annotation: Any, strict: bool) -> Cast:
    def cast_float(value: Any) -> Any:
        if type(value) is float:
            return value
        if isinstance(value, float):
            return float(value) if _is_numpy(value) else value
        if _is_inexact(value):
            number = float(value)
            if number == value or math.isnan(number):
                return number
        elif not strict and isinstance(value, numbers.Integral):
            return _float_of_int(value, annotation)
        elif not strict and type(value) is str:
            return _float_of_text(value, annotation)
        raise mismatch(value, annotation)

    return cast_float


def _float_of_int(value: Any, annotation: Any) -> float:
    try:
        return float(operator.index(value))
    except OverflowError as error:
        raise mismatch(value, annotation, error) from None


def _float_of_text(text: str, annotation: Any) -> float:
    try:
        number = float(text)
    except ValueError:
        raise mismatch(text, annotation) from None
    if math.isinf(number) and "inf" not in text.lower():
        raise mismatch(text, annotation, "it is too large for a float")
    return number


def _build_bool(annotation: Any, strict: bool) -> Cast:
    def cast_bool(value: Any) -> Any:
        if value is True or value is False:
            return value
        if _is_numpy(value) and type(value).__name__ in ("bool", "bool_"):
            return bool(value)
        raise mismatch(value, annotation)

    return cast_bool


def _build_str(annotation: Any, strict: bool) -> Cast:
    def cast_str(value: Any) -> Any:
        if isinstance(value, str):
            return str(value) if _is_numpy(value) else value
        raise mismatch(value, annotation)

    return cast_str


def _build_bytes(annotation: Any, strict: bool) -> Cast:
    def cast_bytes(value: Any) -> Any:
        if isinstance(value, bytes):
            return bytes(value) if _is_numpy(value) else value
        raise mismatch(value, annotation)

    return cast_bytes


def _is_numpy(value: object) -> bool:
    return type(value).__module__ == "numpy"


def _is_inexact(value: object) -> bool:
    """Whether this is a floating-point number of another library: numpy's are registered so."""
    return isinstance(value, numbers.Real) and not isinstance(value, (numbers.Rational, float))


_BUILDERS: dict[type, Callable[[Any, bool], Cast]] = {
    int: _build_int,
    float: _build_float,
    bool: _build_bool,
    str: _build_str,
    bytes: _build_bytes,
}
