"""What a compiled annotation is: a function that casts, and what unions and lists ask of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sematic.errors import CastError
from sematic.types.display import short_repr

Cast = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Caster:
    """A compiled annotation.

    Attributes:
        cast: returns the value as the annotation wants it, or raises ``CastError``.
        cls: the class that values of the annotation are instances of, if there is one.
        passes: values of exactly these classes are returned as they are, without a look inside.
            A list whose elements all are of such classes needs no call per element.
    """

    cast: Cast
    cls: type | None = None
    passes: frozenset[type] = frozenset()


Compile = Callable[[Any], Caster]
"""Compiles the annotation of a part, under the rules that hold for the whole."""


def keep(value: Any) -> Any:
    """The cast to ``object``."""
    return value


def mismatch(value: object, annotation: Any, reason: object = None) -> CastError:
    """The error for a value that does not fit; ``reason`` only where it adds something."""
    message = f"Cannot cast {short_repr(value)} to {short_repr(annotation)}"
    return CastError(message if reason is None else f"{message}: {reason}")
