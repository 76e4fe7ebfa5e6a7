"""When and how often a failed call is executed again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

from sematic.errors import InvalidOptionError
from sematic.option_names import checks_names
from sematic.types.display import short_repr
from sematic.types.names import qualified_name


@checks_names({"backoff": "Write backoff_seconds=1.0.", "delay": "Write backoff_seconds=1.0."})
@dataclass(frozen=True)
class RetrySettings:
    """Which failures of a function are followed by another attempt, and when.

    Without ``backoff_seconds`` the next attempt follows at once. With it, the first one follows
    after so many seconds, and each further one after twice as many as the one before.

    Args:
        exceptions: exception types to retry for; their subclasses count.
            ``sematic.InfrastructureError`` is for workers that were lost: killed, evicted, their
            node gone. ``sematic.TimeoutError`` is for the function's own time limit.
        retries: how many times to retry, so ``retries=3`` is at most four executions.
        backoff_seconds: seconds before the first retry.
        max_backoff_seconds: most seconds before any retry.
        jitter: up to which share, 0 to 1, a pause is shortened at random, so that calls which
            failed together do not come back together.

    Raises:
        InvalidOptionError: ``exceptions`` is no tuple of exception types, ``retries`` no integer
            of at least 0, or another number is out of its range.
    """

    exceptions: tuple[type[BaseException], ...]
    retries: int
    backoff_seconds: float = 0.0
    max_backoff_seconds: float = 3600.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not isinstance(self.exceptions, (tuple, list, set)):
            shown = short_repr(self.exceptions)
            if _is_exception(self.exceptions):
                shown = f"{shown}. Write ({self.exceptions.__name__},)."
            raise InvalidOptionError(f"exceptions should be a tuple, got {shown}")
        object.__setattr__(self, "exceptions", tuple(self.exceptions))
        for exception in self.exceptions:
            if not _is_exception(exception):
                raise InvalidOptionError(
                    f"exceptions should hold exception types, got {short_repr(exception)}"
                )
        if isinstance(self.retries, bool) or not isinstance(self.retries, int):
            raise InvalidOptionError(f"retries should be an int, got {short_repr(self.retries)}")
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise InvalidOptionError(
                f"retries should be at least 0 and at most {_MOST_RETRIES:,}, "
                f"got {short_repr(self.retries)}"
            )
        _check_number("backoff_seconds", self.backoff_seconds)
        _check_number("max_backoff_seconds", self.max_backoff_seconds)
        _check_number("jitter", self.jitter, most=1.0)

    def matches(self, error_types: Iterable[str]) -> bool:
        """Whether one of ``error_types``, importable paths, is one to retry for."""
        kinds = {qualified_name(kind) for kind in self.exceptions}
        # As they call themselves, too: in the record of a notebook that is `__main__`, whatever
        # the process calls its own main module in which it is read.
        kinds.update(f"{kind.__module__}.{kind.__qualname__}" for kind in self.exceptions)
        return not kinds.isdisjoint(error_types)

    def pause(self, failures: int, *, seed: str) -> float:
        """Seconds to wait before the next attempt. The same arguments give the same pause.

        Args:
            failures: how many attempts have failed, at least 1.
            seed: what the random part is made of, so that it can be computed again.
        """
        if not self.backoff_seconds:
            return 0.0
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        longest = min(self.backoff_seconds * 2.0**doublings, self.max_backoff_seconds)
        digest = hashlib.sha1(f"{seed}:{failures}".encode()).digest()
        return longest * (1.0 - self.jitter * int.from_bytes(digest[:4], "big") / 2**32)


_MOST_DOUBLINGS = 64  # a float holds many more; nobody waits as long
_MOST_RETRIES = 1_000_000_000
MOST_SECONDS = 100 * 365.25 * 86400
"""A hundred years. Queues and clocks of the operating system cannot wait for much longer."""


def _is_exception(value: object) -> TypeGuard[type[BaseException]]:
    return isinstance(value, type) and issubclass(value, BaseException)


def _check_number(name: str, value: object, *, most: float = MOST_SECONDS) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= most:  # type: ignore[operator]
        seconds = "of seconds, at least 0 and at most 100 years"
        wanted = "from 0 to 1" if most == 1 else seconds
        raise InvalidOptionError(f"{name} should be a number {wanted}. Got {short_repr(value)}")
