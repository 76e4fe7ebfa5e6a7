"""What every Executor promises, see :class:`sematic.ports.Executor`.

An adapter joins with a harness in ``HARNESSES``. Functions are at module level and wait for files
rather than events, so that they can run in other processes.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.artifacts.store import FileSystemStore
from sematic.calls import Expanded, Failed, OutputOf, Succeeded
from sematic.events import (
    CallEnded,
    CallLost,
    DropCall,
    Event,
    PrepareCall,
    StartCall,
    StopCall,
)
from sematic.execution import build_root_call, execute_call
from sematic.future import Future
from sematic.inline import InlineExecutor
from sematic.ports import ArtifactStore
from sematic.ray_backend.cluster import LocalRay
from sematic.ray_backend.executor import RayExecutor
from sematic.testing import ManualExecutor

WAIT = 60.0


@sematic.func(standalone=True)
def double(x: int) -> int:
    return 2 * x


@sematic.func(standalone=True)
def broken(message: str) -> int:
    raise ValueError(message)


@sematic.func(standalone=True)
def exits() -> int:
    raise SystemExit(3)


@sematic.func(standalone=True)
def nested(x: int) -> int:
    return double(double(x))


@sematic.func(standalone=True)
def unstorable() -> object:
    return threading.Lock()


@sematic.func(standalone=True)
def wait_for(path: str) -> int:
    Path(f"{path}.reached").touch()
    deadline = time.monotonic() + WAIT
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    return 1


class _Works:
    """What executors that work by themselves have in common."""

    def proceed(self) -> None:
        """It works by itself."""

    def wait_until_executing(self, gate: Path, executes: bool) -> None:
        """Where it is to execute before it is stopped: wait until it does."""
        deadline = time.monotonic() + WAIT
        while executes and not Path(f"{gate}.reached").exists():
            assert time.monotonic() < deadline
            time.sleep(0.001)


class InlineHarness(_Works):
    """An InlineExecutor, and the thread that works for it."""

    def __init__(self, store: ArtifactStore, directory: Path) -> None:
        self.executor = InlineExecutor(store, time.time)
        self._thread = threading.Thread(target=self.executor.work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.executor.close()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()


class ManualHarness:
    """A ManualExecutor, and a test's way to end what it has started."""

    def __init__(self, store: ArtifactStore, directory: Path) -> None:
        self.executor = ManualExecutor(time.time)
        self._store = store
        self._done = 0

    def wait_until_executing(self, gate: Path, executes: bool) -> None:
        """It never does."""

    def proceed(self) -> None:
        stopped = {(stop.call.run_id, stop.attempt) for stop in self.executor.stopped}
        for start in self.executor.started[self._done :]:
            self._done += 1
            if (start.call.run_id, start.attempt) not in stopped:
                outcome = execute_call(start.call, start.inputs, store=self._store)
                now = time.time()
                ended = CallEnded(now, start.call.run_id, start.attempt, outcome, now, now)
                self.executor.end(ended, start.call.run_id, start.attempt)

    def close(self) -> None:
        self.executor.close()


class RayHarness(_Works):
    """A RayExecutor, on the Ray of this process."""

    def __init__(self, store: ArtifactStore, directory: Path) -> None:
        self.warnings: list[str] = []
        self.executor = RayExecutor(
            store,
            ray=LocalRay(),
            clock=time.time,
            log_directory=directory / "logs",
            warn=self.warnings.append,
            on_ready=lambda _: lambda: None,
        )

    def close(self) -> None:
        self.executor.close()
        assert self.warnings == []


HARNESSES: dict[str, Callable[[ArtifactStore, Path], Any]] = {
    "inline": InlineHarness,
    "manual": ManualHarness,
    "ray": RayHarness,
}


class Reports:
    """What the executor says, from whatever thread.

    Attributes:
        events: all of it; that no attempt was reported twice is seen after the executor's end.
    """

    def __init__(self, harness: Any) -> None:
        self.events: list[Event] = []
        self._harness = harness
        harness.reports = self.events

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def wait(self, count: int) -> list[Any]:
        """The first so many reports."""
        self._harness.proceed()
        deadline = time.monotonic() + WAIT
        while len(self.events) < count:
            assert time.monotonic() < deadline, f"{len(self.events)} of {count} attempts reported"
            time.sleep(0.001)
        return self.events[:count]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """One that other processes can use too."""
    return FileSystemStore(str(tmp_path / "artifacts"))


@pytest.fixture(params=["inline", "manual", pytest.param("ray", marks=pytest.mark.ray)])
def adapter(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        request.getfixturevalue("ray_session")
    return str(request.param)


@pytest.fixture
def harness(adapter: str, store: ArtifactStore, tmp_path: Path) -> Iterator[Any]:
    made = HARNESSES[adapter](store, tmp_path)
    made.reports = []
    yield made
    made.close()
    reported = [(event.run_id, event.attempt) for event in made.reports]
    assert len(set(reported)) == len(reported), "an attempt reported twice"


@pytest.fixture
def reports(harness: Any) -> Reports:
    return Reports(harness)


@pytest.fixture
def start(harness: Any, store: ArtifactStore, reports: Reports) -> Callable[..., StartCall]:
    """Start an attempt of a call."""

    def start(future: Future, attempt: int = 1) -> StartCall:
        call = build_root_call(future, store)
        made = StartCall(call, dict(call.inputs), attempt)  # type: ignore[arg-type]
        harness.executor.start(made, reports)
        return made

    return start


def test_a_call_reports_its_value(start, reports, store) -> None:
    started = start(double(4))
    (report,) = reports.wait(1)
    assert isinstance(report, CallEnded)
    assert (report.run_id, report.attempt) == (started.call.run_id, 1)
    assert isinstance(report.outcome, Succeeded)
    assert store.get(report.outcome.output) == 8


def test_times_are_in_order(start, reports) -> None:
    before = time.time()
    start(double(4))
    (report,) = reports.wait(1)
    assert before - 1 < report.started_at <= report.ended_at <= time.time() + 1


def test_every_attempt_reports_once(start, reports, store) -> None:
    started = [start(double(i)) for i in range(20)]
    events = reports.wait(20)
    assert {event.run_id for event in events} == {made.call.run_id for made in started}
    values = sorted(store.get(event.outcome.output) for event in events)
    assert values == [2 * i for i in range(20)]


def test_attempts_of_one_call_are_told_apart(start, reports) -> None:
    future = double(1)
    for attempt in (1, 2, 3):
        start(future, attempt)
    assert sorted(event.attempt for event in reports.wait(3)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("future", "kind", "message"),
    [
        (lambda: broken("no luck"), "builtins.ValueError", "no luck"),
        (exits, "builtins.SystemExit", "3"),
        (unstorable, "sematic.errors.UnserializableValueError", ""),
    ],
)
def test_a_call_that_fails_reports_why(start, reports, future, kind, message) -> None:
    start(future())
    (report,) = reports.wait(1)
    assert isinstance(report, CallEnded)
    assert isinstance(report.outcome, Failed)
    assert report.outcome.error.type == kind
    assert message in report.outcome.error.message
    assert "builtins.Exception" in report.outcome.error.ancestors or kind == "builtins.SystemExit"


def test_a_failure_does_no_harm_to_the_next_call(start, reports) -> None:
    start(exits())
    start(double(1))
    outcomes = {type(event.outcome) for event in reports.wait(2)}
    assert outcomes == {Failed, Succeeded}


def test_a_call_that_returns_futures_reports_nested_calls(start, reports, store) -> None:
    started = start(nested(3))
    (report,) = reports.wait(1)
    assert isinstance(report.outcome, Expanded)
    first, second = report.outcome.calls
    assert first.parent_id == second.parent_id == started.call.run_id
    assert second.inputs == {"x": OutputOf(first.run_id)}
    assert report.outcome.output == OutputOf(second.run_id)
    assert store.get(first.inputs["x"]) == 3
    assert first.function.path == double.path
    assert first.options.standalone


def test_start_and_stop_return_at_once(harness, start, tmp_path) -> None:
    began = time.monotonic()
    started = start(wait_for(str(tmp_path / "gate")))
    harness.executor.stop(StopCall(started.call, 1))
    assert time.monotonic() - began < WAIT / 4  # the gate is closed
    (tmp_path / "gate").touch()


@pytest.mark.parametrize("executes", [False, True])
def test_a_stopped_attempt_is_over_early_and_reports_so(
    harness, start, reports, tmp_path, executes
) -> None:
    began = time.monotonic()
    started = start(wait_for(str(tmp_path / "gate")))
    harness.wait_until_executing(tmp_path / "gate", executes)
    harness.executor.stop(StopCall(started.call, 1))
    (report,) = reports.wait(1)
    assert time.monotonic() - began < WAIT / 2  # nobody has opened the gate
    assert isinstance(report, CallLost)
    assert (report.run_id, report.attempt) == (started.call.run_id, 1)


def test_stopping_one_attempt_leaves_the_others(harness, start, reports, tmp_path) -> None:
    stopped = start(wait_for(str(tmp_path / "gate")))
    other = start(double(2))
    harness.executor.stop(StopCall(stopped.call, 1))
    (tmp_path / "gate").touch()
    events = {event.run_id: event for event in reports.wait(2)}
    assert isinstance(events[other.call.run_id], CallEnded)
    assert isinstance(events[other.call.run_id].outcome, Succeeded)


def test_stopping_what_has_ended_does_nothing(harness, start, reports) -> None:
    """The wish to stop crosses the report on its way."""
    started = start(double(1))
    reports.wait(1)
    harness.executor.stop(StopCall(started.call, 1))
    start(double(2))
    assert [type(event.outcome) for event in reports.wait(2)] == [Succeeded, Succeeded]


def test_what_is_made_ready_begins_when_it_is_started(
    harness, start, reports, store, tmp_path
) -> None:
    for number in range(1, 6):  # from the third time on an executor may know them
        before = start(wait_for(str(tmp_path / "gate")))
        call = build_root_call(double(number), store)
        harness.executor.prepare(PrepareCall(call, (before.call.run_id, 1), beside=1))
        (tmp_path / "gate").touch()
        assert reports.wait(2 * number - 1)[-1].run_id == before.call.run_id
        if number == 4:
            harness.executor.prepare(DropCall(call))
        harness.executor.start(StartCall(call, dict(call.inputs), 1), reports)
        report = reports.wait(2 * number)[-1]
        assert report.run_id == call.run_id
        assert store.get(report.outcome.output) == 2 * number


def test_nothing_is_left_after_close(adapter, store, tmp_path) -> None:
    before = _threads()  # some of other tests may end meanwhile
    harness = HARNESSES[adapter](store, tmp_path)
    reports = Reports(harness)
    call = build_root_call(double(1), store)
    harness.executor.start(StartCall(call, dict(call.inputs), 1), reports)  # type: ignore[arg-type]
    reports.wait(1)
    harness.close()
    assert _threads() <= before
    assert not (tmp_path / "logs").exists() or not list((tmp_path / "logs").iterdir())


def _threads() -> set[threading.Thread]:
    """Those that Python has started. Ray has threads of its own as long as it is up."""
    dummy: type = threading._DummyThread  # type: ignore[attr-defined]
    return {thread for thread in threading.enumerate() if not isinstance(thread, dummy)}
