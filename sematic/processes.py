"""Processes of this machine, and their end. The home of psutil."""

import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

# How long processes have between SIGTERM and SIGKILL, and after that until they are given up: one
# that waits for a broken disk dies when that answers.
GRACE_SECONDS = 2.0
_SECONDS_TO_DIE = 5.0
_POLL_SECONDS = 0.02
# A fraction of a millisecond, but for a busy machine.
_MOST_SECONDS_BETWEEN_PROGRAMS = 1.0
_RAYS_OWN = os.path.join("ray", "thirdparty_files")


def working_directory() -> str | None:
    """The current directory of this process; ``None`` where somebody has deleted it."""
    try:
        return os.getcwd()
    except OSError:
        return None


def load_psutil() -> Any:
    """The ``psutil`` module: the installed one.

    When Ray is imported it puts one of its own in front of it, which need not fit this Python.
    """
    if "psutil" not in sys.modules:
        with suppress(ImportError):
            _load_installed("psutil")
    import psutil  # the one that is loaded, or Ray's where there is no other

    return psutil


def _load_installed(name: str) -> None:
    places = [place for place in sys.path if not place.endswith(_RAYS_OWN)]
    spec = importlib.machinery.PathFinder.find_spec(name, places)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def own_processes() -> Iterator[Any]:
    """Every process of this user, without this one and those that it descends from."""
    psutil = load_psutil()
    user = os.getuid()
    this = psutil.Process()
    spared = {this.pid, *(parent.pid for parent in this.parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in spared and process.uids().real == user:
                yield process


def read_environment(process: Any) -> Mapping[str, str]:
    """The environment variables that a process was started with, as far as they can be read."""
    with suppress(load_psutil().Error, OSError, ValueError):
        environment: Mapping[str, str] = process.environ()
        if not environment and await_program(process.pid):
            environment = process.environ()
        return environment
    return {}


def await_program(pid: int) -> bool:
    """Wait for a process that is on its way from one program into another.

    For a moment it has neither environment nor arguments, while who has started it goes on already.
    Only on Linux there is something to wait for.

    Args:
        pid: of a process without an environment.

    Returns:
        Whether it executes a program by now: its environment is to be read again.
    """
    deadline = time.monotonic() + _MOST_SECONDS_BETWEEN_PROGRAMS
    try:
        os.readlink(f"/proc/{pid}/exe")  # the kernel's threads, and what has ended, have none
        while not _has_arguments(pid) and time.monotonic() < deadline:
            time.sleep(0.001)
    except OSError:
        return False
    return True


def _has_arguments(pid: int) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return bool(file.read(1))


def end_all(find: Callable[[], list[Any]], *, grace: float = GRACE_SECONDS) -> list[int]:
    """End processes, and those that appear meanwhile, until none is left.

    Args:
        find: those that are there now; called until it finds none.
        grace: seconds between SIGTERM and SIGKILL; 0 for SIGKILL at once.

    Returns:
        The ids of those that do not even end by SIGKILL; the system holds them.
    """
    began = time.monotonic()
    asked: set[Any] = set()
    while found := [process for process in find() if is_alive(process)]:
        passed = time.monotonic() - began
        if passed > grace + _SECONDS_TO_DIE:
            return sorted(process.pid for process in found)
        overdue = passed >= grace
        for process in found:
            if overdue:
                _send(process.kill)
            elif process not in asked:
                asked.add(process)
                _send(process.terminate)
        wait_until_gone(found, _SECONDS_TO_DIE if overdue else grace - passed)
    return []


def wait_until_gone(processes: list[Any], seconds: float) -> None:
    """Return when none is left, or after some time.

    Not by waitpid: how its child has ended is for the code to learn that has started it.
    """
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def is_alive(process: Any) -> bool:
    """Whether a process has not ended; its parent may not have noticed yet."""
    psutil = load_psutil()
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _send(act: Callable[[], None]) -> None:
    with suppress(load_psutil().Error):  # it is gone, or somebody else's by now
        act()
