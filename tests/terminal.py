"""A real terminal for tests: a program in a pseudo-terminal, and what its screen shows."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|\x1b([78D])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """Draws what a program writes, as far as it uses what the package uses.

    Args:
        wraps: whether longer lines are broken; else they are an error.
    """

    def __init__(self, columns: int = 80, lines: int = 24, *, wraps: bool = False) -> None:
        self.columns = columns
        self._wraps = wraps
        self.rows = [""] * lines
        self._row = self._column = 0
        self._saved = (0, 0)

    @property
    def lines(self) -> list[str]:
        """What is to be seen, without empty lines at the end."""
        text = "\n".join(row.rstrip() for row in self.rows)
        return text.rstrip("\n").split("\n")

    def feed(self, text: str) -> None:
        """Draw what was written."""
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            assert token, f"unknown sequence: {text[position : position + 20]!r}"
            position = token.end()
            numbers, letter, escape, carriage_return, newline, plain = token.groups()
            if letter:
                self._control(numbers, letter)
            elif escape:
                self._escape(escape)
            elif carriage_return:
                self._column = 0
            elif newline:
                self._down()
            else:
                self._write(plain)

    def _write(self, text: str) -> None:
        room = self.columns - self._column
        if len(text) > room:
            assert self._wraps, f"a line is too long: {self.rows[self._row]}{text}"
            self._write(text[:room])
            self._down()
            self._column = 0
            self._write(text[room:])
            return
        row = self.rows[self._row].ljust(self._column)
        self.rows[self._row] = row[: self._column] + text + row[self._column + len(text) :]
        self._column += len(text)

    def _control(self, numbers: str, letter: str) -> None:
        assert letter in "mAJK", f"unknown control: {numbers}{letter}"
        if letter == "A":
            self._row = max(0, self._row - int(numbers or 1))
        if letter in "JK":
            self.rows[self._row] = self.rows[self._row][: self._column]
        if letter == "J":
            self.rows[self._row + 1 :] = [""] * (len(self.rows) - self._row - 1)

    def _escape(self, letter: str) -> None:
        if letter == "7":
            self._saved = (self._row, self._column)
        elif letter == "8":
            self._row, self._column = self._saved
        else:
            self._down()

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows = [*self.rows[1:], ""]
            self._row -= 1


class Terminal:
    """A Python program that runs in a pseudo-terminal.

    Args:
        program: its source, or the arguments of Python.
        stdout: a file to write standard output to, in place of the terminal.
        wraps: see :class:`Screen`.
    """

    def __init__(
        self,
        program: str | Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        stdout: Path | None = None,
        wraps: bool = False,
    ) -> None:
        self.screen = Screen(columns, lines, wraps=wraps)
        self.written = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        arguments = ["-c", program] if isinstance(program, str) else list(program)
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            environment.pop(name, None)
        output = open(stdout, "wb") if stdout else None  # noqa: SIM115  closed below
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=slave,
            stdout=output or slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        if output:
            output.close()

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Read until the screen shows a text."""
        deadline = time.monotonic() + seconds
        while not any(text in line for line in self.screen.lines):
            assert self._read(deadline), f"{text!r} was never shown:\n{self.written}"

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, f"{line}\n".encode())

    def read_for(self, seconds: float) -> str:
        """What is written in the next seconds."""
        before = len(self.written)
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.written[before:]

    def wait(self, seconds: float = 60) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        code = self.process.wait(max(0, deadline - time.monotonic()))
        os.close(self._master)
        return code

    def _read(self, deadline: float) -> bool:
        """Read something; false at the end of the program or of the time."""
        ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: everybody has closed the other end
            return False
        while data and data[-1] & 0x80 and not _is_whole(data):  # a character in two pieces
            data += os.read(self._master, 1)
        text = data.decode()
        self.written += text
        self.screen.feed(text)
        return bool(data)


def _is_whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
