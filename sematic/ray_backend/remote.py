"""What runs in a Ray worker."""

import os
import pickle
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from sematic.calls import Failed, Outcome
from sematic.child_marks import mark_children
from sematic.error_records import build_error_record
from sematic.execution import execute_call
from sematic.ports import ArtifactStore
from sematic.processes import working_directory
from sematic.ray_backend.forked_workers import note_sockets
from sematic.ray_backend.go_ahead import NOT_BEGUN, NOT_HEARD, Place, hear
from sematic.ray_backend.taking_over import check_permit
from sematic.ray_backend.waking import listen
from sematic.ray_backend.worker_log import WorkerLog
from sematic.shipping import pack_outcome, unpack_call
from sematic.types.names import main_module_name, set_main_module_name


def build_context(store: ArtifactStore, permit: Path | None, words: Place | None) -> bytes:
    """What the workers of a pipeline run have in common with its driver, as bytes."""
    directory = working_directory()
    known = directory is not None
    paths = [os.path.abspath(path) for path in sys.path if known or os.path.isabs(path)]
    path = None if permit is None else str(permit)
    return pickle.dumps((store, main_module_name(), paths, directory, path, words))


def build_message(packed: bytes | int, function: bytes, context: bytes) -> bytes:
    """The argument of :func:`execute_remotely`. One, since each costs Ray as much as the call does.

    Args:
        packed: a call, see :mod:`sematic.shipping`; or the number with which the worker
            hears which one it is, see :mod:`sematic.ray_backend.go_ahead`.
        function: its function; empty if it travels as a Ray object.
        context: from :func:`build_context`; the same bytes for every call of a pipeline run.
    """
    return pickle.dumps((packed, function, context), pickle.HIGHEST_PROTOCOL)


def execute_remotely(message: bytes, function_ref: list[Any] | None = None) -> bytes:
    """Execute one call in a worker process.

    Args:
        message: from :func:`build_message`.
        function_ref: the reference of the Ray object that is the function, in a list, so that it
            is fetched only where it is needed.

    Returns:
        The outcome, packed; or NOT_BEGUN or NOT_HEARD. It never raises for what user code does.
    """
    note_sockets()
    _mark_children()
    listen(_log.note_interrupt)
    started_at = time.time()
    try:
        packed, function, context = pickle.loads(message)
        store, permit, words = _enter_context(context)
        if isinstance(packed, int):
            packed = NOT_HEARD if words is None else hear(words, packed)
            if packed in (NOT_BEGUN, NOT_HEARD):
                return packed
            started_at = time.time()
        if function_ref is not None:
            function = _fetch(function_ref)
        outcome = _execute(packed, function, store, permit)
    except Exception as error:  # noqa: BLE001
        # A module that is missing here, above all.
        outcome = Failed(build_error_record(error, pickled=True))
    ended_at = time.time()
    failure = None if _log.failure is None else str(_log.failure)
    try:
        return pack_outcome(outcome, started_at, ended_at, log_failure=failure)
    except Exception as error:  # noqa: BLE001
        # A closure among the returned calls that cannot be pickled.
        failed = Failed(build_error_record(error, pickled=True))
        return pack_outcome(failed, started_at, ended_at)


def _execute(packed: bytes, function: bytes, store: ArtifactStore, permit: str | None) -> Outcome:
    call, inputs, log_path = unpack_call(packed, function)
    with _log.capture(log_path), _no_terminal():
        check_permit(permit)
        outcome = execute_call(call, inputs, store=store, remote=True)
    if isinstance(outcome, Failed):
        return Failed(outcome.error)  # the exception itself stays here, its record travels
    return outcome


_mark_children = cache(mark_children)  # a worker has nothing else to do: once is enough
_log = WorkerLog()
_contexts: dict[bytes, tuple[ArtifactStore, str | None, str | None, Place | None]] = {}


def _enter_context(context: bytes) -> tuple[ArtifactStore, str | None, Place | None]:
    """Make this process see modules and files as the driver does.

    Returns the store, the permit and where the driver is heard.
    """
    if context not in _contexts:
        _contexts.clear()  # a worker serves one pipeline run after the other
        store, main_name, paths, directory, permit, words = pickle.loads(context)
        set_main_module_name(main_name)
        known = [path for path in paths if os.path.exists(path)]
        sys.path[:] = [*known, *(path for path in sys.path if path not in known)]
        _contexts[context] = (store, directory, permit, words)
    store, directory, permit, words = _contexts[context]
    if directory is not None:
        with suppress(OSError):  # on another machine there may be none of this name
            os.chdir(directory)
    return store, permit, words


_fetched: dict[str, bytes] = {}


def _fetch(function_ref: list[Any]) -> bytes:
    """A packed function that travels as a Ray object; it is fetched once."""
    import ray

    (ref,) = function_ref
    key: str = ref.hex()
    if key not in _fetched:
        code: Any = ray.get(ref)
        _fetched[key] = code
    return _fetched[key]


class _NoTerminal:
    """Stands in for stdin, which is at its end here: says what to do instead."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.__stdin__, name)

    def readline(self, *_: Any) -> str:
        raise EOFError(_NO_TERMINAL.format("input()"))


_NO_TERMINAL = (
    "{} does not work in a standalone function: it runs in a process of its own, without a "
    "terminal. Make the call inline to use it: function(...).set(standalone=False)."
)


def _refuse_breakpoint(*_: Any, **__: Any) -> None:
    raise RuntimeError(_NO_TERMINAL.format("breakpoint()"))


@contextmanager
def _no_terminal() -> Iterator[None]:
    """Let input() and breakpoint() fail at once; Ray would wait for a debugger to connect.

    Not where the user has set ``RAY_DEBUG``: then Ray's debugger is what they want.
    """
    if "RAY_DEBUG" in os.environ:
        yield
        return
    stdin, hook = sys.stdin, sys.breakpointhook
    sys.stdin, sys.breakpointhook = _NoTerminal(), _refuse_breakpoint
    try:
        yield
    finally:
        sys.stdin, sys.breakpointhook = stdin, hook
