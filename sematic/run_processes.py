"""The processes that the functions of a pipeline run have started, and their end."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from sematic.processes import (
    GRACE_SECONDS,
    await_program,
    end_all,
    load_psutil,
    own_processes,
    read_environment,
)
from sematic.run_context import FORK_MARK, ROOT_ID, RUN_ID

Mark: TypeAlias = tuple[str, str]
"""Root id and run id."""

_FORKED = re.compile(FORK_MARK.encode() + rb"([^\s:]+):([^\s:]+)")
# Serves all of the process that has started it, and ends with it: multiprocessing's and loky's.
_SHARED = "resource_tracker import main"
_PROC = Path("/proc")


class Attached(Protocol):
    """Processes that functions may have started and without which this one would end: a Ray."""

    def end(self, ids: Collection[str]) -> None:
        """End in its own way what runs, or a pipeline run, of these ids have started."""

    def find_parts(self) -> Collection[int]:
        """The ids of those that may not be ended while this process uses them."""


_attached: list[Attached] = []


def spare(attached: Attached) -> None:
    """End certain processes in their own way only, from now on. Once is enough."""
    if attached not in _attached:
        _attached.append(attached)


def end_processes(
    *,
    run_ids: Collection[str] = (),
    root_id: str | None = None,
    here_only: Callable[[], bool] = lambda: False,
    over: bool = False,
    grace: float = GRACE_SECONDS,
) -> list[int]:
    """End every process of this machine that some runs, or a whole pipeline run, have started.

    Children, their children, those in sessions of their own and daemons; of functions that
    execute inline or standalone. First by SIGTERM, then by SIGKILL. Takes a millisecond or two
    where there is none. Never ended are this process and those that it descends from, processes
    of other users, Ray's own, and what other pipeline runs have started. What a process starts
    while functions of two pipeline runs execute in it at a time is nobody's, unless it is forked.

    Args:
        run_ids: of runs, in whatever attempt.
        root_id: of a pipeline run.
        here_only: whether only children of this process, and theirs: where another driver may
            execute the same runs on this machine. Daemons are nobody's children. Asked before
            each look for more.
        over: whether the calls are over. What this process is attached to, see :func:`spare`, is
            ended too then: a call that executes may be using it.
        grace: seconds between the two signals.

    Returns:
        The ids of processes that cannot be ended.
    """
    ids = frozenset(run_ids) | ({root_id} if root_id else frozenset())
    if not ids or not _may_have_any(ids):
        return []
    if over:
        for attached in _attached:
            attached.end(ids)
    find_here = _children_started_by(ids)

    def find() -> list[Any]:
        found = find_here() if here_only() else _started_by(ids)
        spared = {pid for attached in _attached for pid in attached.find_parts()} if found else ()
        return [process for process in found if process.pid not in spared]

    return end_all(find, grace=grace)


def end_thread_children(thread_id: int) -> list[int]:
    """End the processes that a thread of this process has started, and what they have; on Linux.

    Args:
        thread_id: the system's id of the thread.

    Returns:
        The ids of processes that cannot be ended.
    """
    children = _PROC / "self" / "task" / str(thread_id) / "children"

    def find() -> list[Any]:
        direct = {int(number) for number in _read(str(children)).split()}
        if not direct:
            return []
        processes = list(own_processes())
        found = [process for process in processes if process.pid in direct]
        found += _descendants(direct, processes)
        return [process for process in found if not _is_shared(process)]

    return end_all(find)


def _may_have_any(ids: frozenset[str]) -> bool:
    """Whether a process of this user carries one of these ids. Does without psutil, on Linux."""
    if not (_PROC / "self" / "environ").exists():
        return True
    wanted = [identifier.encode() for identifier in ids]
    return any(
        identifier in text
        for pid in _numbers_in_proc()
        # In this order: one that was forked may execute another program in between.
        for text in (_read_mappings(pid), _read_environment(pid))
        for identifier in wanted
    )


def _numbers_in_proc() -> Iterator[int]:
    user, this = os.getuid(), os.getpid()
    for entry in os.scandir(_PROC):
        with suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != this and entry.stat().st_uid == user:
                yield int(entry.name)


def _started_by(ids: frozenset[str]) -> list[Any]:
    marks = {process: _read_marks(process) for process in own_processes()}
    found = [p for p, its in marks.items() if any(not ids.isdisjoint(mark) for mark in its)]
    # Who has emptied or overwritten its environment is known by its parents.
    strays = [process for process, its in marks.items() if not its]
    found += _descendants({process.pid for process in found}, strays)
    return [process for process in found if not _is_shared(process)]


def _children_started_by(ids: frozenset[str]) -> Callable[[], list[Any]]:
    """What finds those below this process, also when their parents have ended before them."""
    known: set[Any] = set()

    def find() -> list[Any]:
        known.update(_descendants({os.getpid()}, _started_by(ids)))
        return list(known)

    return find


def _read_marks(process: Any) -> set[Mark]:
    forked = _FORKED.findall(_read_mappings(process.pid))  # in this order, see above
    environment = read_environment(process)
    marks = {(root_id.decode(), run_id.decode()) for root_id, run_id in forked}
    root_id, run_id = environment.get(ROOT_ID), environment.get(RUN_ID)
    return marks | {(root_id, run_id)} if root_id and run_id else marks


def _read_mappings(pid: int) -> bytes:
    """What a process has mapped, if it runs Python: others that are forked soon execute another."""
    with suppress(OSError):
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if program.startswith("python") or program == os.path.basename(_own_program()):
            return _read(f"/proc/{pid}/maps")
    return b""


def _read_environment(pid: int) -> bytes:
    path = f"/proc/{pid}/environ"
    text = _read(path)
    return _read(path) if not text and await_program(pid) else text


def _own_program() -> str:
    return os.readlink("/proc/self/exe")


def _read(path: str) -> bytes:
    with suppress(OSError), open(path, "rb") as file:
        return file.read()
    return b""


def _descendants(ancestors: set[int], processes: Iterable[Any]) -> list[Any]:
    parents = {process: _parent(process) for process in processes}
    known = set(ancestors)
    found: list[Any] = []
    while new := [p for p, parent in parents.items() if parent in known and p.pid not in known]:
        found += new
        known |= {process.pid for process in new}
    return found


def _parent(process: Any) -> int | None:
    with suppress(load_psutil().Error):
        parent: int = process.ppid()
        return parent
    return None


def _is_shared(process: Any) -> bool:
    with suppress(load_psutil().Error):
        return any(_SHARED in part for part in process.cmdline())
    return False
