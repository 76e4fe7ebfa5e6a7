"""The word to begin: how a driver lets calls begin that are with their workers already.

It is in a file in memory that workers of the same machine open by way of the driver's process: to
say it and to hear it takes microseconds, and nothing of it is left when the driver is gone. Linux
only; elsewhere nothing is submitted ahead.
"""

import os
import secrets
import time
from typing import NamedTuple

NOT_BEGUN = b""
"""What a task returns that has not begun, because it was not to, or not told to in time."""

NOT_HEARD = b"not heard"
"""The same where the driver is not to be heard at all."""

MOST_SECONDS_TO_WAIT = 0.05
"""How long a worker waits for the word: it keeps a processor from others meanwhile."""

_SECONDS_BETWEEN_LOOKS = 0.00005
_SLOTS = 64
_SLOT_BYTES = 8192
# A slot: one byte that tells what is said, eight with the number that it was reserved with, four
# with the length of the call, and that.
_NUMBER_AT, _LENGTH_AT, _PACKED_AT = 1, 9, 13
MOST_BYTES = _SLOT_BYTES - _PACKED_AT
"""Of a call that can be told of like this: inputs of a few kilobytes are part of it."""

_UNDECIDED, _GO, _DROP = b"\0", b"\1", b"\2"


class Place(NamedTuple):
    """Where the words of a driver are to be heard.

    Attributes:
        path: of the file, while the driver lives.
        name: of the file in memory: at that path there may be anything on another machine.
    """

    path: str
    name: str


class Words:
    """What a driver says. Not for several threads at once.

    Raises:
        OSError: there is no space for them.
        AttributeError: not on this operating system.
    """

    def __init__(self) -> None:
        name = f"sematic-{secrets.token_hex(8)}"
        # A file object, so that it is closed even if nobody comes to do so.
        self._opened = open(  # noqa: SIM115
            os.memfd_create(name, os.MFD_CLOEXEC), "r+b", buffering=0
        )
        self._file = self._opened.fileno()
        self.place = Place(f"/proc/{os.getpid()}/fd/{self._file}", name)
        self._free: list[int] = [*range(_SLOTS)]  # numbers; the slot is the rest modulo _SLOTS

    def reserve(self) -> int | None:
        """A number, never given before, for whom nothing is said yet; ``None`` if all are taken."""
        if not self._free:
            return None
        number = self._free.pop()
        self._say(number, _UNDECIDED + number.to_bytes(8, "little"))
        return number

    def go(self, number: int, packed: bytes) -> None:
        """Let who waits with a number execute a call of MOST_BYTES or less."""
        body = len(packed).to_bytes(4, "little") + packed
        os.pwrite(self._file, body, _offset(number) + _LENGTH_AT)
        self._say(number, _GO)

    def drop(self, number: int) -> None:
        """Let who waits with a number end without having begun."""
        self._say(number, _DROP)

    def free(self, number: int) -> None:
        """Nobody waits with a number any more, as far as Ray knows."""
        self._free.append(number + _SLOTS)

    def close(self) -> None:
        """Let everybody end who still waits."""
        for number in range(_SLOTS):  # one for each slot
            self._say(number, _DROP)
        self._opened.close()

    def _say(self, number: int, word: bytes) -> None:
        os.pwrite(self._file, word, _offset(number))


def _offset(number: int) -> int:
    return number % _SLOTS * _SLOT_BYTES


def hear(place: Place, number: int) -> bytes:
    """Wait for the word of the driver, in a worker; the call to execute.

    Returns:
        The packed call, or NOT_BEGUN or NOT_HEARD.
    """
    try:
        if place.name not in os.readlink(place.path):
            return NOT_HEARD
        file = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return NOT_HEARD
    try:
        if place.name not in os.readlink(f"/proc/self/fd/{file}"):
            return NOT_HEARD  # it was closed just then, and what is there now is another file
        return _wait(file, number)
    finally:
        os.close(file)


def _wait(file: int, number: int) -> bytes:
    offset = _offset(number)
    until = time.monotonic() + MOST_SECONDS_TO_WAIT
    while (word := os.pread(file, 1, offset)) == _UNDECIDED:
        if time.monotonic() > until:
            return NOT_BEGUN
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if word != _GO:
        return NOT_BEGUN
    length = int.from_bytes(os.pread(file, 4, offset + _LENGTH_AT), "little")
    packed = os.pread(file, length, offset + _PACKED_AT)
    # Ray may take a worker for dead that is not yet: by now the slot may be another one's.
    whose = int.from_bytes(os.pread(file, 8, offset + _NUMBER_AT), "little")
    return packed if whose == number else NOT_BEGUN
