"""When and how often a failed call is executed again."""

from collections.abc import Iterable
from dataclasses import dataclass

from sematic.errors import InvalidOptionError


@dataclass(frozen=True)
class RetrySettings:
    """Which failures of a function are followed by another attempt.

    Args:
        exceptions: exception types to retry for; their subclasses count.
        retries: how many times to retry, so ``retries=3`` is at most four executions.

    Raises:
        InvalidOptionError: ``exceptions`` is no tuple of exception types, or ``retries`` no
            integer of at least 0.
    """

    exceptions: tuple[type[BaseException], ...]
    retries: int

    def __post_init__(self) -> None:
        if not isinstance(self.exceptions, (tuple, list, set)):
            raise InvalidOptionError(f"exceptions should be a tuple, got {self.exceptions!r}")
        object.__setattr__(self, "exceptions", tuple(self.exceptions))
        for exception in self.exceptions:
            if not (isinstance(exception, type) and issubclass(exception, BaseException)):
                raise InvalidOptionError(
                    f"exceptions should hold exception types, got {exception!r}"
                )
        if isinstance(self.retries, bool) or not isinstance(self.retries, int):
            raise InvalidOptionError(f"retries should be an int, got {self.retries!r}")
        if self.retries < 0:
            raise InvalidOptionError(f"retries should be at least 0, got {self.retries}")

    def matches(self, error_types: Iterable[str]) -> bool:
        """Whether one of ``error_types``, importable paths, is one to retry for."""
        kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in self.exceptions}
        return not kinds.isdisjoint(error_types)
