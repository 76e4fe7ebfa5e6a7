"""Standalone functions that are to end: asleep, waiting, in C code, deaf, cleaning up."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sematic
from sematic.artifacts.store import FileSystemStore
from sematic.events import CallEnded, CallLost, Event, StartCall, StopCall
from sematic.execution import build_root_call
from sematic.ray_backend import executor
from sematic.ray_backend.cluster import LocalRay
from sematic.ray_backend.executor import RayExecutor
from sematic.run_processes import end_processes
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result
from tests.integration.ray.processes import is_alive, wait_until_gone

pytestmark = pytest.mark.ray

WAIT = 60.0


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + WAIT
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


class Setup:
    """A RayExecutor, and what it reports."""

    def __init__(self, directory: Path) -> None:
        self.store = FileSystemStore(str(directory / "artifacts"))
        self.reports: list[Event] = []
        self.executor = RayExecutor(
            self.store,
            ray=LocalRay(),
            clock=time.time,
            log_directory=directory / "logs",
            warn=lambda _: None,
            on_ready=lambda _: lambda: None,
        )

    def start(self, future: sematic.Future) -> StartCall:
        call = build_root_call(future, self.store)
        start = StartCall(call, dict(call.inputs), 1)  # type: ignore[arg-type]
        self.executor.start(start, self.reports.append)
        return start

    def stop(self, start: StartCall) -> float:
        """Returns how many seconds it takes until the end of the call is reported."""
        began = time.monotonic()
        self.executor.stop(StopCall(start.call, start.attempt))
        while not self.reports:
            assert time.monotonic() < began + WAIT
            time.sleep(0.01)
        return time.monotonic() - began


@pytest.fixture
def setup(ray_session: ModuleType, tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.executor.close()


def set_patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """How long a worker may take to see the wish, and then to end, before it is killed."""
    monkeypatch.setattr(executor, "_SECONDS_TO_SEE", seconds)
    monkeypatch.setattr(executor, "_GRACE_SECONDS", seconds)


@pytest.mark.parametrize(
    ("how", "least", "worker_lives"),
    [
        ("Python", 0.0, True),
        ("time.sleep", 0.0, True),
        ("lock", 0.0, True),
        ("subprocess.run", 0.0, True),
        ("C code", 0.7, False),
        ("swallows it", 2.0, False),
        ("cleans up", 1.0, True),
    ],
)
def test_a_call_is_ended_and_reported_once(  # noqa: PLR0917
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    least: float,
    worker_lives: bool,
) -> None:
    start = setup.start(functions.hang(how, str(tmp_path / "started")))
    pid = int(wait_for(tmp_path / "started"))
    time.sleep(0.3)  # it hangs by now
    if worker_lives:
        set_patience(monkeypatch, WAIT)  # on a busy machine, too, it is not killed meanwhile
    seconds = setup.stop(start)
    end_processes(run_ids=[start.call.run_id])  # as the engine does
    assert least <= seconds < WAIT / 2  # by itself it would hang for longer
    set_patience(monkeypatch, 0.2)
    time.sleep(1.0)  # no kill comes after the end
    (report,) = setup.reports
    assert isinstance(report, CallLost)
    assert report.error.type == "sematic.errors.CancellationError"
    assert is_alive(pid) == worker_lives
    assert (tmp_path / "started.cleaned").exists() == (how == "cleans up")


def test_a_call_that_was_woken_is_followed_by_others_as_ever(setup: Setup, tmp_path: Path) -> None:
    """Nothing that was meant for one arrives in the next one, in the same worker."""
    for number in range(10):
        setup.reports.clear()
        start = setup.start(functions.hang("time.sleep", str(tmp_path / f"started{number}")))
        wait_for(tmp_path / f"started{number}")
        setup.stop(start)
        setup.reports.clear()
        setup.start(functions.add(number, 1))
        deadline = time.monotonic() + WAIT
        while not setup.reports:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert isinstance(setup.reports[0], CallEnded)


def test_a_call_that_waits_for_its_turn_does_not_wait_for_those_that_execute(
    setup: Setup, ray_session: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_patience(monkeypatch, 2 * WAIT)
    cpus = int(ray_session.cluster_resources()["CPU"])
    running = [
        setup.start(functions.hang("swallows it", str(tmp_path / f"started{i}")))
        for i in range(cpus)
    ]
    for i in range(cpus):
        wait_for(tmp_path / f"started{i}")
    waiting = [setup.start(functions.add(i, i)) for i in range(20)]
    began = time.monotonic()
    for start in [*running, *waiting]:
        setup.executor.stop(StopCall(start.call, 1))
    while len(setup.reports) < len(waiting):
        assert time.monotonic() < began + WAIT
        time.sleep(0.01)
    reported = {report.run_id for report in setup.reports if isinstance(report, CallLost)}
    assert reported == {start.call.run_id for start in waiting}
    set_patience(monkeypatch, 0.2)
    while len(setup.reports) < len(waiting) + len(running):
        assert time.monotonic() < began + 2 * WAIT
        time.sleep(0.01)


def test_a_call_that_does_not_listen_ends_however_much_is_asked_of_ray_meanwhile(
    setup: Setup, tmp_path: Path
) -> None:
    deaf = setup.start(functions.hang("swallows it", str(tmp_path / "started")))
    wait_for(tmp_path / "started")
    other = StopCall(replace(deaf.call, run_id="of another call"), 1)
    ended = threading.Event()

    def keep_busy() -> None:
        while not ended.wait(0.01):  # more often than the executor would wait for
            setup.executor.stop(other)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        assert setup.stop(deaf) < WAIT / 2
    finally:
        ended.set()
        busy.join()


@sematic.func
def with_limit(how: str, path: str, seconds: int) -> int:
    return functions.hang(how, path).set(timeout_seconds=seconds)


@pytest.mark.parametrize("how", ["subprocess.run", "C code"])
def test_what_a_call_has_started_ends_with_its_time_limit(
    run: Callable[..., Result], tmp_path: Path, how: str
) -> None:
    for seconds in (3, 12, 48):  # on a busy machine a worker takes longer to be there
        result = run(with_limit(how, str(tmp_path / "started"), seconds))
        if (tmp_path / "started").exists():
            break
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, sematic.TimeoutError)
    hung = result.run("hang")
    assert (hung.state.value, hung.attempt) == ("FAILED", 1)
    left: Any = (tmp_path / "started.daemon").read_text().split()
    assert len(left) == 2
    wait_until_gone([int(pid) for pid in left], 5)
