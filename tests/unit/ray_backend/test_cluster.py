"""Who uses the Ray of this process, with a Ray that does nothing."""

import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.errors import InfrastructureError
from sematic.events import CallEnded, CallLost, Event, StartCall
from sematic.execution import build_root_call
from sematic.ray_backend import cluster
from sematic.ray_backend.cluster import LocalRay
from sematic.ray_backend.executor import RayExecutor
from sematic.testing import FakeClock, MemoryStore


class FakeRay:
    """As much of the ``ray`` module as it takes to start and stop one."""

    def __init__(self) -> None:
        self.worker = types.SimpleNamespace()
        self._private = types.SimpleNamespace(
            worker=types.SimpleNamespace(global_worker=self.worker)
        )
        self.starts = 0
        self.__file__ = __file__

    def is_initialized(self) -> bool:
        return hasattr(self.worker, "core_worker")

    def init(self) -> None:
        self.starts += 1
        self.worker.core_worker = object()

    def shutdown(self) -> None:
        vars(self.worker).clear()

    def get_runtime_context(self) -> Any:
        return types.SimpleNamespace(gcs_address="127.0.0.1:1111")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    fake = FakeRay()

    class Session:
        def __init__(self, *_: object) -> None: ...

        directory = None
        start = staticmethod(fake.init)
        stop = staticmethod(fake.shutdown)

    monkeypatch.setattr(cluster, "_shared", cluster._Shared())
    monkeypatch.setattr(cluster, "_import_ray", lambda: fake)
    monkeypatch.setattr(cluster, "RaySession", Session)
    monkeypatch.setattr(cluster, "_check_reachable", lambda address: None)
    yield fake
    cluster._shared.stop()


def test_entering_twice_is_entering_once(ray: FakeRay) -> None:
    local = LocalRay()
    assert local.enter() is local.enter() is ray
    local.leave()
    assert not ray.is_initialized()
    local.leave()


def test_ray_ends_with_the_last_who_needs_it(ray: FakeRay) -> None:
    first, second = LocalRay(), LocalRay()
    first.enter()
    second.enter()
    assert ray.starts == 1
    first.leave()
    assert ray.is_initialized()
    second.leave()
    assert not ray.is_initialized()


def test_a_ray_that_was_there_is_left(ray: FakeRay) -> None:
    ray.init()
    local = LocalRay()
    local.enter()
    local.leave()
    assert ray.is_initialized()


def test_who_asks_for_another_address_is_refused_and_does_not_count(ray: FakeRay) -> None:
    first = LocalRay()
    first.enter()
    with pytest.raises(InfrastructureError, match=r"uses the Ray at 127\.0\.0\.1:1111 already"):
        LocalRay("10.0.0.1:2222").enter()
    first.leave()
    assert not ray.is_initialized()


def test_a_ray_that_somebody_shut_down_is_noticed_and_started_again(ray: FakeRay) -> None:
    first, second = LocalRay(), LocalRay()
    first.enter()
    second.enter()
    assert first.is_up(ray)
    ray.shutdown()
    assert not first.is_up(ray)
    first.wait_until_gone(ray)
    ray.init()
    assert not first.is_up(ray)  # it is another one
    ray.shutdown()
    first.enter()
    assert first.is_up(ray)
    second.leave()
    assert first.is_up(ray)
    first.leave()
    assert not ray.is_initialized()


@sematic.func(standalone=True)
def number(x: int) -> int:
    return x


def test_whatever_fails_when_ray_is_up_every_call_is_told_and_ray_is_left(
    ray: FakeRay, tmp_path: Path
) -> None:
    def fail(_: object) -> Any:
        raise RuntimeError("no more threads")

    store, reports = MemoryStore(), []
    executor = RayExecutor(
        store,
        ray=LocalRay(),
        clock=FakeClock(),
        log_directory=tmp_path,
        warn=pytest.fail,
        on_ready=fail,
    )

    def report(event: Event) -> None:
        reports.append(event)

    for i in range(3):
        call = build_root_call(number(i), store)
        executor.start(StartCall(call, dict(call.inputs), 1), report)  # type: ignore[arg-type]
    executor.close()
    assert [type(event) for event in reports] == [CallEnded] * 3
    assert not any(isinstance(event, CallLost) for event in reports)
    assert ray.starts == 1
    assert not ray.is_initialized()


_FORKS_MEANWHILE = """
import os, signal, sys, threading, time
from sematic.ray_backend import cluster

cluster._take_back_excepthook = lambda ray: None
threading.Thread(target=cluster._import_ray).start()
while "ray" not in sys.modules:
    time.sleep(0.01)
pid = os.fork()
if not pid:
    signal.alarm(20)
    import ray
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0, "it waits for an import that nobody completes"
"""


def test_a_child_that_is_forked_while_ray_is_imported_can_import_it_too(tmp_path: Path) -> None:
    # Longer than a fork waits for a transaction: so long Ray takes on a busy machine.
    (tmp_path / "ray.py").write_text("import time\ntime.sleep(6)\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", _FORKS_MEANWHILE]
    subprocess.run(command, check=True, timeout=120, env=environment)
