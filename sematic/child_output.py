"""What child processes of functions print: shown where it would be, and kept as their run's log.

Descriptors 1 and 2 of this process are left alone, so that debuggers, ``input()``, notebooks and
tests which capture output work as ever. Instead a child that would inherit them is given a pipe,
or a pseudo-terminal where they are a terminal; a thread copies what comes out of it.

Children that :mod:`subprocess` or ``os.system`` starts are seen, whichever library calls these.
"""

import atexit
import functools
import os
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sematic.copied_output import CopiedOutput
from sematic.replacements import Replacements
from sematic.run_context import executing_call

FindLog = Callable[[], Path | None]
"""The log of the call that the calling thread works for, if it is one of ours."""

# The places of Popen's parameters.
_STDOUT, _STDERR = 4, 5


@contextmanager
def kept_child_output(find_log: FindLog, on_error: Callable[[OSError], object]) -> Iterator[None]:
    """Keep what children print that are started while the block runs; also what they print later.

    Args:
        find_log: called in the thread that starts a child.
        on_error: told if a log cannot be written. The output is still shown.
    """
    keeper = (find_log, on_error)
    with _replacements.in_place():
        _keepers.append(keeper)
        try:
            yield
        finally:
            catch_up()
            _keepers.remove(keeper)


def catch_up() -> None:
    """Show and keep all that children have written so far."""
    for output in _open[:]:
        output.catch_up()


_keepers: list[tuple[FindLog, Callable[[OSError], object]]] = []
_open: list[CopiedOutput] = []
_of_process: "weakref.WeakKeyDictionary[Any, list[CopiedOutput]]" = weakref.WeakKeyDictionary()


def _find_log() -> tuple[Path, Callable[[OSError], object]] | None:
    """The log for a child of the calling thread, and who is told if it cannot be written."""
    ours = threading.current_thread().name.startswith("sematic-")
    if ours and executing_call() is None:  # git, say: what it starts is no function's
        return None
    for find_log, on_error in _keepers[:]:
        if (log := find_log()) is not None:
            return log, on_error
    return None


def _open_output(number: int) -> CopiedOutput | None:
    """What copies the output of a child that would inherit this descriptor."""
    if (found := _find_log()) is None:
        return None
    log, on_error = found
    try:
        output = CopiedOutput(number, log, on_error=on_error, on_end=_open.remove)
    except (OSError, RuntimeError):  # not open, or no more of them: as if we were not here
        return None
    _open.append(output)
    return output


# --- what takes the place of the standard library's ------------------------------------------


@functools.wraps(subprocess.Popen.__init__)
def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    outputs = {}
    if _inherits(args, kwargs, _STDOUT) and (output := _open_output(1)) is not None:
        outputs[_STDOUT] = output
    if _inherits(args, kwargs, _STDERR):
        if _STDOUT in outputs and _is_same_file(1, 2):  # in the order in which it is written
            outputs[_STDERR] = outputs[_STDOUT]
        elif (output := _open_output(2)) is not None:
            outputs[_STDERR] = output
    given = list(args)
    for place, output in outputs.items():
        if place < len(given):
            given[place] = output.end
        else:
            kwargs[_NAMES[place]] = output.end
    opened = list(dict.fromkeys(outputs.values()))
    try:
        _replacements.originals["__init__"](self, *given, **kwargs)
    finally:
        for output in opened:
            output.release_end()
    if opened:
        _of_process[self] = opened


@functools.wraps(subprocess.Popen.wait)
def _wait(self: Any, timeout: float | None = None) -> int:
    code: int = _replacements.originals["wait"](self, timeout)
    _catch_up_with(self)
    return code


@functools.wraps(subprocess.Popen.poll)
def _poll(self: Any) -> int | None:
    code: int | None = _replacements.originals["poll"](self)
    if code is not None:
        _catch_up_with(self)
    return code


@functools.wraps(os.system)
def _system(command: Any) -> int:
    """As ``os.system``, but the caller can be interrupted while it waits."""
    if _find_log() is None:
        return int(_replacements.originals["system"](command))
    with subprocess.Popen(["/bin/sh", "-c", os.fsencode(command)], close_fds=False) as process:
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    return code << 8 if code >= 0 else -code  # as waitpid has it


def _catch_up_with(process: Any) -> None:
    """What a process that has ended wrote is there before anybody goes on."""
    for output in _of_process.get(process, ()):
        output.catch_up()


_system.__module__, _system.__qualname__ = "os", "system"  # where pickle is to look for it

_waiting: tuple[Any, ...] = (_wait, _poll, _system)
WAITING = frozenset(function.__code__ for function in _waiting)
"""The code in which user code waits for a child: as much its own as what it called."""

_NAMES = {_STDOUT: "stdout", _STDERR: "stderr"}


def _inherits(args: tuple[Any, ...], kwargs: dict[str, Any], place: int) -> bool:
    if not _keepers:
        return False
    value = args[place] if place < len(args) else kwargs.get(_NAMES[place])
    return value is None


def _is_same_file(first: int, second: int) -> bool:
    try:
        return os.path.samestat(os.fstat(first), os.fstat(second))
    except OSError:
        return False


_replacements = Replacements(
    (subprocess.Popen, "__init__", _init),
    (subprocess.Popen, "wait", _wait),
    (subprocess.Popen, "poll", _poll),
    (os, "system", _system),
)


# --- the end of this process, and forks ------------------------------------------------------


def _hand_over() -> None:
    for output in _open[:]:
        output.hand_over()


def _forget_in_child() -> None:
    _replacements.renew_lock()
    for output in _open:
        output.forget()
    _open.clear()
    _of_process.clear()


atexit.register(_hand_over)
os.register_at_fork(after_in_child=_forget_in_child)
