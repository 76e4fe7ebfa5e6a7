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
_HEAD_BYTES = 5  # one that tells what is said, and four for the length of the call
MOST_BYTES = _SLOT_BYTES - _HEAD_BYTES
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
        self._free: list[int] = [*range(_SLOTS)]

    def reserve(self) -> int | None:
        """The number of a slot in which nothing is said yet, ``None`` if all are taken."""
        if not self._free:
            return None
        slot = self._free.pop()
        self._say(slot, _UNDECIDED)
        return slot

    def go(self, slot: int, packed: bytes) -> None:
        """Let who waits at a slot execute a call of MOST_BYTES or less."""
        body = len(packed).to_bytes(_HEAD_BYTES - 1, "little") + packed
        os.pwrite(self._file, body, slot * _SLOT_BYTES + 1)
        self._say(slot, _GO)

    def drop(self, slot: int) -> None:
        """Let who waits at a slot end without having begun."""
        self._say(slot, _DROP)

    def free(self, slot: int) -> None:
        """Nobody waits at a slot any more."""
        self._free.append(slot)

    def close(self) -> None:
        """Let everybody end who still waits."""
        for slot in range(_SLOTS):
            self._say(slot, _DROP)
        self._opened.close()

    def _say(self, slot: int, word: bytes) -> None:
        os.pwrite(self._file, word, slot * _SLOT_BYTES)


def hear(place: Place, slot: int) -> bytes:
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
        return _wait(file, slot * _SLOT_BYTES)
    finally:
        os.close(file)


def _wait(file: int, offset: int) -> bytes:
    until = time.monotonic() + MOST_SECONDS_TO_WAIT
    while (word := os.pread(file, 1, offset)) == _UNDECIDED:
        if time.monotonic() > until:
            return NOT_BEGUN
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if word != _GO:
        return NOT_BEGUN
    length = int.from_bytes(os.pread(file, _HEAD_BYTES - 1, offset + 1), "little")
    return os.pread(file, length, offset + _HEAD_BYTES)
