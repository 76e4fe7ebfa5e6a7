"""Waiting for what happens beside a test."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS = 180.0  # that it takes long is no fault
_PAUSE_SECONDS = 0.005


def wait_until(condition: Callable[[], object], *, seconds: float = _SECONDS) -> None:
    """Return once something is so; an AssertionError says that it was not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:g} seconds"
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def repeated(work: Callable[[], object]) -> Iterator[None]:
    """Do something again and again in a thread while the block runs; what it raises is raised."""
    ended = threading.Event()
    errors: list[BaseException] = []

    def loop() -> None:
        try:
            while not ended.is_set():
                work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if errors:
        raise errors[0]
