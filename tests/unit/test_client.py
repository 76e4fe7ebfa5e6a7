"""``sematic.client``."""

import builtins
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import sematic
from sematic.client import block_on_run, get_artifact_value, get_run_output
from sematic.errors import NotFoundError
from sematic.tracking.queries import Queries, open_queries

_PROGRAM = """
    import pathlib, sys, time, sematic

    @sematic.func
    def wait(gate: str) -> int:
        deadline = time.monotonic() + 30
        while not pathlib.Path(gate).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return 7

    future = wait(sys.argv[1])
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""


@sematic.func
def add(a: int, b: int) -> int:
    return a + b


@sematic.func
def pair() -> dict[str, list[int]]:
    return {"numbers": list(range(100_000))}


@sematic.func
def fail() -> int:
    raise ValueError("no luck")


@sematic.func
def parent() -> int:
    return add(fail(), 1)


def run(future: sematic.Future) -> str:
    with suppress(sematic.PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    return future.id


def open_record(directory: Path) -> Queries:
    return open_queries(f"sqlite:///{directory}/sematic.db")


class Driver:
    """A pipeline run in another process, that ends when its gate opens."""

    def __init__(self, directory: Path) -> None:
        self.gate = directory / "gate"
        arguments = [sys.executable, "-c", textwrap.dedent(_PROGRAM), str(self.gate)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.run_id = self.process.stdout.readline().strip()

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def driver(tmp_path: Path, config_directory: Path) -> Iterator[Driver]:
    driver = Driver(tmp_path)

    def is_recorded() -> bool:
        return any(r.name == "wait" for r in open_record(config_directory).runs(driver.run_id))

    try:
        driver.wait_until(is_recorded)
        yield driver
    finally:
        driver.process.kill()
        driver.process.communicate()


class TestGetRunOutput:
    def test_value(self) -> None:
        run_id = run(pair())
        assert get_run_output(run_id) == {"numbers": list(range(100_000))}
        assert get_run_output(run_id[:12]) == get_run_output(run_id)

    def test_not_resolved(self) -> None:
        with pytest.raises(RuntimeError, match=r"Can't get output of unresolved run\."):
            get_run_output(run(fail()))

    def test_unknown(self, config_directory: Path) -> None:
        with pytest.raises(NotFoundError, match="'nope'"):
            get_run_output("nope")
        assert not config_directory.exists()  # reading makes nothing
        run(add(1, 2))
        with pytest.raises(NotFoundError, match="'nope'"):
            get_run_output("nope")


class TestGetArtifactValue:
    def test_value(self, config_directory: Path) -> None:
        run_id = run(add(1, 2))
        row = open_record(config_directory).run(run_id)
        assert row.output_id is not None
        assert get_artifact_value(row.output_id) == 3
        assert get_artifact_value(row.output_id[:10]) == 3

    def test_unknown(self) -> None:
        with pytest.raises(NotFoundError, match=r"No artifact .* 'nope'"):
            get_artifact_value("nope")


class TestBlockOnRun:
    def test_success(self) -> None:
        assert block_on_run(run(add(1, 2))) is None  # type: ignore[func-returns-value]

    def test_failure(self) -> None:
        with pytest.raises(RuntimeError, match=r"^Run terminated in state: RunState\.FAILED"):
            block_on_run(run(fail()))
        with pytest.raises(
            RuntimeError, match=r"^Run terminated in state: RunState\.NESTED_FAILED"
        ):
            block_on_run(run(parent()))

    def test_unknown(self) -> None:
        run(add(1, 2))
        started = time.monotonic()
        with pytest.raises(NotFoundError):
            block_on_run("nope", polling_interval_seconds=60)
        assert time.monotonic() - started < 5

    def test_it_waits(self, driver: Driver) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, 0.01, max_wait_seconds=0.1)
        driver.gate.touch()
        block_on_run(driver.run_id, polling_interval_seconds=0.02, max_wait_seconds=20)
        assert get_run_output(driver.run_id) == 7

    def test_the_deadline_is_met_between_polls(self, driver: Driver) -> None:
        started = time.monotonic()
        message = f"^Run {driver.run_id} did not complete in 0.3 seconds$"
        with pytest.raises(builtins.TimeoutError, match=message):
            block_on_run(driver.run_id, polling_interval_seconds=60, max_wait_seconds=0.3)
        assert 0.3 <= time.monotonic() - started < 5

    def test_a_run_that_ends_within_the_last_pause_is_no_timeout(self, driver: Driver) -> None:
        driver.gate.touch()
        driver.process.wait()
        block_on_run(driver.run_id, polling_interval_seconds=60, max_wait_seconds=0)

    def test_a_lost_driver(self, driver: Driver) -> None:
        driver.process.kill()
        driver.process.wait()
        with pytest.raises(RuntimeError, match=r"will not end: process \d+.* is gone"):
            block_on_run(driver.run_id, polling_interval_seconds=0.02)

    def test_without_cancel_on_exit_it_goes_on(self, driver: Driver) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, 0.02, max_wait_seconds=0.05)
        driver.gate.touch()
        assert driver.process.wait(20) == 0

    def test_cancel_on_exit(self, driver: Driver, config_directory: Path) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, 0.02, max_wait_seconds=0.05, cancel_on_exit=True)
        assert driver.process.wait(20) != 0
        row = open_record(config_directory).pipeline_run(driver.run_id)
        assert row.shown_status == "CANCELED"
        assert row.reason == "Canceled by SIGTERM."

    def test_cancel_on_sigterm(self, driver: Driver, config_directory: Path) -> None:
        program = """if True:
            import sys, time
            from sematic.client import block_on_run

            pause = time.sleep
            time.sleep = lambda seconds: (print("polls", flush=True), pause(seconds))
            block_on_run(sys.argv[1], 0.02, cancel_on_exit=True)
        """
        blocked = subprocess.Popen(
            [sys.executable, "-c", program, driver.run_id],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
        )
        assert blocked.stdout is not None
        assert blocked.stdout.readline() == b"polls\n"
        blocked.send_signal(signal.SIGTERM)
        assert blocked.wait(20) == 128 + signal.SIGTERM
        blocked.stdout.close()
        driver.process.wait(20)
        assert open_record(config_directory).pipeline_run(driver.run_id).shown_status == "CANCELED"

    def test_a_run_that_succeeded_is_not_cancelled(self, driver: Driver) -> None:
        driver.gate.touch()
        block_on_run(driver.run_id, 0.02, cancel_on_exit=True)
        assert driver.process.wait(20) == 0

    def test_signal_handlers_are_put_back(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        block_on_run(run(add(1, 2)), cancel_on_exit=True)
        assert signal.getsignal(signal.SIGTERM) is before
