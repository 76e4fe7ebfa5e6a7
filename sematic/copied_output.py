"""CopiedOutput: what comes out of a pipe or a pseudo-terminal, to two places."""

import fcntl
import os
import select
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_CHUNK = 1 << 16
# A pipe holds one chunk, a pseudo-terminal some 17 of 4 KiB. More than that is of later.
_MOST_CHUNKS = 20
# How long somebody waits for another thread that is copying: where it shows, nobody may be reading;
# and on a busy machine it may have to wait itself.
_SECONDS_TO_COPY = 2.0


class CopiedOutput:
    """Copies what processes write to a descriptor of this process, and to a log.

    Attributes:
        end: the descriptor for the processes to write to, until :meth:`release_end`.

    Args:
        number: the descriptor that they would write to otherwise.
        log: made when there is something to write.
        on_error: told once if the log cannot be written.
        on_end: given this object when the last process has closed the other end.

    Raises:
        OSError: the descriptor is not open, or there can be no more of them.
        RuntimeError: there can be no more threads.
    """

    def __init__(
        self,
        number: int,
        log: Path,
        *,
        on_error: Callable[[OSError], object],
        on_end: "Callable[[CopiedOutput], object]",
    ) -> None:
        self._shown = os.dup(number)
        self._size = _terminal_size(self._shown)
        try:
            self._source, self.end = os.pipe() if self._size is None else _open_terminal()
        except OSError:
            os.close(self._shown)
            raise
        os.set_blocking(self._source, False)
        self._is_terminal = self._size is not None
        if self._size is not None:
            fcntl.ioctl(self._source, termios.TIOCSWINSZ, self._size)
        self._log_path = log
        self._log: int | None = None
        self._on_error = on_error
        self._is_kept = self._is_shown = True
        self._on_end = on_end
        self._ended = False
        # Reentrant: signal handlers print, too.
        self._lock = threading.RLock()
        thread = threading.Thread(target=self._work, name="sematic-output", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self.forget()
            self.release_end()
            raise

    def release_end(self) -> None:
        """Leave the other end to the processes that have it by now."""
        os.close(self.end)

    def catch_up(self) -> None:
        """Copy what is there, in the calling thread."""
        if not self._lock.acquire(timeout=_SECONDS_TO_COPY):
            return
        try:
            for _ in range(_MOST_CHUNKS):
                if not self._copy():
                    return
        finally:
            self._lock.release()

    def hand_over(self) -> None:
        """Let another process go on copying: those that write are to outlive this one."""
        self.catch_up()
        if self._ended or not self._lock.acquire(timeout=_SECONDS_TO_COPY):
            return
        try:
            self._ended = True
            os.set_blocking(self._source, True)
            with suppress(OSError):  # there is no tee: they learn that nobody reads any more
                os.posix_spawnp(
                    "tee",
                    ["tee", "-i", "-a", str(self._log_path)],
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, self._source, 0),
                        (os.POSIX_SPAWN_DUP2, self._shown, 1),
                        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    ],
                )
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Let go of this side: in a forked child, for it is the parent that copies."""
        self._ended = True
        for descriptor in (self._source, self._shown, self._log):
            if descriptor is not None:
                os.close(descriptor)

    def _work(self) -> None:
        """Copy until the end. Only this thread closes what it waits for."""
        readable = select.poll()
        readable.register(self._source, select.POLLIN)
        while not self._ended:
            readable.poll()
            with self._lock:
                self._copy()
        self._on_end(self)
        self.forget()

    def _copy(self) -> bool:
        """Copy a chunk; false if there is none now, or never again."""
        if self._ended:
            return False
        try:
            data = os.read(self._source, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # Linux: nobody has the pseudo-terminal open any more
            data = b""
        if not data:
            self._ended = True
            return False
        self._keep(data)
        self._show(data)
        return True

    def _keep(self, data: bytes) -> None:
        if not self._is_kept:
            return
        try:
            if self._log is None:
                self._log_path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self._log = os.open(self._log_path, flags, 0o666)
            _write(self._log, data)
        except OSError as error:  # a full disk: no reason for anything to fail
            self._is_kept = False
            self._on_error(error)

    def _show(self, data: bytes) -> None:
        if not self._is_shown:
            return
        try:
            if self._is_terminal and (size := _terminal_size(self._shown)) != self._size:
                self._size = size
                fcntl.ioctl(self._source, termios.TIOCSWINSZ, size or b"")
            _write(self._shown, data)
        except OSError:  # nobody reads any more
            self._is_shown = False


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody who shares it has made it so
            writable = select.poll()
            writable.register(descriptor, select.POLLOUT)
            writable.poll()


def _open_terminal() -> tuple[int, int]:
    """A pseudo-terminal that changes nothing of what is written: the real one does."""
    source, end = os.openpty()
    attributes: list[Any] = termios.tcgetattr(end)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(end, termios.TCSANOW, attributes)
    return source, end


def _terminal_size(descriptor: int) -> bytes | None:
    """The size of a terminal as the system has it; ``None`` if it is no terminal."""
    if not os.isatty(descriptor):
        return None
    try:
        return fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return bytes(8)
