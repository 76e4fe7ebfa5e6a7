"""A lost pipeline run whose code is another one by now: what is recorded decides what was."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sematic.client import get_run_output, open_record
from sematic.states import PipelineRunStatus, RunState
from tests.acceptance.programs import ROOT, run_sematic

SCRIPT = """
import os, signal
from pathlib import Path

import sematic
from sematic import RetrySettings
from tests.waits import wait_until_recorded

NOW = Path("now").exists()


def note(name: str) -> int:
    with open("executed", "a") as file:
        file.write(name + "\\n")
    return Path("executed").read_text().split().count(name)


if NOW:  # another name, and no base class of this script
    class Hiccup(Exception):
        pass
    Passing = Hiccup
else:
    class Flaky(Exception):
        pass

    class Flakier(Flaky):
        pass
    Passing = Flaky


def stumble(name: str) -> int:
    if note(name) < 3:
        raise (Passing if NOW else Flakier)("once more")
    return 1


@sematic.func(retry=RetrySettings((Passing,), retries=2))
def shaky() -> int:
    return stumble("shaky")


@sematic.func
def option() -> int:
    return stumble("option")


def make(type_, leaf):
    def made() -> type_:
        note("made")
        return leaf()

    made.__annotations__["return"] = type_
    return sematic.func(made)


if not NOW:
    @sematic.func
    def leaf() -> int:
        note("leaf")
        return 1

    @sematic.func
    def exact() -> float:
        note("exact")
        return 1.0

    @sematic.func
    def holder(x: float, y: int) -> float:
        note("holder")
        return last(x, y)


@sematic.func
def last(x: float, y: int) -> float:
    if not Path("died").exists():
        Path("died").touch()
        wait_until_recorded()
        os.kill(os.getpid(), signal.SIGKILL)
    return x + y


@sematic.func
def total(a: float, b: int, c: int, d: float) -> float:
    note("total")
    return a + b + c + d


@sematic.func
def pipeline() -> float:
    set_ = option().set(retry=RetrySettings((Passing,), retries=2))
    sum_ = total(make(float, exact)(), make(int, leaf)(), shaky(), make(int, leaf)())
    return holder(sum_, set_)


if __name__ == "__main__":
    future = pipeline()
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""
ONCE = {"made": 3, "leaf": 2, "exact": 1, "holder": 1, "total": 1, "shaky": 3, "option": 3}


@pytest.fixture
def lost_id(tmp_path: Path) -> str:
    """A pipeline run whose driver was killed; exceptions and functions have other names now."""
    (tmp_path / "script.py").write_text(SCRIPT)
    driver = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert driver.returncode == -9, driver.stderr
    assert executed(tmp_path) == ONCE
    (tmp_path / "now").touch()
    return driver.stdout.split()[0]


def executed(place: Path) -> Counter[str]:
    return Counter((place / "executed").read_text().split())


def states(root_id: str) -> dict[str, set[RunState]]:
    found: dict[str, set[RunState]] = {}
    for run in open_record().runs(root_id):
        found.setdefault(run.name, set()).add(run.state)
    return found


ENDED = {name: {RunState.RESOLVED} for name in ONCE}


def test_what_is_over_needs_no_code_to_go_on(tmp_path: Path, lost_id: str) -> None:
    before = {run.id: run for run in open_record().runs(lost_id) if run.state.is_terminal}
    run_sematic("resume", lost_id, cwd=tmp_path)
    assert get_run_output(lost_id) == 5.0
    assert executed(tmp_path) == ONCE
    after = {run.id: run for run in open_record().runs(lost_id)}
    assert {run_id: after[run_id] for run_id in before} == before
    assert {run.state for run in after.values()} == {RunState.RESOLVED}


def test_changed_code_is_told_in_a_line(tmp_path: Path, lost_id: str) -> None:
    """As a command tells things: without the place of a line that no user wrote."""
    (tmp_path / "script.py").write_text(SCRIPT.replace("return x + y", "return 1 / 0"))
    told = run_sematic("resume", lost_id, cwd=tmp_path, code=1)
    (line,) = [line for line in told.splitlines() if "has changed since" in line]
    assert line.startswith("The code of script.last has changed since the pipeline run began. ")
    assert "Warning" not in told


def test_what_is_over_stays_as_it_is_when_the_rest_is_cancelled(
    tmp_path: Path, lost_id: str
) -> None:
    run_sematic("cancel", lost_id, cwd=tmp_path)
    waiting = {RunState.CANCELED}
    unended = {"pipeline": waiting, "holder": waiting, "last": waiting}
    assert states(lost_id) == {**ENDED, **unended}


def test_what_is_taken_over_needs_no_code_to_be_rerun(tmp_path: Path, lost_id: str) -> None:
    run_sematic("cancel", lost_id, cwd=tmp_path)
    run_sematic("rerun", lost_id, "--from", "last", cwd=tmp_path)
    latest, _ = open_record().pipeline_runs()
    assert latest.status is PipelineRunStatus.COMPLETE
    assert get_run_output(latest.root_id) == 5.0
    assert executed(tmp_path) == ONCE
    told = run_sematic("rerun", lost_id, "--from", "holder", cwd=tmp_path, code=1)
    assert "Unable to find function script.holder: did it change location?" in told


def test_what_must_still_execute_needs_its_code(tmp_path: Path, lost_id: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("last(", "final("))
    told = run_sematic("resume", lost_id, cwd=tmp_path, code=1)
    assert told.endswith(
        "Error: Unable to find function script.last: did it change location? Bring it back, under "
        "the same name, and call this again; or end this pipeline run (sematic cancel "
        f"{lost_id[:8]}) and begin a new one.\n"
    )
    script.write_text(f"import no_such_module\n{SCRIPT}")
    told = run_sematic("resume", lost_id, cwd=tmp_path, code=1)
    problem = "Unable to find function script.pipeline: No module named 'no_such_module'."
    assert f"{problem} Mend that and call this again; or end" in told
    script.write_text("def (")
    told = run_sematic("resume", lost_id, cwd=tmp_path, code=1)
    problem = "script.pipeline: its import fails with SyntaxError: invalid syntax (line 1 of "
    assert told.splitlines()[-1].startswith(f"Error: Unable to find function {problem}")
    assert "Traceback" not in told
    script.write_text(SCRIPT.replace("pipeline(", "renamed("))
    told = run_sematic("resume", lost_id, cwd=tmp_path, code=1)
    assert "script.pipeline: did it change location? Bring it back, under the same name" in told
    assert open_record().pipeline_run(lost_id).driver_lost
    assert executed(tmp_path) == ONCE
    script.write_text(SCRIPT)
    run_sematic("resume", lost_id, cwd=tmp_path)
    assert get_run_output(lost_id) == 5.0
