"""What functions print, kept as the log of their run.

Python's streams are teed, so that terminals, notebooks and debuggers keep working; what children
print is seen to by :mod:`sematic.child_output`. Workers redirect their file descriptors:
:mod:`sematic.ray_backend.worker_log`.
"""

import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from sematic.child_output import catch_up, kept_child_output
from sematic.run_context import likely_call

PathOf = Callable[[str, int], Path]
"""The log file of the run with this id and attempt."""


class LogTee:
    """Copies what the executing call prints to its log; one for both streams.

    Only of calls that the thread executes that made the tee: another thread may run a pipeline of
    its own, whose logs are elsewhere.

    Args:
        path_of: the log file of a run.
    """

    def __init__(self, path_of: PathOf) -> None:
        self._path_of = path_of
        self._thread_id = threading.get_ident()
        self._open_for: tuple[str, int] | None = None
        self._file: BinaryIO | None = None
        self._closed = False
        self._fails_for: tuple[str, int] | None = None
        self._told = False
        # Threads print too. Reentrant: so do signal handlers.
        self._lock = threading.RLock()
        _tees.add(self)

    def write(self, text: str) -> None:
        """Append to the log of the call that this thread works for, if there is one."""
        key = self._find_call()
        if key is None or not text:
            return
        catch_up()  # with what children have printed before
        with self._lock:
            # Closed: somebody kept the stream beyond the pipeline run.
            if self._closed or self._fails_for == key:
                return
            try:
                self._log_of(*key).write(text.encode("utf-8", "backslashreplace"))
            except OSError as error:  # a full disk: no reason for a function to fail
                self._fails_for = key
                self.tell(error)

    def find_log(self) -> Path | None:
        """The log of the call that this thread works for, if there is one."""
        key = self._find_call()
        return None if key is None or self._closed else self._path_of(*key)

    def _find_call(self) -> tuple[str, int] | None:
        call = likely_call()
        if call is None or call.thread_id != self._thread_id:
            return None
        return call.context.run_id, call.attempt

    def close(self) -> None:
        """Close the open log, if there is one. What is written from now on goes nowhere."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()

    def forget(self) -> None:
        """In a forked child: another thread may have been writing at that moment."""
        self._lock = threading.RLock()
        self._file = None  # what the child prints is appended to the same log

    def tell(self, error: OSError) -> None:
        """Say once that logs cannot be written."""
        if not self._told:
            self._told = True
            sys.stderr.write(f"sematic: The logs of functions cannot be written: {error}\n")

    def _log_of(self, run_id: str, attempt: int) -> BinaryIO:
        if self._file is None or (run_id, attempt) != self._open_for:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._file = _open_log(self._path_of(run_id, attempt))
            self._open_for = (run_id, attempt)
        return self._file


_tees: "weakref.WeakSet[LogTee]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for tee in list(_tees):
        tee.forget()


os.register_at_fork(after_in_child=_forget_in_child)


class _TeeStream:
    """A text stream that also writes to a LogTee; everything else is the original's."""

    def __init__(self, original: TextIO, tee: LogTee) -> None:
        self._original = original
        self._tee = tee

    def write(self, text: str) -> int:
        self._tee.write(text)
        return self._original.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __iter__(self) -> Any:
        return iter(self._original)


@contextmanager
def teed_streams(path_of: PathOf) -> Iterator[None]:
    """Copy what calls print to their logs: by Python's streams, by logging, by their children."""
    tee = LogTee(path_of)
    with ExitStack() as stack:
        stack.callback(tee.close)
        stack.enter_context(kept_child_output(tee.find_log, tee.tell))
        for name in ("stdout", "stderr"):
            stack.enter_context(replaced_stream(name, lambda stream: _TeeStream(stream, tee)))
        yield


@contextmanager
def replaced_stream(name: str, wrap: Callable[[TextIO], Any]) -> Iterator[None]:
    """Let what ``wrap`` makes of ``sys.stdout`` or ``sys.stderr`` take its place.

    Logging handlers that hold the stream hold the other one meanwhile.
    """
    original = getattr(sys, name)
    if original is None:  # pythonw, or closed on purpose
        yield
        return
    replacement = wrap(original)
    setattr(sys, name, replacement)
    try:
        with _moved_handlers(original, replacement):
            yield
    finally:
        if getattr(sys, name) is replacement:
            setattr(sys, name, _still_in_use(original))
        else:  # somebody replaced it, and may put it back
            _ended[replacement] = original


# Replacements that are still in place though they have ended, and what they replaced: of two
# pipelines that run at the same time, the first to begin may be the first to end.
_ended: weakref.WeakKeyDictionary[Any, TextIO] = weakref.WeakKeyDictionary()


def _still_in_use(stream: TextIO) -> TextIO:
    """What is to be put back for ``stream``: the stream itself unless it has ended meanwhile."""
    for replacement, original in list(_ended.items()):
        if replacement is stream:
            return _still_in_use(original)
    return stream


@contextmanager
def _moved_handlers(original: TextIO, teed: Any) -> Iterator[None]:
    """Let logging handlers that hold the original stream write to the teed one."""
    moved = [h for h in _stream_handlers() if h.stream is original]
    for handler in moved:
        handler.setStream(teed)
    try:
        yield
    finally:
        for handler in _stream_handlers():
            if handler.stream is teed:
                handler.setStream(original)


def _stream_handlers() -> list[Any]:
    loggers = [logging.root, *logging.Logger.manager.loggerDict.values()]
    handlers = {
        id(handler): handler
        for logger in loggers
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
    }
    return list(handlers.values())


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "ab", buffering=0)
