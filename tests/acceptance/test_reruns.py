"""A script that was stopped, killed or cancelled, begun again from the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sematic.client import cancel_run, get_run_output, open_record
from sematic.states import PipelineRunStatus, RunState
from tests.acceptance.programs import run_python, run_sematic

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
        process.wait(60)
    finally:
        process.kill()
    return open_record().pipeline_runs()[0].root_id


def _states() -> list[RunState]:
    found = open_record().pipeline_runs()
    return [run.state for run in open_record().runs(found[0].root_id)] if found else []


ARGUMENTS = """
import argparse, os, sematic
import helper

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=int, required=True)
rate = parser.parse_args().rate

@sematic.func
def scale(x: int) -> int:
    print("scaling by", rate, flush=True)
    if not os.path.exists("gate"):
        raise ValueError(helper.why)
    return x * rate

@sematic.func
def pipeline(x: int) -> int:
    return scale(x)

if __name__ == "__main__":
    sematic.LocalRunner(progress="off").run(pipeline(2))
"""


def test_modules_have_the_arguments_of_the_command_however_often_it_is_rerun(
    tmp_path: Path,
) -> None:
    """They may read them where they are imported, and be beside a script that is elsewhere."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "script.py").write_text(ARGUMENTS)
    (tmp_path / "flows" / "helper.py").write_text("why = 'no gate'")
    run_python("flows/script.py", "--rate", "7", cwd=tmp_path, code=1)
    for _ in range(2):
        assert "no gate" in run_sematic("rerun", _last("scale"), code=1)
    told = run_sematic("repro", _last("scale"), code=1)
    assert "scaling by 7" in told
    assert "as recorded" in told
    run_sematic("repro", _last("scale"), "--copy", str(tmp_path / "copy"))
    (tmp_path / "gate").touch()
    assert run_python("copy/scale.py", cwd=tmp_path).splitlines() == ["scaling by 7", "14"]
    run_sematic("rerun", _last("scale"))
    assert get_run_output(open_record().pipeline_runs()[0].root_id) == 14


MODULE = """
import os, sys, sematic
from .helper import why

@sematic.func
def convert(x: int) -> float:
    import colorsys
    if not os.path.exists("gate"):
        raise ValueError(why)
    return colorsys.rgb_to_hsv(x, x, x)[2]

@sematic.func
def pipeline(x: int) -> float:
    return convert(x)

if __name__ == "__main__":
    if "elsewhere" in sys.argv:
        os.chdir(os.path.dirname(__file__))
    sematic.LocalRunner(progress="off").run(pipeline(int(sys.argv[2])))
"""


@pytest.mark.parametrize(
    ("file", "module"), [("convert.py", "flows.convert"), ("__main__.py", "flows")]
)
@pytest.mark.parametrize("more", [(), ("elsewhere",)])
def test_a_module_is_executed_again_as_python_m_does(
    tmp_path: Path, file: str, module: str, more: tuple[str, ...]
) -> None:
    """What is beside it does not take the place of the standard library's modules."""
    package = tmp_path / "flows"
    package.mkdir()
    (package / file).write_text(MODULE)
    (package / "helper.py").write_text("why = 'no gate'")
    (package / "colorsys.py").write_text("raise RuntimeError('not the one of Python')")
    arguments = ("-m", module, "--rate", "2", *more)
    assert "no gate" in run_python(*arguments, cwd=tmp_path, code=1)
    shown = _run_m("show", _last("pipeline")).splitlines()
    assert any(line.endswith(f" {' '.join(('python', *arguments))}") for line in shown)
    for _ in range(2):
        assert "no gate" in _run_m("rerun", _last("convert"), code=1)
    assert " python -m sematic rerun " in _run_m("show", _last("pipeline"))
    assert "as recorded" in _run_m("repro", _last("convert"), code=1)
    _run_m("repro", _last("convert"), "--copy", str(tmp_path / "copy"))
    place = package if more else tmp_path
    (place / "gate").touch()
    assert run_python(str(tmp_path / "copy" / "convert.py"), cwd=place) == "2\n"
    _run_m("rerun", _last("convert"))
    assert get_run_output(open_record().pipeline_runs()[0].root_id) == 2


def test_a_module_that_sematic_runs_is_executed_again_as_python_m_does(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "convert.py").write_text(MODULE)
    (tmp_path / "flows" / "helper.py").write_text("why = 'no gate'")
    (tmp_path / "flows" / "colorsys.py").write_text("raise RuntimeError('not the one of Python')")
    run_sematic("run", "flows.convert", "--rate", "2", cwd=tmp_path, code=1)
    assert "no gate" in run_sematic("rerun", _last("convert"), code=1)


def _run_m(*arguments: str, code: int = 0) -> str:
    """What ``sematic`` prints where no relative path, as of ``python -c``, is on ``sys.path``."""
    return run_python("-m", "sematic", *arguments, code=code)


def _last(name: str) -> str:
    latest = open_record().pipeline_runs()[0]
    return next(run.id for run in open_record().runs(latest.root_id) if run.name == name)
