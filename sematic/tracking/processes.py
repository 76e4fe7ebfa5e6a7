"""Which process drives a pipeline run, told so that no other process can be taken for it."""

import os
import socket
from pathlib import Path
from typing import Any


def describe_process(pid: int | None = None) -> dict[str, Any]:
    """Host, process id and start time. A process id alone is used again after a while."""
    pid = os.getpid() if pid is None else pid
    return {"host": socket.gethostname(), "pid": pid, "started": start_time(pid)}


def start_time(pid: int) -> str | None:
    """When a process of this machine started, in an opaque form; ``None`` if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _start_time_from_ps(pid)
    # The name in brackets may hold spaces and brackets: fields are counted from behind it.
    fields = stat.rpartition(b")")[2].split()
    is_zombie = fields[0] == b"Z"  # dead, but its parent has not asked how it ended
    return None if is_zombie else fields[19].decode()


def _start_time_from_ps(pid: int) -> str | None:
    import subprocess  # macOS has no /proc

    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return shown.stdout.strip() or None


def is_alive(process: dict[str, Any]) -> bool | None:
    """Whether a described process still runs; ``None`` if it is on another machine."""
    if process.get("host") != socket.gethostname():
        return None
    started = start_time(process["pid"])
    return started is not None and started == process.get("started")
