"""Which call is executing: ``sematic.context()`` and what the package itself keeps of it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from sematic.errors import NotInSematicFuncError
from sematic.future import Future

_RUN_ID = "SEMATIC_RUN_ID"
_ROOT_ID = "SEMATIC_ROOT_ID"


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
        attempt: 1 for the first execution.
        created_futures: made by the thread that executes it.
        stray_futures: made meanwhile by threads of which it is not known what they work for.
        thread_id: of the thread that executes it.
    """

    context: SematicContext
    attempt: int = 1
    created_futures: list[Future] = field(default_factory=list)
    stray_futures: list[Future] = field(default_factory=list)
    thread_id: int = field(default_factory=threading.get_ident)


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


def note_created(future: Future) -> None:
    """Remember which call made ``future``, or which ones may have made it."""
    call = _current.get()
    if call is not None:
        call.created_futures.append(future)
        return
    for call in _executing[:]:
        call.stray_futures.append(future)


def context() -> SematicContext:
    """The ids of the run that is being executed, and of its pipeline run.

    Works in the function itself, in threads that it starts and in its child processes.

    Raises:
        NotInSematicFuncError: no Sematic function is executing here.
    """
    call = likely_call()
    if call is not None:
        return call.context
    run_id, root_id = os.environ.get(_RUN_ID), os.environ.get(_ROOT_ID)
    if run_id and root_id and not _executing and os.getpid() != _owner_pid:
        return SematicContext(run_id=run_id, root_id=root_id)
    raise NotInSematicFuncError(
        "context() must be called from within the execution of a Sematic function, in the root "
        "process that function was invoked from, a thread of it or a child process."
    )


_owner_pid: int | None = None


def _show_child_processes() -> None:
    """Leave the ids in the environment while just one call executes in this process."""
    global _owner_pid  # noqa: PLW0603 - the environment that it guards is as global
    if len(_executing) == 1:
        _owner_pid = os.getpid()
        os.environ[_RUN_ID] = _executing[0].context.run_id
        os.environ[_ROOT_ID] = _executing[0].context.root_id
    else:
        os.environ.pop(_RUN_ID, None)
        os.environ.pop(_ROOT_ID, None)
