"""A block of lines below everything else that is written to a terminal.

The cursor stays where output goes on, and the block is drawn below it: clearing the screen from the
cursor on takes it away. So neither a line without an end nor output that comes from elsewhere (a
child process, native code) is overwritten, and a terminal of another size does no harm.
"""

import builtins
import os
import shutil
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

from sematic.output_capture import replaced_stream
from sematic.run_context import executing_call

_CLEAR_BELOW = "\x1b[J"
_CLEAR_LINE = "\x1b[K"
_DOWN = "\x1bD"  # scrolls at the bottom, and keeps the column
_SAVE, _RESTORE = "\x1b7", "\x1b8"

Render = Callable[[int, int], Sequence[str]]
"""Lines for a terminal of so many columns and lines, with colours."""


@contextmanager
def live_terminal(stream: TextIO) -> Iterator["LiveTerminal"]:
    """A terminal to draw on while the block runs; Python's output streams go around the drawing.

    Nothing is drawn while ``input()`` waits, nor from ``breakpoint()`` to the end of the call that
    it is in.

    Args:
        stream: standard error, a terminal.
    """
    terminal = LiveTerminal(stream)
    with ExitStack() as stack:
        stack.callback(terminal.close)
        for name in ("stdout", "stderr"):
            if is_terminal(getattr(sys, name)):
                stack.enter_context(
                    replaced_stream(name, lambda original: _AroundStream(original, terminal))
                )
        stack.enter_context(_around_input(terminal))
        stack.enter_context(_around_breakpoints(terminal))
        yield terminal


class LiveTerminal:
    """Draws a block of lines, and takes it away before anything else is written. Thread-safe.

    Attributes:
        held_by: the run that is being debugged, ``""`` if something else is; else ``None``.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._drawn: Sequence[str] = ()
        self._waiting = 0
        self._closed = False
        self._ends_line = True
        self.held_by: str | None = None
        _terminals.add(self)

    def draw(self, render: Render) -> None:
        """Draw the block anew, unless somebody needs the terminal."""
        if self._closed or self._waiting or self.held_by is not None:
            return
        width, height = shutil.get_terminal_size()
        lines = render(width, height)[: height - 2]
        with self._lock:
            if self._closed or self._waiting or self.held_by is not None or lines == self._drawn:
                return
            space = _DOWN * len(lines) + f"\x1b[{len(lines)}A"
            block = "".join(f"\r\n{line}{_CLEAR_LINE}" for line in lines)
            # A child process may have moved the cursor into what was drawn before.
            self._write(f"{_CLEAR_LINE}{space}{_SAVE}{block}{_CLEAR_BELOW}{_RESTORE}")
            self._drawn = lines

    @property
    def width(self) -> int:
        """How many columns there are to write to; the last one stays free."""
        return shutil.get_terminal_size().columns - 1

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write lines where output goes on, the first one in a line of its own."""
        with self.cleared():
            before = "" if self._ends_line else "\n"
            self._write(before + "".join(f"{line}\n" for line in lines))
            self._ends_line = True

    def break_line(self) -> None:
        """Take it that something unknown has been written in the current line."""
        self._ends_line = False

    def write_through(self, stream: TextIO, text: str) -> int:
        """Write a text to a stream of the same terminal."""
        with self.cleared():
            if text:
                self._ends_line = text.endswith("\n")
            return stream.write(text)

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Nothing is drawn while the block runs; for a moment only."""
        with self._lock:
            self.clear()
            yield

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Nothing is drawn while the block runs, however long."""
        with self._lock:
            self._waiting += 1
            self.clear()
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                self._ends_line = True  # by the Enter key

    def hold(self) -> None:
        """Draw nothing until the call that executes in this thread has ended."""
        with self._lock:
            call = executing_call()
            self.held_by = call.context.run_id if call else ""
            self.clear()

    def release(self) -> None:
        """Draw again."""
        self.held_by = None

    def clear(self) -> None:
        """Take the block away."""
        if self._drawn:
            self._drawn = ()
            self._write(_CLEAR_BELOW)

    def close(self) -> None:
        """Draw no more."""
        with self._lock:
            if not self._closed:
                self.clear()
            self._closed = True

    def forget(self) -> None:
        """In a forked child: the parent draws; its lock may have been taken at that moment."""
        self._lock = threading.RLock()
        self._drawn = ()
        self._closed = True

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


_terminals: "weakref.WeakSet[LiveTerminal]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for terminal in list(_terminals):
        terminal.forget()


os.register_at_fork(after_in_child=_forget_in_child)


class _AroundStream:
    """A text stream that takes the drawing away before it writes; the rest is the original's."""

    def __init__(self, original: TextIO, terminal: LiveTerminal) -> None:
        self._original = original
        self._terminal = terminal

    def write(self, text: str) -> int:
        return self._terminal.write_through(self._original, text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        with self._terminal.cleared():
            self._original.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __iter__(self) -> Any:
        return iter(self._original)


@contextmanager
def _around_input(terminal: LiveTerminal) -> Iterator[None]:
    original = builtins.input

    def input_(prompt: object = "", /) -> str:
        with terminal.lent():
            return original(prompt)

    builtins.input = input_
    try:
        yield
    finally:
        if builtins.input is input_:
            builtins.input = original


@contextmanager
def _around_breakpoints(terminal: LiveTerminal) -> Iterator[None]:
    original = sys.breakpointhook
    hook: Any = _BreakpointHook(original, terminal)
    sys.breakpointhook = hook
    try:
        yield
    finally:
        if sys.breakpointhook is hook:
            sys.breakpointhook = original


class _BreakpointHook:
    """Takes the drawing away and is the original hook.

    Debuggers stop in the frame that called the hook. A function around it would be that frame; a
    property that gives the original one is not.
    """

    def __init__(self, original: Callable[..., Any], terminal: LiveTerminal) -> None:
        self._original = original
        self._terminal = terminal

    @property
    def __call__(self) -> Callable[..., Any]:
        self._terminal.hold()
        return self._original


def can_draw(stream: Any) -> bool:
    """Whether a block can be drawn on a stream. Notebooks are none, whatever they say."""
    if "ipykernel" in sys.modules or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def can_write(stream: Any, text: str) -> bool:
    """Whether a stream's encoding has all characters of a text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_terminal(stream: Any) -> bool:
    """Whether a stream writes to a terminal; anything may have been put in its place."""
    try:
        return os.isatty(stream.fileno())
    except (AttributeError, OSError, ValueError):  # no file behind it, or closed
        return False
