"""A script that was stopped, killed or cancelled, begun again from the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sematic.client import cancel_run, get_run_output, open_record
from sematic.states import PipelineRunStatus, RunState
from tests.acceptance.programs import run_sematic

SCRIPT = """
import os, pathlib, time, sematic

@sematic.func
def first(x: int) -> int:
    return x + 1

@sematic.func
def slow(x: int) -> int:
    open("began", "a").write("x")
    while not os.path.exists("gate"):
        time.sleep(0.01)
    return x * 10

@sematic.func
def nested(x: int) -> int:
    return slow(first(x))

@sematic.func
def pipeline(x: int) -> int:
    return nested(first(x))

if __name__ == "__main__":
    sematic.LocalRunner(progress="off").run(pipeline(1))
"""


@pytest.mark.parametrize("how", ["killed", "cancelled"])
def test_what_had_an_end_is_taken_over(tmp_path: Path, how: str) -> None:
    root_id = _interrupted(tmp_path, how)
    runs = open_record().runs(root_id)
    resolved = {run.id for run in runs if run.state is RunState.RESOLVED}
    assert len(resolved) == 2
    (tmp_path / "gate").touch()
    listed = run_sematic("rerun", root_id, "--from", "slow", "--dry-run", cwd=tmp_path)
    assert "2 reused, 2 kept, 1 executes" in listed
    run_sematic("rerun", root_id, "--from", "slow", cwd=tmp_path.parent)
    latest, _ = open_record().pipeline_runs()
    assert latest.status is PipelineRunStatus.COMPLETE
    assert get_run_output(latest.root_id) == 30
    assert (tmp_path / "began").read_text() == "xx"
    again = open_record().runs(latest.root_id)
    assert {run.original_run_id for run in again} - {None} == resolved


def _interrupted(place: Path, how: str) -> str:
    """The id of a pipeline run that was ended while slow executed."""
    (place / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "script.py"], cwd=place, env=environment)
    try:
        while not (place / "began").exists() or len(_states()) < 5:
            assert process.poll() is None
        if how == "killed":
            process.send_signal(signal.SIGKILL)
        else:
            cancel_run(open_record().pipeline_runs()[0].root_id, wait=True)
        process.wait(20)
    finally:
        process.kill()
    return open_record().pipeline_runs()[0].root_id


def _states() -> list[RunState]:
    found = open_record().pipeline_runs()
    return [run.state for run in open_record().runs(found[0].root_id)] if found else []
