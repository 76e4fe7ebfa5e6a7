"""``sematic.client``."""

import builtins
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.client import block_on_run, cancel_run, get_artifact_value, get_run_output
from sematic.errors import InvalidOptionError, NotFoundError
from sematic.run_context import SematicContext, executing
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.queries import Queries, open_queries
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import info
from tests.driver import Driver, driver

__all__ = ["driver"]


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


def run_to_cancel(future: sematic.Future) -> None:
    with pytest.raises(sematic.CancellationError):
        run(future)


def open_record(directory: Path) -> Queries:
    return open_queries(f"sqlite:///{directory}/sematic.db")


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
        assert time.monotonic() - started < 30

    @pytest.mark.parametrize("name", ["polling_interval_seconds", "max_wait_seconds"])
    @pytest.mark.parametrize("value", ["5", True, -1, float("nan"), []])
    def test_no_number_of_seconds(self, name: str, value: Any) -> None:
        with pytest.raises(InvalidOptionError, match=f"^{name} must be a number of seconds, at l"):
            block_on_run("0a1b", **{name: value})

    @pytest.mark.parametrize("endless", [float("inf"), 1e300, 10**400])
    def test_waiting_for_ever(self, driver: Driver, endless: float) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, endless, max_wait_seconds=0.1)
        driver.gate.touch()
        block_on_run(driver.run_id, 0.02, max_wait_seconds=endless)

    def test_it_waits(self, driver: Driver) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, 0.01, max_wait_seconds=0.1)
        driver.gate.touch()
        block_on_run(driver.run_id, polling_interval_seconds=0.02, max_wait_seconds=60)
        assert get_run_output(driver.run_id) == 7

    def test_the_deadline_is_met_between_polls(self, driver: Driver) -> None:
        started = time.monotonic()
        message = f"^Run {driver.run_id} did not complete in 0.3 seconds$"
        with pytest.raises(builtins.TimeoutError, match=message):
            block_on_run(driver.run_id, polling_interval_seconds=60, max_wait_seconds=0.3)
        assert 0.3 <= time.monotonic() - started < 30

    def test_a_run_that_ends_within_the_last_pause_is_no_timeout(self, driver: Driver) -> None:
        driver.gate.touch()
        driver.process.wait()
        block_on_run(driver.run_id, polling_interval_seconds=60, max_wait_seconds=0)

    def test_a_lost_driver(self, driver: Driver) -> None:
        driver.kill()
        with pytest.raises(RuntimeError, match=r"will not end: process \d+.* is gone"):
            block_on_run(driver.run_id, polling_interval_seconds=0.02)

    def test_without_cancel_on_exit_it_goes_on(self, driver: Driver) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, 0.02, max_wait_seconds=0.05)
        driver.gate.touch()
        assert driver.process.wait(60) == 0

    def test_cancel_on_exit(self, driver: Driver, config_directory: Path) -> None:
        with pytest.raises(builtins.TimeoutError):
            block_on_run(driver.run_id, 0.02, max_wait_seconds=0.05, cancel_on_exit=True)
        assert driver.process.wait(60) != 0
        row = open_record(config_directory).pipeline_run(driver.run_id)
        assert row.shown_status == "CANCELED"
        assert row.reason == "Canceled because nobody waits for it."

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
        assert blocked.wait(60) == 128 + signal.SIGTERM
        blocked.stdout.close()
        driver.process.wait(60)
        assert open_record(config_directory).pipeline_run(driver.run_id).shown_status == "CANCELED"

    def test_a_run_that_succeeded_is_not_cancelled(self, driver: Driver) -> None:
        driver.gate.touch()
        block_on_run(driver.run_id, 0.02, cancel_on_exit=True)
        assert driver.process.wait(60) == 0

    def test_a_run_that_can_be_resumed_is_not_cancelled(
        self, driver: Driver, config_directory: Path
    ) -> None:
        driver.kill()
        with pytest.raises(RuntimeError, match="To go on: sematic resume"):
            block_on_run(driver.run_id, 0.02, cancel_on_exit=True)
        row = open_record(config_directory).pipeline_run(driver.run_id)
        assert row.shown_status == "DRIVER LOST"

    def test_signal_handlers_are_put_back(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        block_on_run(run(add(1, 2)), cancel_on_exit=True)
        assert signal.getsignal(signal.SIGTERM) is before


class TestCancelRun:
    @pytest.mark.parametrize("digits", [32, 8])
    def test_a_run_that_executes_before_it_is_recorded(
        self, config_directory: Path, digits: int
    ) -> None:
        """Inline functions run ahead of the record; so does the first one, in which this is."""
        config_directory.mkdir()
        root_id, run_id = "0a" * 16, "0b" * 16
        url = f"sqlite:///{config_directory}/sematic.db"
        with closing(SqlTracker(url)) as tracker:
            tracker.begin(info(root_id))
            with executing(SematicContext(run_id, root_id)):
                assert cancel_run(run_id[:digits], wait=True) is PipelineRunStatus.RUNNING
                with pytest.raises(NotFoundError, match="'0c0c'"):
                    cancel_run("0c0c")
        assert open_record(config_directory).pipeline_run(root_id).cancel_reason is not None

    def test_a_run_that_is_not_recorded_at_all(self, config_directory: Path) -> None:
        with (
            executing(SematicContext("0b" * 16, "0a" * 16)),  # with a SilentRunner
            pytest.raises(NotFoundError),
        ):
            cancel_run("0b" * 16)

    def test_the_driver_ends_it(self, driver: Driver, config_directory: Path) -> None:
        began = time.monotonic()
        assert cancel_run(driver.run_id, wait=True) is PipelineRunStatus.CANCELED
        assert time.monotonic() - began < 60  # it would go on for two minutes
        assert driver.process.wait(60) != 0
        row = open_record(config_directory).pipeline_run(driver.run_id)
        assert row.reason is not None
        assert row.reason.startswith("Canceled by ")

    def test_a_thread_that_a_function_waits_for_does_not_wait_for_its_end(self) -> None:
        """In another thread than the main one nothing interrupts a function that waits for one."""
        others_end, found = threading.Event(), list[str]()

        @sematic.func
        def cancels_itself() -> int:
            while not found:  # by then it is one of two functions that execute
                time.sleep(0.01)
            waits = partial(cancel_run, sematic.context().root_id, wait=True)
            thread = threading.Thread(target=waits)
            thread.start()
            thread.join()
            time.sleep(60)
            return 1

        @sematic.func
        def executes_beside() -> int:
            found.append(sematic.context().run_id)
            others_end.wait(60)
            return 1

        beside = threading.Thread(target=run, args=[executes_beside()])
        canceled = threading.Thread(target=run_to_cancel, args=[cancels_itself()])
        canceled.start()
        beside.start()
        canceled.join(30)
        ended = not canceled.is_alive()
        others_end.set()
        beside.join(30)
        assert ended

    def test_a_thread_that_runs_nothing_waits_for_the_end(self) -> None:
        found: list[str] = []

        @sematic.func
        def sleeps() -> int:
            found.append(sematic.context().root_id)
            while True:
                time.sleep(0.01)

        thread = threading.Thread(target=run_to_cancel, args=[sleeps()])
        thread.start()
        while not found:
            time.sleep(0.01)
        assert cancel_run(found[0], wait=True) is PipelineRunStatus.CANCELED
        thread.join(10)

    def test_it_need_not_wait(self, driver: Driver, config_directory: Path) -> None:
        assert cancel_run(driver.run_id, reason="No need.") is PipelineRunStatus.RUNNING
        assert driver.process.wait(60) != 0
        row = open_record(config_directory).pipeline_run(driver.run_id)
        assert (row.status, row.reason) == (PipelineRunStatus.CANCELED, "No need.")

    def test_any_of_its_runs_is_meant(self, driver: Driver) -> None:
        assert cancel_run(driver.nested_id[:12], wait=True) is PipelineRunStatus.CANCELED

    def test_a_lost_driver_needs_no_waiting(self, driver: Driver, config_directory: Path) -> None:
        """Its functions are those of a script that this process cannot import."""
        driver.kill()
        assert cancel_run(driver.run_id, reason="No need.") is PipelineRunStatus.CANCELED
        record = open_record(config_directory)
        row = record.pipeline_run(driver.run_id)
        assert row.reason is not None
        assert row.reason.startswith("No need. Driver lost: process ")
        assert {run.state for run in record.runs(driver.run_id)} == {RunState.CANCELED}

    def test_what_has_ended_stays_so(self) -> None:
        assert cancel_run(run(add(1, 2)), wait=True) is PipelineRunStatus.COMPLETE
        assert cancel_run(run(fail())) is PipelineRunStatus.FAILED

    def test_unknown(self) -> None:
        with pytest.raises(NotFoundError, match="'nope'"):
            cancel_run("nope")
