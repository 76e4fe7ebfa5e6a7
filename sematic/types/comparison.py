"""What the rules of assignability have in common: two types, and words for why they do not fit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sematic.types.display import short_repr
from sematic.types.forms import Form

Reason = Callable[[Any, Any], str | None]
"""Why the first type does not fit the second; ``None`` if it does."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two types as they were written, and in their plain forms.

    Attributes:
        source: the type that a value has.
        target: the type that it is to be cast to.
        from_: the plain form of ``source``; no union, literal or ``object``.
        to: the plain form of ``target``.
    """

    source: Any
    target: Any
    from_: Form
    to: Form

    def mismatch(self) -> str:
        """That one does not fit the other, in the words for classes."""
        return f"{short_repr(self.source)} cannot cast to {short_repr(self.target)}"

    def because(self, why: str) -> str:
        """That one does not fit the other, and why, in the words for composed types."""
        return f"Can't cast {short_repr(self.source)} to {short_repr(self.target)}: {why}"


def first_reason(reason: Reason, pairs: Iterable[tuple[Any, Any]]) -> str | None:
    """Why the first of the pairs that does not fit does not."""
    return next((why for why in (reason(*pair) for pair in pairs) if why is not None), None)
