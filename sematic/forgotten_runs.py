"""Calls in a script whose futures no runner is given: nothing happens, and the script says why.

Python does the same for coroutines that nobody awaits.
"""

import atexit
import os
import sys

from sematic.future import Future

_called: str | None = None
_pid = 0
_began = False


def note_call(future: Future) -> None:
    """Remember the first call that a script makes outside of every function of a pipeline."""
    global _called, _pid
    if _called is None and future.function.__module__ == "__main__":
        _called, _pid = future.function.__name__, os.getpid()
        atexit.register(_tell)


def note_run() -> None:
    """Take notice that a pipeline is run, or that it was told already that none is."""
    global _began  # noqa: PLW0603 - the process has one end
    _began = True


def _tell() -> None:
    if _began or os.getpid() != _pid:
        return
    # Whoever has seen a traceback has another problem; in a console the next line may run it.
    if hasattr(sys, "last_value") or hasattr(sys, "ps1") or sys.stderr is None:
        return
    sys.stderr.write(
        f"{_called}(...) was called, and its future given to no runner, so nothing was executed. "
        f"Write sematic.LocalRunner().run({_called}(...)).\n"
    )
