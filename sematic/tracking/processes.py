"""Which process drives a pipeline run, told so that no other process can be taken for it."""

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


def describe_process(pid: int | None = None) -> dict[str, Any]:
    """Where a process of this machine is, and when it started.

    A process id alone is used again after a while; start times are counted from the start of the
    machine; and each container counts processes of its own.
    """
    pid = os.getpid() if pid is None else pid
    return {
        "host": socket.gethostname(),
        "machine": _read_line("/etc/machine-id"),
        "boot": _boot_id(),
        "pid_namespace": _pid_namespace(),
        "pid": pid,
        "started": start_time(pid),
    }


def start_time(pid: int) -> str | None:
    """When a process of this machine started, in an opaque form; ``None`` if there is none."""
    fields = _read_stat(pid)
    if fields is None:
        return _ask_ps(pid, "lstart")
    is_zombie = fields[0] == "Z"  # dead, but its parent has not asked how it ended
    return None if is_zombie else fields[19]


def _read_stat(pid: int) -> list[str] | None:
    """What Linux tells of a process, from its state on; ``None`` where it tells nothing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in brackets may hold spaces and brackets: fields are counted from behind it.
    return stat.rpartition(b")")[2].decode().split()


def _ask_ps(pid: int, field: str) -> str | None:
    import subprocess  # macOS has no /proc

    command = ["ps", "-o", f"{field}=", "-p", str(pid)]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return shown.stdout.strip() or None


def is_alive(process: dict[str, Any]) -> bool | None:
    """Whether a described process still runs; ``None`` if that cannot be told from here.

    It cannot where it is on another machine, or in another container: process ids mean nothing
    there. Descriptions of older versions lack some of the facts, which count as equal then.
    """
    if process.get("host") != socket.gethostname():
        return None
    if _differ(process.get("pid_namespace"), _pid_namespace()):
        return None
    if _differ(process.get("boot"), _boot_id()):  # restarted, or another machine of the same name
        here = _read_line("/etc/machine-id")
        return False if here and process.get("machine") == here else None
    started = start_time(process["pid"])
    if started is None and _is_hidden(process["pid"]):
        return None
    return started is not None and started == process.get("started")


def has_let_go(process: dict[str, Any]) -> bool:
    """Whether a described process, which is alive, does not go on with what it is described for.

    It is stopped (SIGSTOP), has closed its :class:`Mark`, or has just ended. One that executes C
    code and listens to nobody, or waits for a disk, has not let go.
    """
    pid, mark = process["pid"], process.get("mark")
    fields = _read_stat(pid)
    state = _ask_ps(pid, "state") if fields is None else fields[0]
    if state is not None and state.startswith("T"):
        return True
    try:
        return mark is not None and not _has_open(pid, mark)
    except PermissionError:  # it is somebody else's
        return False
    except (FileNotFoundError, ProcessLookupError):  # it is gone since it was seen alive
        return True


def _has_open(pid: int, mark: str) -> bool:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if file.readlink().name.startswith(f"memfd:{mark} "):
                return True
    return False


class Mark:
    """An empty file without a place, open as long as this process is about something.

    A process may live on when it is not about that any more: a notebook's, a server's. Others find
    the file in /proc; the children of this process have ids of their own, whatever they inherit.

    Args:
        name: short, and no other mark's.

    Attributes:
        name: ``None`` where there are no such files, as on macOS.
    """

    def __init__(self, name: str) -> None:
        self.name: str | None = None
        self._file: int | None = None
        if hasattr(os, "memfd_create"):
            with suppress(OSError):  # too many files are open
                self._file = os.memfd_create(name)
                self.name = name

    def close(self) -> None:
        """This process is not about it any more."""
        if self._file is not None:
            os.close(self._file)
        self._file = None


def was_here(process: dict[str, Any]) -> bool:
    """Whether a described process ran where this one does, so that others can tell of it here."""
    return process.get("host") == socket.gethostname() and not (
        _differ(process.get("pid_namespace"), _pid_namespace())
        or _differ(process.get("boot"), _boot_id())
    )


def _differ(recorded: str | None, here: str | None) -> bool:
    return recorded is not None and here is not None and recorded != here


def _is_hidden(pid: int) -> bool:
    """Whether a process exists that /proc does not show to us: it may be mounted so."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@cache
def _boot_id() -> str | None:
    """What differs each time that the machine starts; ``None`` where there is no /proc."""
    return _read_line("/proc/sys/kernel/random/boot_id")


def _pid_namespace() -> str | None:
    """What differs between containers that count processes apart."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def _read_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
