"""Keeps Ray from being shut down in the midst of a call to it: that ends the whole process.

And a call that shuts it down from being interrupted meanwhile: what is left then is no better.
"""

import inspect
import os
import threading
from pathlib import Path
from typing import Any

from sematic.interruption import keep_whole
from sematic.ray_backend.signal_actions import take_back_signals

# A call that takes longer is stuck; who wants to shut Ray down is not held up any more by it.
_PATIENCE_SECONDS = 15.0


class CallsToRay:
    """A context for calls that the threads of this package make to Ray, and for what drops refs.

    In a block ``with calls_to_ray``, a Ray that is up at the beginning is up until the end: code of
    the user's that calls ``ray.shutdown()`` waits meanwhile. Where that is in progress the block
    waits, and then has to look whether Ray is up.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls = 0
        self._shutting_down = False
        self._users = 0
        self._original: Any = None
        self._state: Any = None

    def __enter__(self) -> None:
        with self._changed:
            if self._shutting_down:
                self._changed.wait_for(lambda: not self._shutting_down, _PATIENCE_SECONDS)
            self._calls += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._calls -= 1
            if self._shutting_down:
                self._changed.notify_all()

    def guard(self, ray: Any) -> None:
        """From now on ``ray.shutdown()`` waits. To be taken back by :meth:`unguard`."""
        with self._changed:
            self._users += 1
            worker = ray._private.worker
            if self._users > 1 or not hasattr(worker, "disconnect"):
                return
            keep_whole(inspect.unwrap(ray.shutdown).__code__)
            # What ray.shutdown() begins with, under whatever name it was imported.
            self._original = original = worker.disconnect

            def disconnect(*args: Any, **options: Any) -> Any:
                self._begin_to_shut_down()
                try:
                    return original(*args, **options)
                finally:
                    self._end_to_shut_down()

            worker.disconnect = disconnect
            self._state = _take_back_signals_after(ray)

    def unguard(self, ray: Any) -> None:
        """Leave ``ray`` as it was found, once nobody else needs it to wait."""
        with self._changed:
            self._users -= 1
            if not self._users and self._original is not None:
                ray._private.worker.disconnect = self._original
                self._original = None
                if self._state is not None:
                    vars(self._state).pop("disconnect", None)

    def _begin_to_shut_down(self) -> None:
        with self._changed:
            self._shutting_down = True
            self._changed.wait_for(lambda: not self._calls, _PATIENCE_SECONDS)

    def _end_to_shut_down(self) -> None:
        with self._changed:
            self._shutting_down = False
            self._changed.notify_all()


def _take_back_signals_after(ray: Any) -> Any:
    """Let ``ray.shutdown()`` leave SIGTERM to Python; its C code leaves it at the default.

    Returns:
        What was changed, by an attribute ``disconnect``; ``None`` for a Ray that has no such thing.
    """
    state = getattr(getattr(ray._private, "state", None), "state", None)
    if state is None:
        return None
    package = Path(ray.__file__).parent
    original = state.disconnect

    def disconnect() -> None:  # what comes next when that is done
        take_back_signals(package)
        original()

    state.disconnect = disconnect
    return state


calls_to_ray = CallsToRay()
"""Those of this process: it has one Ray at a time."""


def _reset_in_fork() -> None:
    """The calls of the parent's threads never end here."""
    calls_to_ray._changed = threading.Condition()
    calls_to_ray._calls = 0
    calls_to_ray._shutting_down = False


os.register_at_fork(after_in_child=_reset_in_fork)
