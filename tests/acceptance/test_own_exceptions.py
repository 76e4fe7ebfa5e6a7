"""Exceptions that a script defines: of one name wherever it executes, and retried for."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sematic.client import get_run_output, open_record
from sematic.states import RunState
from tests.acceptance.programs import ROOT, run_python, run_sematic

SCRIPT = """
import os, sys, time
from pathlib import Path

import sematic
from sematic import RetrySettings


class Errors:
    class Passing(Exception):
        pass


class Flaky(Errors.Passing):
    pass


def next_attempt(name: str) -> int:
    with open(name, "a") as file:
        file.write("x")
    return len(Path(name).read_text())


def fail_often(name: str) -> int:
    attempt = next_attempt(name)
    if attempt == 2 and "WAITS" in os.environ:
        Path("executes").touch()
        time.sleep(60)
    if attempt < 4:
        raise Flaky(f"attempt {attempt}")
    return attempt


@sematic.func(retry=RetrySettings((Errors.Passing,), retries=3))
def inline() -> int:
    return fail_often("inline")


@sematic.func(standalone=True, retry=RetrySettings((Errors.Passing,), retries=3))
def apart() -> int:
    return fail_often("apart")


@sematic.func
def option() -> int:
    return fail_often("option")


@sematic.func
def inline_pipeline() -> int:
    return inline()


@sematic.func
def ray_pipeline() -> int:
    return apart()


@sematic.func
def option_pipeline() -> int:
    return option().set(retry=RetrySettings((Errors.Passing,), retries=3))


if __name__ == "__main__":
    future = globals()[sys.argv[1]]()
    print(future.id, flush=True)
    print(sematic.LocalRunner(progress="off").run(future))
"""
KINDS = [
    "inline_pipeline",
    "option_pipeline",
    pytest.param("ray_pipeline", marks=pytest.mark.ray),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "place"
    directory.mkdir()
    (directory / "flaky.py").write_text(SCRIPT)
    return directory


def recorded_errors(run_id: str) -> list[tuple[str, ...]]:
    """Types and ancestors of what the earlier attempts of the nested run have failed of."""
    record = open_record()
    nested = [run for run in record.runs(run_id) if run.parent_id]
    errors = [attempt.error for run in nested for attempt in record.attempts(run.id)]
    return [(e.type, *e.ancestors[:-2]) for e in errors if e is not None]


NAMES = ("flaky.Flaky", "flaky.Errors.Passing")


@pytest.mark.parametrize("pipeline", KINDS)
def test_they_are_retried_for_and_named_as_everything_in_the_script_is(
    place: Path, pipeline: str
) -> None:
    run_id, value = run_python("flaky.py", pipeline, cwd=place).split()
    assert value == "4"
    assert recorded_errors(run_id) == [NAMES] * 3


@pytest.mark.parametrize("pipeline", KINDS)
def test_who_resumes_agrees_with_the_driver_before(place: Path, pipeline: str) -> None:
    """The script is imported there, under its name, and Python sees other classes in it."""
    driver = subprocess.Popen(
        [sys.executable, "flaky.py", pipeline],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WAITS": "yes"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    run_id = driver.stdout.readline().strip()
    deadline = time.monotonic() + 180
    while not (place / "executes").exists() or not recorded_errors(run_id):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.kill()
    driver.communicate()
    run_sematic("resume", run_id, cwd=place)
    assert get_run_output(run_id) == 4
    assert recorded_errors(run_id) == [NAMES, NAMES]  # the one in between was lost
    assert {run.state for run in open_record().runs(run_id)} == {RunState.RESOLVED}
