"""Runner: what every runner is, and what running any future takes."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sematic.code_imports import refuse_while_importing
from sematic.errors import CancellationError, FutureUseError, NestedRunError
from sematic.forgotten_runs import note_run
from sematic.function import Function
from sematic.future import AbstractFuture, Future
from sematic.heartbeat import lease_clock
from sematic.ports import Clock
from sematic.run_context import executing_call
from sematic.states import RunState
from sematic.stop_signals import end_in_one_line


class Runner(ABC):
    """Runs pipelines. A subclass says where: it implements :meth:`run`."""

    @abstractmethod
    def run(self, future: AbstractFuture) -> Any:
        """Run the graph that ``future`` is the root of and return its value.

        Args:
            future: what calling a ``@sematic.func`` returned.

        Raises:
            PipelineRunError: a function failed; the cause is the user's own exception.
            CancellationError: the pipeline run was cancelled.
        """


def run_future(future: AbstractFuture, execute: Callable[[Future], Any]) -> Any:
    """Run a root future once: the second time its stored value is returned.

    Args:
        future: the root of a pipeline.
        execute: runs it and returns its value.

    Raises:
        NestedRunError: called inside of a running Sematic function.
        FutureUseError: ``future`` is not the root of a pipeline, is running now, or was run and
            failed.
    """
    note_run()
    refuse_while_importing()
    root = _checked_root(future)
    if not _claim(root):
        return root.value
    try:
        value = execute(root)
    except BaseException as error:
        root.state = RunState.FAILED
        if isinstance(error, CancellationError | KeyboardInterrupt):
            end_in_one_line()
        raise
    root.value, root.state = value, RunState.RESOLVED
    return value


def count_runs() -> int:
    """How many pipelines this process has begun to run."""
    return _runs


_claiming = threading.Lock()
_runs = 0


def _claim(root: Future) -> bool:
    """Whether the caller is to run a future; if not, it has its value. One caller gets to run it.

    Raises:
        FutureUseError: it is running now, or was run and failed.
    """
    global _runs  # noqa: PLW0603 - as many as the process has
    with _claiming:
        match root.state:
            case RunState.CREATED:
                root.state = RunState.SCHEDULED
                _runs += 1
                return True
            case RunState.RESOLVED:
                return False
            case RunState.SCHEDULED:
                what = "is running: another call of runner.run(...) was given it"
            case _:
                what = "was run before and did not succeed"
    raise FutureUseError(
        f"{root!r} {what}. Call {root.function.__name__}(...) again and run the new future."
    )


def _checked_root(future: AbstractFuture) -> Future:
    if executing_call() is not None:
        raise NestedRunError(
            "You have called runner.run(...) within a Sematic func. Usually people do this when "
            "they want the value of a future: return the future instead, or pass it to another "
            "@sematic.func, which is given the value."
        )
    if isinstance(future, Future):
        return future
    if isinstance(future, AbstractFuture):
        raise FutureUseError(
            f"{future!r} is a part of a pipeline, not its root. Return it from a @sematic.func "
            "and run that one."
        )
    if isinstance(future, Function):
        raise FutureUseError(
            "runner.run(...) needs a future, but got a function itself. Call it: "
            f"runner.run({future.__name__}(...))."
        )
    raise FutureUseError(
        f"runner.run(...) needs a future, but got {future!r}. Call a function that is decorated "
        "with @sematic.func to get one: runner.run(pipeline(...))."
    )


def system_clock() -> float:
    """Seconds since the epoch, UTC."""
    return time.time()


def steady_clock() -> Clock:
    """A clock for one driver: it begins with the system's time and is never set back or forward.

    Time limits and pauses would be wrong by as much as somebody sets the system's clock; and all
    that is recorded later, by as long as the machine sleeps, if it did not count on meanwhile.
    """
    offset = time.time() - lease_clock()
    return lambda: offset + lease_clock()
