"""Which call is executing: ``sematic.context()`` and what the package itself keeps of it."""

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from sematic.errors import NotInSematicFuncError
from sematic.forgotten_runs import note_call
from sematic.future import Future, know_calls
from sematic.snapshots import Snapshots

RUN_ID = "SEMATIC_RUN_ID"
ROOT_ID = "SEMATIC_ROOT_ID"
"""The ids of the executing call, in the environment of processes that it starts."""
FORK_MARK = "sematic-run:"
"""With root id and run id behind it, the name of a mapping in processes that were only forked."""


@dataclass(frozen=True, slots=True)
class SematicContext:
    """Which run is being executed.

    Attributes:
        run_id: the id of the future whose function is executing; the same in every attempt.
        root_id: the id of the root future of the pipeline run; ``run_id`` in the root itself.
    """

    run_id: str
    root_id: str


@dataclass(slots=True, eq=False)
class ExecutingCall:
    """A call while its function executes, and the futures that it has made so far.

    Attributes:
        attempt: 1 for the first execution, 0 before it.
        created_futures: made by the thread that executes it.
        stray_futures: made meanwhile by threads of which it is not known what they work for.
        thread_id: of the thread that executes it, or lets it execute.
        snapshots: of the arguments of the calls that it makes.
    """

    context: SematicContext
    attempt: int = 1
    created_futures: list[Future] = field(default_factory=list)
    stray_futures: list[Future] = field(default_factory=list)
    thread_id: int = field(default_factory=threading.get_ident)
    snapshots: Snapshots = field(default_factory=Snapshots)


_current: ContextVar[ExecutingCall | None] = ContextVar("sematic_executing_call", default=None)
_executing: list[ExecutingCall] = []
_lock = threading.Lock()


@contextmanager
def executing(context: SematicContext, attempt: int = 1) -> Iterator[ExecutingCall]:
    """Mark the calling thread as executing the call that ``context`` names."""
    call = ExecutingCall(context, attempt)
    token = _current.set(call)
    with _lock:
        _executing.append(call)
        _show_child_processes()
    try:
        yield call
    finally:
        with _lock:
            _executing.remove(call)
            _show_child_processes()
        _current.reset(token)


@contextmanager
def evaluating(context: SematicContext, attempt: int, *, thread_id: int) -> Iterator[ExecutingCall]:
    """Mark the calling thread, and it alone, as putting a call's inputs or its output together.

    Another call may execute meanwhile: unlike :func:`executing` it leaves no doubt that threads of
    nobody, and child processes that are not forked, work for that one.

    Args:
        context: names the call.
        attempt: the latest one; 0 before the first.
        thread_id: of the thread that runs the pipeline.
    """
    call = ExecutingCall(context, attempt, thread_id=thread_id)
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


def executing_call() -> ExecutingCall | None:
    """The call that this thread executes, or ``None``.

    A thread that user code starts does not inherit context variables, so it is ``None`` there.
    """
    return _current.get()


def likely_call() -> ExecutingCall | None:
    """As :func:`executing_call`, but never at a loss in threads that user code started.

    A thread that executes nothing itself is taken to work for the only call that executes in this
    process, if there is just one. It may be a stranger to it, so nothing may depend on this.
    """
    call = _current.get()
    if call is not None:
        return call
    only = _executing[:]
    return only[0] if len(only) == 1 else None


def executes_here(root_id: str | None = None) -> bool:
    """Whether a function of a pipeline run, or of any, executes in this process; in any thread."""
    return any(root_id in (None, call.context.root_id) for call in _executing[:])


def note_created(future: Future) -> None:
    """Remember which call made ``future``, or which ones may have made it."""
    call = _current.get()
    if call is not None:
        call.created_futures.append(future)
        return
    if not _executing:
        note_call(future)
    for call in _executing[:]:
        call.stray_futures.append(future)


def _take_snapshot(value: object) -> object:
    call = _current.get()
    return (Snapshots() if call is None else call.snapshots).take(value)


know_calls(keep=_take_snapshot, is_executing=lambda: likely_call() is not None)


def take_snapshots(arguments: dict[str, object]) -> dict[str, object]:
    """The arguments of a call as they are now: no later change to them reaches it."""
    call = _current.get()
    snapshots = Snapshots() if call is None else call.snapshots
    return {name: snapshots.take(value) for name, value in arguments.items()}


def context() -> SematicContext:
    """The ids of the run that is being executed, and of its pipeline run.

    Works in the function itself, in threads that it starts and in its child processes.

    Raises:
        NotInSematicFuncError: no Sematic function is executing here.
    """
    call = likely_call()
    if call is not None:
        return call.context
    run_id, root_id = os.environ.get(RUN_ID), os.environ.get(ROOT_ID)
    if run_id and root_id and not _executing and os.getpid() != _owner_pid:
        return SematicContext(run_id=run_id, root_id=root_id)
    raise NotInSematicFuncError(
        "context() must be called from within the execution of a Sematic function, in the root "
        "process that function was invoked from, a thread of it or a child process."
    )


_owner_pid: int | None = None
_inherited: dict[str, str] = {}


def _show_child_processes() -> None:
    """Leave the ids in the environment while just one call executes in this process."""
    global _owner_pid, _inherited  # noqa: PLW0603 - the environment that it guards is as global
    if len(_executing) == 1:
        if _owner_pid is None:  # this process itself may have been started by a function
            _inherited = {n: os.environ[n] for n in (RUN_ID, ROOT_ID) if n in os.environ}
        _owner_pid = os.getpid()
        os.environ[RUN_ID] = _executing[0].context.run_id
        os.environ[ROOT_ID] = _executing[0].context.root_id
    else:
        for name in (RUN_ID, ROOT_ID):
            os.environ.pop(name, None)
        os.environ.update(_inherited)


def _mark_fork() -> None:
    """Let a forked child be known from outside, where its environment cannot be changed any more.

    Its own children inherit the mapping as long as they are forked; others have the environment.
    """
    call = likely_call()
    if call is None or not hasattr(os, "memfd_create"):  # Linux has it
        return
    context = call.context
    with suppress(OSError, ValueError):  # a mark is no reason to fail
        descriptor = os.memfd_create(f"{FORK_MARK}{context.root_id}:{context.run_id}")
        try:
            os.ftruncate(descriptor, 1)
            _fork_marks.append(mmap.mmap(descriptor, 1))
        finally:
            os.close(descriptor)


_fork_marks: list[mmap.mmap] = []
os.register_at_fork(after_in_child=_mark_fork)
