"""Pipelines as users start them: scripts, modules, notebooks, with a debugger and with input."""

import importlib.util
import os
import sys
import textwrap
from pathlib import Path

import pytest

from sematic.client import open_record
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.views import RunRow
from tests.acceptance.programs import run_python, run_sematic
from tests.terminal import Terminal

_SECONDS = 60.0

PIPELINE = """
from dataclasses import dataclass

import sematic


@dataclass
class Pair:
    left: int
    right: int


@sematic.func
def double(pair: Pair) -> Pair:
    return Pair(2 * pair.left, 2 * pair.right)


@sematic.func
def add(pair: Pair) -> int:
    return pair.left + pair.right


@sematic.func
def pipeline(x: int) -> int:
    return add(double(Pair(x, 1)))
"""
MAIN = """
if __name__ == "__main__":
    import sys

    print(sematic.LocalRunner().run(pipeline(int(sys.argv[1]))))
"""
LARGE = """
import sematic


@sematic.func
def increase(x: int) -> int:
    return x + 1


@sematic.func
def chain(length: int) -> int:
    x = 0
    for _ in range(length):
        x = increase(x)
    return x


@sematic.func
def fan_out(width: int) -> list[int]:
    return [increase(i) for i in range(width)]


@sematic.func
def nest(depth: int) -> int:
    return 0 if depth == 0 else nest(depth - 1)
"""


def write(folder: Path, name: str, code: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    return path


def recorded_runs() -> tuple[RunRow, ...]:
    """The runs of the only pipeline run in the record, which is complete."""
    record = open_record()
    (pipeline_run,) = record.pipeline_runs()
    assert pipeline_run.status is PipelineRunStatus.COMPLETE
    return record.runs(pipeline_run.root_id)


def recorded_paths() -> list[str]:
    runs = recorded_runs()
    assert {run.state for run in runs} == {RunState.RESOLVED}
    return [run.function_path for run in runs]


# --- where the code is -----------------------------------------------------------------------


def test_a_script(tmp_path: Path) -> None:
    script = write(tmp_path, "train.py", PIPELINE + MAIN)
    assert run_python(str(script), "20") == "42\n"
    assert recorded_paths() == ["train.pipeline", "train.double", "train.add"]


def test_a_module(tmp_path: Path) -> None:
    write(tmp_path, "project/__init__.py", "")
    write(tmp_path, "project/train.py", PIPELINE + MAIN)
    assert run_python("-m", "project.train", "20", cwd=tmp_path) == "42\n"
    names = ["pipeline", "double", "add"]
    assert recorded_paths() == [f"project.train.{name}" for name in names]


def test_a_package(tmp_path: Path) -> None:
    write(tmp_path, "project/__init__.py", "")
    write(tmp_path, "project/steps.py", PIPELINE)
    write(tmp_path, "project/__main__.py", "import sematic\nfrom project.steps import *\n" + MAIN)
    assert run_python("-m", "project", "20", cwd=tmp_path) == "42\n"
    assert recorded_paths()[0] == "project.steps.pipeline"


def test_the_command_line_runs_it_the_same(tmp_path: Path) -> None:
    script = write(tmp_path, "train.py", PIPELINE + MAIN)
    assert run_sematic("run", str(script), "20") == "42\n"
    assert recorded_paths() == ["train.pipeline", "train.double", "train.add"]


def test_a_program_on_the_command_line(tmp_path: Path) -> None:
    program = PIPELINE + "print(sematic.LocalRunner().run(pipeline(20)))"
    assert run_python("-c", program, cwd=tmp_path) == "42\n"
    assert recorded_paths()[0] == "__main__.pipeline"


def test_a_class_of_the_script_is_read_in_another_process(tmp_path: Path) -> None:
    script = write(tmp_path, "train.py", PIPELINE + MAIN)
    run_python(str(script), "20")
    doubled = recorded_runs()[1]
    reader = f"from sematic.client import get_run_output; print(get_run_output({doubled.id!r}))"
    assert run_python("-c", reader, cwd=tmp_path) == "Pair(left=40, right=2)\n"


# --- notebooks -------------------------------------------------------------------------------

NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in {cells!r}:
    shell.run_cell(cell, store_history=True).raise_error()
"""
needs_ipython = pytest.mark.skipif(
    importlib.util.find_spec("IPython") is None, reason="needs IPython"
)


def run_notebook(*cells: str) -> str:
    return run_python("-c", NOTEBOOK.format(cells=list(cells)))


@needs_ipython
def test_cells_of_a_notebook() -> None:
    run = "print(sematic.LocalRunner().run(pipeline(20)))"
    assert "42" in run_notebook(PIPELINE, run).splitlines()
    assert recorded_paths()[0] == "__main__.pipeline"
    record = open_record()
    assert "def pipeline(x: int)" in record.function(recorded_runs()[0].function_id).source


@needs_ipython
def test_a_cell_that_is_changed_and_run_again() -> None:
    changed = PIPELINE.replace("pair.left + pair.right", "pair.left * pair.right")
    run = "print('result', sematic.LocalRunner().run(pipeline(20)))"
    output = run_notebook(PIPELINE, run, changed, run)
    assert [line for line in output.splitlines() if "result" in line] == ["result 42", "result 80"]


@needs_ipython
@pytest.mark.ray
def test_standalone_functions_of_a_cell() -> None:
    cell = PIPELINE.replace("@sematic.func\n", "@sematic.func(standalone=True)\n", 2)
    run = "print(sematic.LocalRunner().run(pipeline(20)))"
    assert "42" in run_notebook(cell, run).splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 elsewhere")
def test_a_script_with_a_name_that_is_no_text(tmp_path: Path) -> None:
    script = os.fsencode(write(tmp_path, "x", PIPELINE + MAIN)) + b"\xff.py"
    os.rename(tmp_path / "x", script)
    assert run_python(os.fsdecode(script), "20").splitlines()[-1] == "42"
    assert recorded_paths()[0] == "x\\udcff.pipeline"


# --- with somebody at the terminal -----------------------------------------------------------


ASKING = """
import sematic


@sematic.func
def ask(question: str) -> str:
    return input(question + " ").strip()


@sematic.func
def pipeline() -> str:
    return ask("Your name?")


if __name__ == "__main__":
    print("Hello", sematic.LocalRunner().run(pipeline()))
"""
DEBUGGED = """
import sematic


@sematic.func
def compute(x: int) -> int:
    secret = 2 * x
    breakpoint()
    return secret


@sematic.func
def pipeline(x: int) -> int:
    return compute(x)


if __name__ == "__main__":
    print("result", sematic.LocalRunner().run(pipeline(21)))
"""


def open_terminal(script: Path) -> Terminal:
    return Terminal([str(script)], columns=100, wraps=True)


def test_a_function_may_ask(tmp_path: Path) -> None:
    terminal = open_terminal(write(tmp_path, "ask.py", ASKING))
    terminal.wait_for("Your name?", _SECONDS)
    terminal.type("Ada")
    terminal.wait_for("Hello Ada", _SECONDS)
    assert terminal.wait(_SECONDS) == 0
    assert recorded_paths() == ["ask.pipeline", "ask.ask"]


def test_a_function_may_be_debugged(tmp_path: Path) -> None:
    terminal = open_terminal(write(tmp_path, "debugged.py", DEBUGGED))
    terminal.wait_for("(Pdb)", _SECONDS)
    terminal.type("p secret + 100")
    terminal.wait_for("142", _SECONDS)
    terminal.type("secret = 7")
    terminal.type("continue")
    terminal.wait_for("result 7", _SECONDS)
    assert terminal.wait(_SECONDS) == 0
    assert {run.state for run in recorded_runs()} == {RunState.RESOLVED}


def test_leaving_the_debugger_fails_the_run(tmp_path: Path) -> None:
    terminal = open_terminal(write(tmp_path, "debugged.py", DEBUGGED))
    terminal.wait_for("(Pdb)", _SECONDS)
    terminal.type("quit")
    assert terminal.wait(_SECONDS) == 1
    assert "BdbQuit" in terminal.written
    record = open_record()
    (pipeline_run,) = record.pipeline_runs()
    assert pipeline_run.status is PipelineRunStatus.FAILED
    states = {run.name: run.state for run in record.runs(pipeline_run.root_id)}
    assert states == {"pipeline": RunState.NESTED_FAILED, "compute": RunState.FAILED}


# --- size and weight -------------------------------------------------------------------------


def test_a_small_pipeline_loads_no_ray_and_no_sqlalchemy() -> None:
    program = PIPELINE + textwrap.dedent("""
        runner = sematic.LocalRunner()
        runner.run(pipeline(1))
        import sys
        print(sorted({"ray", "sqlalchemy", "alembic", "pydantic", "pandas"} & set(sys.modules)))
        """)
    run_python("-c", program)  # makes the record
    assert run_python("-c", program) == "[]\n"


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("chain(10_000)", "10000"),
        ("len(run(fan_out(10_000)))", "10000"),
        ("nest(10_000)", "0"),
    ],
)
def test_ten_thousand_functions(call: str, result: str) -> None:
    expression = call if call.startswith("len(") else f"run({call})"
    program = f"{LARGE}\nrun = sematic.LocalRunner().run\nprint({expression})"
    assert run_python("-c", program) == f"{result}\n"
    runs = recorded_runs()
    assert len(runs) == 10_001
    assert {run.state for run in runs} == {RunState.RESOLVED}
