"""Who shuts Ray down waits for the calls to it, and who calls it for its end."""

import os
import threading
import types
from typing import Any

import pytest

from sematic.ray_backend.calls_to_ray import CallsToRay, calls_to_ray

WAIT = 60.0


def build_ray(disconnect: Any) -> Any:
    worker = types.SimpleNamespace(disconnect=disconnect)
    private = types.SimpleNamespace(worker=worker)
    return types.SimpleNamespace(_private=private, shutdown=lambda: worker.disconnect())


def test_shutting_down_waits_for_a_call_to_end() -> None:
    calls, begun = CallsToRay(), threading.Event()
    ray = build_ray(begun.set)
    calls.guard(ray)
    with calls:
        thread = threading.Thread(target=lambda: ray._private.worker.disconnect())
        thread.start()
        assert not begun.wait(0.1)
    assert begun.wait(WAIT)
    thread.join(WAIT)


def test_a_call_waits_for_the_end_of_shutting_down() -> None:
    calls, begun, may_end, called = (CallsToRay(), *(threading.Event() for _ in range(3)))

    def disconnect() -> None:
        begun.set()
        may_end.wait(WAIT)

    def call() -> None:
        with calls:
            called.set()

    ray = build_ray(disconnect)
    calls.guard(ray)
    threads = [threading.Thread(target=lambda: ray._private.worker.disconnect())]
    threads[0].start()
    assert begun.wait(WAIT)
    threads.append(threading.Thread(target=call))
    threads[1].start()
    assert not called.wait(0.1)
    may_end.set()
    assert called.wait(WAIT)
    for thread in threads:
        thread.join(WAIT)


def test_a_shutdown_that_fails_holds_nobody_up() -> None:
    def disconnect() -> None:
        raise KeyboardInterrupt

    calls, ray = CallsToRay(), build_ray(disconnect)
    calls.guard(ray)
    with pytest.raises(KeyboardInterrupt):
        ray._private.worker.disconnect()
    with calls:
        pass


def test_ray_is_left_as_it_was_by_the_last_one() -> None:
    original = lambda: None  # noqa: E731
    calls, ray = CallsToRay(), build_ray(original)
    calls.guard(ray)
    calls.guard(ray)
    calls.unguard(ray)
    assert ray._private.worker.disconnect is not original
    calls.unguard(ray)
    assert ray._private.worker.disconnect is original


def test_a_child_does_not_wait_for_the_calls_of_its_parent() -> None:
    began = threading.Event()
    ray = build_ray(began.set)
    calls_to_ray.guard(ray)
    try:
        with calls_to_ray:
            pid = os.fork()
            if pid == 0:
                thread = threading.Thread(target=lambda: ray._private.worker.disconnect())
                thread.daemon = True
                thread.start()
                os._exit(0 if began.wait(WAIT) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        calls_to_ray.unguard(ray)
