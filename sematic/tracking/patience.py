"""Patience: waits for a record that cannot be used for a while, and says so."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sematic.errors import RecordUnavailableError

MOST_SECONDS = 600.0
"""How long a driver waits for its record before it gives up."""

_SECONDS_TO_TELL = 2.5
_FIRST_PAUSE = 0.1
_MOST_PAUSE = 1.0

T = TypeVar("T")


def tell_on_stderr(sentence: str) -> None:
    """Write a line where warnings go. Python code may have closed it."""
    if sys.stderr is not None:
        sys.stderr.write(f"sematic: {sentence}\n")
        sys.stderr.flush()


class Patience:
    """Tries again for as long as a record is locked or out of reach.

    Args:
        tell: given one sentence when it takes long, and one when it is over.
        most_seconds: how long to try.
    """

    def __init__(
        self,
        tell: Callable[[str], None] = tell_on_stderr,
        *,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._tell = tell
        self._most_seconds = most_seconds

    def insist(
        self,
        attempt: Callable[[], T],
        *,
        on: type[RecordUnavailableError] = RecordUnavailableError,
    ) -> T:
        """What ``attempt`` returns, the first time that it does not raise ``on``.

        Raises:
            RecordUnavailableError: it was in vain; or whatever else ``attempt`` raises.
        """
        began, told, pauses = time.monotonic(), False, _pauses()
        while True:
            try:
                result = attempt()
            except on as error:
                waited = time.monotonic() - began
                if waited > self._most_seconds:
                    raise self._in_vain(error) from error
                if waited > _SECONDS_TO_TELL and not told:
                    told = True
                    self._tell(f"{error} Waiting for it, for {self._limit} at most.")
                time.sleep(next(pauses))
            else:
                if told:
                    self._tell("The record can be used again.")
                return result

    def _in_vain(self, error: RecordUnavailableError) -> RecordUnavailableError:
        return RecordUnavailableError(f"{error} Waited for it for {self._limit}, in vain.")

    @property
    def _limit(self) -> str:
        seconds = self._most_seconds
        return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _MOST_PAUSE)
