"""What this process does with signals, which is not to change because Ray is up.

Ray replaces in C what Python has put there for SIGTERM, and what others have for crashes: a SIGTERM
then sets an alarm that aborts the process three seconds later, whatever Python's own handler is
about to end meanwhile. :mod:`signal` sees nothing of that, and puts nothing back in other threads
than the main one; ``sigaction`` of the C library does both.
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

# More than a `struct sigaction` has anywhere. Its first field is the address of the handler.
_BYTES = 256
_libc = ctypes.CDLL(None)
_libc.dladdr.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
# Something in the file that Python's own code is in: libpython or the program itself.
_IN_PYTHON = ctypes.cast(ctypes.pythonapi.PyOS_setsig, ctypes.c_void_p).value or 0


class _Place(ctypes.Structure):
    """``Dl_info``: where an address belongs to."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


class _Action(NamedTuple):
    """What the system does with a signal, as it stands there, and what Python believes."""

    raw: bytes
    handler: Any


@contextmanager
def kept_signal_actions(package: Path) -> Iterator[None]:
    """Take back what the C code of a package has done to signal handlers while the block ran.

    In any thread. What others have changed meanwhile stays.

    Args:
        package: its directory.
    """
    before = _read_all()
    try:
        yield
    finally:
        take_back_signals(package, before)


def take_back_signals(package: Path, before: "dict[int, _Action] | None" = None) -> None:
    """Let signals go to Python's handlers again where the C code of a package has put its own.

    In any thread. The same holds where the default is in their place, which such code leaves. What
    was there without Python's knowledge can be put back only where ``before`` has it. Python's own
    is known by a signal that has it, or had it; where there is none, signals are left as they are.
    """
    before = before or {}
    directory = os.path.realpath(package)
    now = _read_all()
    taken = {number for number, action in now.items() if _is_of(directory, action.raw)}
    unset = {number for number, action in now.items() if _is_unset(action, before.get(number))}
    for number in taken | unset:
        handler, earlier = now[number].handler, before.get(number)
        if earlier and earlier.handler == handler and not _is_of(directory, earlier.raw):
            _write(number, earlier.raw)
        elif callable(handler) and _pythons:
            _write(number, _pythons[0])
    if signal.SIGALRM in taken:  # a signal has come already, and this is how it would abort
        signal.alarm(0)


def _read_all() -> dict[int, _Action]:
    numbers = [int(number) for number in signal.valid_signals()]
    actions = {n: _Action(_read(n), signal.getsignal(n)) for n in numbers}
    if not _pythons:
        _pythons.extend(action.raw for action in actions.values() if _is_of_python(action))
    return actions


# Actions that have Python's handler, from when one was seen first.
_pythons: list[bytes] = []


def _read(number: int) -> bytes:
    action = ctypes.create_string_buffer(_BYTES)
    _libc.sigaction(number, None, action)
    return action.raw


def _write(number: int, raw: bytes) -> None:
    _libc.sigaction(number, ctypes.create_string_buffer(raw, _BYTES), None)


def _is_of(directory: str, raw: bytes) -> bool:
    """Whether the handler of an action is code of a library below a directory."""
    place = _place_of(_handler_of(raw))
    if place is None or not place.file:
        return False
    return os.path.realpath(os.fsdecode(place.file)).startswith(f"{directory}{os.sep}")


def _is_unset(action: _Action, earlier: _Action | None) -> bool:
    """Whether C code has set a signal to the default, and Python knows nothing of that."""
    if _handler_of(action.raw) != int(signal.SIG_DFL):
        return False
    had_one = earlier is not None and _handler_of(earlier.raw) > int(signal.SIG_IGN)
    return callable(action.handler) or had_one


def _is_of_python(action: _Action) -> bool:
    """Whether a signal goes to Python's handler in C, which is the same one for all of them.

    That Python has a handler for it is not enough: another library may have put its own in front.
    """
    place, python = _place_of(_handler_of(action.raw)), _place_of(_IN_PYTHON)
    if place is None or python is None:
        return False
    return callable(action.handler) and place.base == python.base


def _handler_of(raw: bytes) -> int:
    return ctypes.c_void_p.from_buffer_copy(raw).value or 0


def _place_of(address: int) -> _Place | None:
    """Where code belongs to; ``None`` for the default, for "ignore", and where nobody knows."""
    place = _Place()
    if address <= 1 or not _libc.dladdr(address, ctypes.byref(place)):
        return None
    return place
