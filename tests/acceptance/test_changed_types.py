"""Resuming with functions that have another output type by now: what is recorded stays."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sematic.client import get_run_output, open_record
from sematic.states import RunState
from tests.acceptance.programs import ROOT, run_python, run_sematic

SCRIPT = """
import os, signal, sys
from pathlib import Path

import sematic
from tests.waits import wait_until_recorded

Value = {"int": int, "float": float}[Path("type").read_text()]
Nested = {"int": int, "float": float}[Path("nested").read_text()]


def note(name: str) -> None:
    with open("executed", "a") as file:
        file.write(name + "\\n")


@sematic.func(cache=True)
def compute() -> Nested:
    note("compute")
    return 1


@sematic.func
def outer() -> Value:
    note("outer")
    return compute()


@sematic.func
def after(x: Value) -> Value:
    note("after")
    return x


@sematic.func
def die(x: Value) -> int:
    if not Path("died").exists():
        Path("died").touch()
        wait_until_recorded()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@sematic.func
def again(done: int) -> Nested:
    return compute()


@sematic.func
def last(x: Value, y: Nested) -> float:
    return x + y


@sematic.func
def pipeline() -> float:
    x = after(outer())
    return last(x, again(die(x)))


if __name__ == "__main__":
    future = pipeline()
    print(future.id, flush=True)
    print(sematic.LocalRunner(progress="off", cache_namespace="main").run(future))
"""
ONCE = ("compute", "outer", "after")


@pytest.mark.parametrize("nested", ["int", "float"])
@pytest.mark.parametrize(("before", "now"), [("int", "float"), ("float", "int")])
def test_what_was_recorded_is_neither_computed_again_nor_changed(
    tmp_path: Path, before: str, now: str, nested: str
) -> None:
    """Whether the output of a nested call is that of the outer one, or cast, was decided then."""
    (tmp_path / "type").write_text(before)
    (tmp_path / "nested").write_text("int")
    run_id = lose_driver(tmp_path, SCRIPT)
    recorded = outputs(run_id)
    assert set(recorded) == set(ONCE)
    (tmp_path / "type").write_text(now)
    (tmp_path / "nested").write_text(nested)
    run_sematic("resume", run_id, cwd=tmp_path)
    assert get_run_output(run_id) == 2.0
    found = outputs(run_id)
    assert {name: found[name] for name in ONCE} == recorded
    assert {run.state for run in open_record().runs(run_id)} == {RunState.RESOLVED}
    executed = Counter((tmp_path / "executed").read_text().split())
    # A cached output of another type is of no use to the call that is new.
    assert executed == {"compute": 1 if nested == "int" else 2, "outer": 1, "after": 1}
    (tmp_path / "type").write_text("float")
    assert run_python("typed.py", cwd=tmp_path).split()[-1] == "2.0"
    types = {open_record().artifact(id_).type for id_ in outputs_of("compute")}
    assert types == {"int", nested}


DIES_IN_NESTED = """
import os, signal
from pathlib import Path

import sematic
from tests.waits import wait_until_recorded

Value = {"int": int, "float": float}[Path("type").read_text()]
Nested = {"int": int, "float": float}[Path("nested").read_text()]


@sematic.func
def inner() -> Nested:
    if not Path("died").exists():
        Path("died").touch()
        wait_until_recorded()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@sematic.func
def outer() -> Value:
    return inner()


@sematic.func
def pipeline() -> list[Value]:
    return [outer()]


if __name__ == "__main__":
    future = pipeline()
    print(future.id, flush=True)
    print(sematic.LocalRunner(progress="off").run(future))
"""


@pytest.mark.parametrize("outer", ["int", "float"])
@pytest.mark.parametrize(("before", "now"), [("int", "float"), ("float", "int")])
def test_a_nested_call_that_must_still_execute_may_have_another_type(
    tmp_path: Path, before: str, now: str, outer: str
) -> None:
    (tmp_path / "type").write_text(before)
    (tmp_path / "nested").write_text(before)
    run_id = lose_driver(tmp_path, DIES_IN_NESTED)
    (tmp_path / "type").write_text(outer)
    (tmp_path / "nested").write_text(now)
    run_sematic("resume", run_id, cwd=tmp_path)
    assert get_run_output(run_id) == [1]
    record = open_record()
    types = {run.name: record.artifact(str(run.output_id)).type for run in record.runs(run_id)}
    assert types == {"pipeline": f"list[{outer}]", "outer": outer, "inner": now}


def lose_driver(directory: Path, script: str) -> str:
    """The id of a pipeline run of a script that kills itself."""
    (directory / "typed.py").write_text(script)
    driver = subprocess.run(
        [sys.executable, "typed.py"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert driver.returncode == -9, driver.stderr
    return driver.stdout.split()[0]


def outputs(run_id: str) -> dict[str, str]:
    """The artifact of each function's first run that has one."""
    runs = [run for run in open_record().runs(run_id) if run.output_id is not None]
    return {run.name: str(run.output_id) for run in reversed(runs)}


def outputs_of(name: str) -> list[str]:
    record = open_record()
    runs = [run for row in record.pipeline_runs() for run in record.runs(row.root_id)]
    return [run.output_id for run in runs if run.name == name and run.output_id is not None]
