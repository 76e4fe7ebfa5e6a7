"""User code that is called while inputs and outputs are put together: operators and the like."""

import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic import CancellationError, PipelineRunError, TimeoutError
from sematic.engine import Engine
from sematic.errors import FutureUseError, NestedRunError
from sematic.events import Change, PipelineMoved, RunMoved
from sematic.execution import CallInterrupted, build_root_call
from sematic.future import Future
from sematic.states import PipelineRunStatus, RunState
from sematic.testing import MemoryStore, MemoryTracker
from tests.builders import info

WAIT = 60.0


class Act:
    """What values do in a test. Only its name travels with them."""

    act: Callable[[], int] = lambda: 0


@dataclass
class Value:
    """Calls the test's code wherever a user's class may have some."""

    where: str = "operator"

    def __post_init__(self) -> None:
        if self.where == "constructor":
            Act.act()

    def __add__(self, other: int) -> int:
        return Act.act()

    def __getitem__(self, key: int) -> int:
        return Act.act()

    @property
    def read(self) -> int:
        return Act.act()


@dataclass
class Read:
    """Whose constructor is called by a cast from a mapping."""

    number: int

    def __post_init__(self) -> None:
        Act.act()


@sematic.func
def value() -> Value:
    return Value()


@sematic.func
def number() -> int:
    return 1


@sematic.func
def use(x: int) -> int:
    return x


@sematic.func
def input_of_another() -> int:
    return use(value().read)


@sematic.func
def own_output() -> int:
    return value().read


@sematic.func
def added() -> int:
    return use(value() + 1)


@sematic.func
def item() -> int:
    return use(value()[0])


@sematic.func
def take(read: Read) -> int:
    return read.number


@sematic.func
def cast() -> int:
    return take({"number": number()})


@pytest.fixture(autouse=True)
def acting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    return lambda act: monkeypatch.setattr(Act, "act", act)


class Setup:
    """An engine, and what it tells."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.engine = Engine(
            store=self.store,
            tracker=MemoryTracker(),
            standalone=None,
            clock=time.time,
            listeners=[self.changes.append],
            warn=self.warnings.append,
        )

    def run(self, future: Future) -> Any:
        return self.engine.run(build_root_call(future, self.store), info(future.id))

    def run_of(self, function: Any) -> str:
        """The id of the run of a function."""
        paths = {c.call.function.path: c.call.run_id for c in self.changes if hasattr(c, "call")}
        return paths[function.path]

    def state_of(self, function: Any) -> RunState:
        run_id = self.run_of(function)
        moves = [c for c in self.changes if isinstance(c, RunMoved) and c.run_id == run_id]
        return moves[-1].state


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    # What can be broken off is, on a busy machine too.
    monkeypatch.setattr("sematic.evaluation_threads.SECONDS_TO_END", WAIT / 2)
    yield Setup()
    left = [t for t in threading.enumerate() if t.name in ("sematic-evaluation", "sematic-engine")]
    deadline = time.monotonic() + WAIT
    while any(thread.is_alive() for thread in left):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- whose code it is


@pytest.mark.parametrize(
    ("pipeline", "owner"),
    [
        (input_of_another, use),
        (added, use),
        (item, use),
        (cast, take),
        (own_output, own_output),
    ],
)
def test_context_is_that_of_the_run_whose_input_or_output_it_is(
    setup, acting, pipeline, owner
) -> None:
    seen: list[sematic.SematicContext] = []

    def act() -> int:
        seen.append(sematic.context())
        return 1

    acting(act)
    root = pipeline()
    setup.run(root)
    assert {context.run_id for context in seen[:1]} == {setup.run_of(owner)}
    assert {context.root_id for context in seen} == {root.id}


def test_what_is_printed_is_in_the_log_of_that_run(acting, config_directory: Path, capsys) -> None:
    def act() -> int:
        print("printed", sematic.context().run_id)
        return 1

    acting(act)
    runner = sematic.LocalRunner(progress="off")
    first, second = input_of_another(), own_output()
    runner.run(first)
    runner.run(second)
    printed = re.findall(r"printed (\w+)", capsys.readouterr().out)
    assert printed[1] == second.id
    logs = {path.stem: path.read_text() for path in config_directory.glob("logs/*/*.log")}
    # Before the first attempt, and after it.
    assert logs == {
        f"{printed[0]}-0": f"printed {printed[0]}\n",
        f"{second.id}-1": f"printed {second.id}\n",
    }


def test_threads_of_a_call_that_executes_meanwhile_are_still_its_own(setup, acting) -> None:
    evaluating, looked = threading.Event(), threading.Event()
    seen: list[str] = []

    def act() -> int:
        evaluating.set()
        assert looked.wait(WAIT)
        return 1

    @sematic.func
    def executes() -> int:
        assert evaluating.wait(WAIT)
        thread = threading.Thread(target=lambda: seen.append(sematic.context().run_id))
        thread.start()
        thread.join()
        assert os.environ["SEMATIC_RUN_ID"] == sematic.context().run_id
        looked.set()
        return 1

    @sematic.func
    def both() -> int:
        return use(value().read) + executes()

    acting(act)
    setup.run(both())
    assert seen == [setup.run_of(executes)]


# --- what it may not do


@pytest.mark.parametrize("pipeline", [input_of_another, own_output])
def test_what_it_raises_is_the_failure_of_that_run(setup, acting, pipeline) -> None:
    def act() -> int:
        raise KeyError("mine")

    acting(act)
    with pytest.raises(PipelineRunError) as caught:
        setup.run(pipeline())
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    frames = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert frames == ["read", "act"]
    assert setup.state_of(use if pipeline is input_of_another else own_output) is RunState.FAILED


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_ends_a_process_ends_the_run_only(setup, acting, kind) -> None:
    def act() -> int:
        raise kind

    acting(act)
    with pytest.raises(PipelineRunError) as caught:
        setup.run(input_of_another())
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("pipeline", [input_of_another, own_output, cast])
@pytest.mark.parametrize("returned", [True, False])
def test_a_call_that_it_makes_is_refused(setup, acting, pipeline, returned) -> None:
    def act() -> Any:
        future = number()
        return future if returned else 1

    acting(act)
    with pytest.raises(PipelineRunError) as caught:
        setup.run(pipeline())
    assert isinstance(caught.value.__cause__, FutureUseError)
    assert "'number' was called by an operator" in str(caught.value.__cause__)


def test_it_cannot_run_a_pipeline(setup, acting) -> None:
    acting(lambda: sematic.SilentRunner().run(number()))
    with pytest.raises(PipelineRunError) as caught:
        setup.run(input_of_another())
    assert isinstance(caught.value.__cause__, NestedRunError)


@pytest.mark.parametrize("pipeline", [input_of_another, own_output])
def test_a_child_that_it_forks_ends_where_its_code_does(setup, acting, pipeline) -> None:
    children: list[int] = []

    def act() -> int:
        children.append(os.fork())
        return 1

    acting(act)
    assert setup.run(pipeline()) == 1
    assert os.waitpid(children[0], 0) == (children[0], 0)


# --- its end


def cancel_when(ready: threading.Event, engine: Engine) -> None:
    def cancel() -> None:
        assert ready.wait(WAIT)
        time.sleep(0.1)  # let it get to where it waits
        engine.request_cancel("enough")

    threading.Thread(target=cancel).start()


@pytest.mark.parametrize("pipeline", [input_of_another, own_output])
def test_cancelling_breaks_off_what_would_never_end(setup, acting, pipeline) -> None:
    ready, over = threading.Event(), []

    def act() -> int:
        ready.set()
        try:
            while True:
                pass
        finally:
            over.append(any(isinstance(change, PipelineMoved) for change in setup.changes[1:]))

    acting(act)
    cancel_when(ready, setup.engine)
    with pytest.raises(CancellationError, match="enough"):
        setup.run(pipeline())
    assert over == [False], "before anybody was told"
    assert setup.changes[-1].status is PipelineRunStatus.CANCELED
    assert setup.warnings == []


@pytest.mark.parametrize("swallow", [BaseException, CallInterrupted])
def test_swallowing_that_does_not_help(setup, acting, swallow) -> None:
    ready = threading.Event()

    def act() -> int:
        ready.set()
        for _ in range(2):
            try:
                while True:
                    pass
            except swallow:
                pass
        while True:
            pass

    acting(act)
    cancel_when(ready, setup.engine)
    with pytest.raises(CancellationError):
        setup.run(input_of_another())
    assert setup.warnings == []


def test_the_time_limit_of_what_it_is_nested_in_counts(setup, acting) -> None:
    def act() -> int:
        while True:
            pass

    acting(act)
    with pytest.raises(PipelineRunError) as caught:
        setup.run(input_of_another().set(timeout_seconds=0.2))
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert setup.state_of(input_of_another) is RunState.FAILED
    assert setup.state_of(use) is RunState.CANCELED


def test_what_waits_in_c_code_is_left_behind(setup, acting, monkeypatch) -> None:
    monkeypatch.setattr("sematic.evaluation_threads.SECONDS_TO_END", 0.2)
    ready = threading.Event()
    reading, writing = os.pipe()

    def act() -> int:
        ready.set()
        os.read(reading, 1)
        return 1

    acting(act)
    cancel_when(ready, setup.engine)
    try:
        with pytest.raises(CancellationError):
            setup.run(input_of_another())
    finally:
        os.close(writing)  # only now can it end
    (warning,) = setup.warnings
    assert warning.startswith(f"What is evaluated for use ({setup.run_of(use)}) did not end")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread has started")
def test_a_child_process_that_it_waits_for_is_ended(setup, acting) -> None:
    ready = threading.Event()

    def act() -> int:
        ready.set()
        return subprocess.run(["sleep", "60"], check=False).returncode

    acting(act)
    cancel_when(ready, setup.engine)
    began = time.monotonic()
    with pytest.raises(CancellationError):
        setup.run(input_of_another())
    assert time.monotonic() - began < 50
    assert setup.warnings == []


SLEEPING = """
import os, signal, threading, time
import sematic
from dataclasses import dataclass

@dataclass
class Value:
    number: int

    @property
    def read(self):
        for i in range(SIGNALS):
            threading.Timer(0.2 + i, os.kill, (os.getpid(), signal.SIGINT)).start()
        time.sleep(60)

@sematic.func
def value() -> Value:
    return Value(1)

@sematic.func
def pipeline() -> int:
    return value().read

sematic.SilentRunner().run(pipeline())
"""


@pytest.mark.parametrize(
    ("signals", "error"),
    [
        (1, "CancellationError: Canceled by SIGINT."),
        (2, "The pipeline run was left before it had ended."),
    ],
)
def test_the_process_ends_all_the_same(signals: int, error: str) -> None:
    began = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-c", SLEEPING.replace("SIGNALS", str(signals))],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr.splitlines()[-1].endswith(error)
    assert time.monotonic() - began < 50
