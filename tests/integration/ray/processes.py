"""Processes of this machine, by the psutil that comes with Ray."""

import time
from typing import Any

from tests.living import is_alive


def psutil() -> Any:
    import psutil  # type: ignore[import-untyped]
    import ray  # noqa: F401  psutil can be imported from then on

    return psutil


def wait_until_gone(pids: list[int], seconds: float = 20.0) -> None:
    """Raises AssertionError if one of these processes is still there after some time."""
    deadline = time.monotonic() + seconds
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"still alive: {alive}"
        time.sleep(0.05)


def children() -> list[Any]:
    """Processes that this one has started, and theirs."""
    return children_of(None)


def children_of(pid: int | None) -> list[Any]:
    """Processes that a process has started, and theirs."""
    return list(psutil().Process(pid).children(recursive=True))
