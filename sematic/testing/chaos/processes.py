"""The processes of an experiment: those it started, and everything that these started."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process.

    Attributes:
        started: tells it from later processes with the same id.
        parent: id of the process that started it, or of who adopted it.
        command: its command line; Ray's workers tell there what they execute.
        is_stopped: by SIGSTOP.
    """

    pid: int
    started: str
    parent: int
    command: str
    is_stopped: bool = False

    def send(self, number: signal.Signals) -> bool:
        """Send a signal, unless the process is gone."""
        current = _read(self.pid)
        if current is None or current.started != self.started:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False


class Family:
    """Processes and their descendants, those included whose parents have died since.

    Who wants the second must look often: a process is known by its parent when it is first seen.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], None] = {}

    def add(self, pid: int) -> None:
        """Count a process among the ancestors."""
        process = _read(pid)
        if process is not None:
            self._known[pid, process.started] = None

    def look(self) -> list[Process]:
        """Those that live now, in the order in which they were first seen."""
        alive = {process.pid: process for process in _read_all()}
        known = {
            pid
            for pid, started in self._known
            if (process := alive.get(pid)) is not None and process.started == started
        }
        children: dict[int, list[int]] = {}
        for process in alive.values():
            children.setdefault(process.parent, []).append(process.pid)
        waiting = list(known)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in known:
                    known.add(child)
                    waiting.append(child)
        self._known |= {(pid, alive[pid].started): None for pid in sorted(known)}
        return [alive[pid] for pid, at in self._known if pid in known and alive[pid].started == at]

    def find(self, pid: int) -> Process | None:
        """One of them, unless it has ended."""
        process = _read(pid)
        return process if process and (pid, process.started) in self._known else None

    def kill(self) -> None:
        """End all of them at once."""
        for process in self.look():
            process.send(signal.SIGKILL)


def check_platform() -> None:
    """Refuse where processes cannot be told apart.

    Raises:
        RuntimeError: this is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise RuntimeError("sematic.testing.chaos reads /proc: it needs Linux.")


def _read_all() -> Iterator[Process]:
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and (process := _read(int(entry.name))) is not None:
            yield process


def _read(pid: int) -> Process | None:
    """A process that runs; ``None`` for one that is dead, waited for or not."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    # The name in brackets may hold spaces and brackets: fields are counted from behind it.
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in b"ZX":
        return None
    words = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid, fields[19].decode(), int(fields[1]), words, fields[0] == b"T")
