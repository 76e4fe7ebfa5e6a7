"""Scripts that call a function of a pipeline and run none."""

import subprocess
import sys
from pathlib import Path

import pytest

_START = """
import os, sys
import sematic

@sematic.func
def train(n: int) -> int:
    return n

"""
_TOLD = (
    "train(...) was called, and its future given to no runner, so nothing was executed. "
    "Write sematic.LocalRunner().run(train(...)).\n"
)


def run(script: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, *options, str(script)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("train(3)", _TOLD),
        ("future = train(3)\ntrain(4)\nsys.exit(0)", _TOLD),
        ("", ""),
        ("sematic.SilentRunner().run(train(3))", ""),
        ("train.func(3)", ""),
        ("future = train(3)\nif os.fork() == 0: sys.exit()\nos.wait()\nos._exit(0)", ""),
    ],
)
def test_a_script_without_a_run_is_told_at_its_end(tmp_path: Path, end: str, told: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(_START + end)
    done = run(script)
    assert (done.returncode, done.stderr) == (0, told)


def test_other_problems_come_first(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_START + "print(train(3) / 'a' + nothing)")
    done = run(script)
    assert done.returncode == 1
    assert "NameError" in done.stderr
    assert "no runner" not in done.stderr


def test_modules_that_are_imported_may_make_futures(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(_START + "train(3)")
    script = tmp_path / "script.py"
    script.write_text("import made")
    assert run(script).stderr == ""


def test_the_command_line_tells_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_START + "train(3)")
    command = tmp_path / "command.py"
    command.write_text(f"from sematic.cli import main\nmain(['run', {str(script)!r}])")
    done = run(command)
    assert "has run no pipeline: it defines train" in done.stderr
    assert "no runner, so" not in done.stderr
