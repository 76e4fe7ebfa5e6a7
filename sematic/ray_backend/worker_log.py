"""The logs of calls in a worker process that executes one after the other.

To make a file for each call, and to delete it where nothing was printed, would cost more than
executing a small call does. So descriptors 1 and 2 lead to one file of the worker, the spool. Once
something is in it, it gets the name of the call's log, and the next call gets another spool.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# How soon the log of a call that is still executing can be read.
_SECONDS_TO_PUBLISH = 0.2
_NAME_BYTES = 64
_INTERRUPTED = b"!"


class WorkerLog:
    """Redirects the output of this process, one call at a time.

    Attributes:
        failure: why output of the last call could not be kept, ``None`` where all of it was.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spool: _Spool | None = None
        self._path: str | None = None  # of the call that executes
        self._busy = threading.Event()
        self.failure: OSError | None = None
        self._watcher: threading.Thread | None = None

    @contextmanager
    def capture(self, path: str) -> Iterator[None]:
        """Redirect file descriptors 1 and 2 to a file while the block runs.

        There is no file if nothing is written. If the process dies, :func:`recover_log` makes one
        of what was written last. Where there is no space for a file, output goes where the
        worker's own goes; where there is none left, what is printed is lost. That is no reason for
        a call to fail.

        Args:
            path: the file; all those of a pipeline run are in one directory.
        """
        self.failure = None
        try:
            spool = self._begin(path)
        except OSError as refusal:
            self._end()
            self._note_failure(refusal)
            _tell(path, refusal)
            with _LenientStreams(self._note_failure):
                yield
            return
        _flush()
        saved = (os.dup(1), os.dup(2))
        try:
            os.dup2(spool.descriptor, 1)
            os.dup2(spool.descriptor, 2)
            with _LenientStreams(self._note_failure):
                yield
        finally:
            self._note_failure(_flush())
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            if self.failure is not None:
                _tell(path, self.failure)
            self._end()

    def _note_failure(self, error: OSError | None) -> None:
        self.failure = self.failure or error

    def note_interrupt(self) -> None:
        """Let :func:`find_worker` tell that the call has been interrupted. From a handler, too."""
        with suppress(OSError):
            if self._path is not None:
                _, notice = _spool_paths(os.path.dirname(self._path), os.getpid())
                with open(notice, "r+b", buffering=0) as file:
                    file.seek(_NAME_BYTES)
                    file.write(_INTERRUPTED)

    def _begin(self, path: str) -> "_Spool":
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="sematic-log", daemon=True)
            self._watcher.start()
        with self._lock:
            directory, name = os.path.split(path)
            if self._spool is None or self._spool.directory != directory:
                self._spool = _Spool(directory)
            self._spool.announce(name)
            self._path = path
            self._busy.set()
            return self._spool

    def _end(self) -> None:
        with self._lock:
            self._publish()
            self._path = None
            if self._spool is not None and _has_children():
                self._spool = None  # they may write later, and not into the log of another call

    def _watch(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(_SECONDS_TO_PUBLISH)
            with self._lock:
                if self._path is None:
                    self._busy.clear()
                else:
                    self._publish()

    def _publish(self) -> None:
        """Make the spool the log of the call, if there is anything in it."""
        if self._path is not None and self._spool is not None and self._spool.size:
            os.rename(self._spool.path, self._path)
            self._spool = None


class _Spool:
    """A file that has no name of its own yet; beside it, one that tells whose log it would be."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.path, notice = _spool_paths(directory, os.getpid())
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            os.unlink(self.path)  # children of an earlier call may have it open still
        self.descriptor = os.open(self.path, flags | os.O_APPEND, 0o600)
        self._notice = os.open(notice, flags, 0o600)

    def __del__(self) -> None:
        os.close(self.descriptor)
        os.close(self._notice)

    def announce(self, name: str) -> None:
        os.pwrite(self._notice, name.encode().ljust(_NAME_BYTES) + b" ", 0)

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size


def recover_log(path: Path) -> None:
    """Give the last output of a call whose process died to its log, if it is not there yet."""
    for notice in path.parent.glob(".*.notice"):
        spool = notice.with_suffix(".spool")
        with suppress(FileNotFoundError):  # published before the process died
            if _read_notice(notice)[0] == path.name and spool.stat().st_size:
                spool.rename(path)


def find_worker(path: Path) -> tuple[int, bool] | None:
    """The process on this machine that executes the call of a log, if there is one.

    Returns:
        Its id, and whether the call has been interrupted.
    """
    for notice in path.parent.glob(".*.notice"):
        with suppress(OSError, ValueError):
            name, interrupted = _read_notice(notice)
            if name == path.name:
                return int(notice.name.split(".")[1]), interrupted
    return None


def _read_notice(notice: Path) -> tuple[str, bool]:
    text = notice.read_bytes()
    return text[:_NAME_BYTES].decode().strip(), text[_NAME_BYTES:] == _INTERRUPTED


def remove_spools(directory: Path) -> None:
    """Delete what is no log, and the directory if there were no logs."""
    with suppress(FileNotFoundError):
        for path in directory.iterdir():
            if path.suffix in (".spool", ".notice"):
                path.unlink()
    with suppress(OSError):  # it is not there, or there are logs in it
        directory.rmdir()


def _spool_paths(directory: str, pid: int) -> tuple[str, str]:
    return f"{directory}/.{pid}.spool", f"{directory}/.{pid}.notice"


def _has_children() -> bool:
    """Whether a child process may still write to what it inherited."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class _LenientStream:
    """A text stream that does not raise where what is written cannot be kept."""

    def __init__(self, original: Any, note: Callable[[OSError], None]) -> None:
        self._original = original
        self._note = note

    def write(self, text: str) -> int:
        try:
            written: int = self._original.write(text)
        except OSError as error:
            self._note(error)
            return len(text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._original.flush()
        except OSError as error:
            self._note(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __iter__(self) -> Any:
        return iter(self._original)


class _LenientStreams:
    """Lets no function fail because of what it prints: Ray's streams write at once."""

    def __init__(self, note: Callable[[OSError], None]) -> None:
        self._note = note
        self._replaced: list[tuple[str, Any, _LenientStream]] = []

    def __enter__(self) -> None:
        for name in ("stdout", "stderr"):
            original = getattr(sys, name)
            if original is not None:
                replacement = _LenientStream(original, self._note)
                self._replaced.append((name, original, replacement))
                setattr(sys, name, replacement)

    def __exit__(self, *_: object) -> None:
        for name, original, replacement in self._replaced:
            if getattr(sys, name) is replacement:  # else it was replaced on purpose
                setattr(sys, name, original)


def _flush() -> OSError | None:
    """Write out what Python still holds; returns what prevents that."""
    error = None
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            try:
                stream.flush()
            except OSError as found:  # a full disk
                error = found
    return error


def _tell(path: str, error: OSError) -> None:
    with suppress(OSError):  # the worker's own log may be on the same disk
        sys.stderr.write(f"The log {path} cannot be written: {error}\n")
    _flush()
