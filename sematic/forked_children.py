"""Child processes that user code forked: they end where their code does."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from sematic.error_records import trim


@contextmanager
def children_end_here() -> Iterator[None]:
    """Let a child process that was forked in the block end where the block does."""
    process = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != process:
            _end_child(error)
        raise
    if os.getpid() != process:
        _end_child(None)


def _end_child(error: BaseException | None) -> NoReturn:
    """End this process as Python ends a script, but for what belongs to the parent.

    A child has a copy of its parent's whole stack: returning from here, it would become a second
    driver of the same pipeline run. Neither ``atexit`` handlers nor ``finally`` blocks of the
    callers run: what they would tidy up is the parent's.

    Args:
        error: what the child's code raised; ``None`` if it returned.
    """
    code = 1
    with suppress(BaseException):  # a stream that is closed, say: it must end all the same
        code = _exit_code(error)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    """The exit code for an exception, which is printed unless it is an orderly exit."""
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        traceback.print_exception(error.with_traceback(trim(error.__traceback__)))
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1
