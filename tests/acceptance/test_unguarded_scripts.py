"""Scripts that start their pipeline where they are imported, too: without ``__main__`` in sight."""

import json
from pathlib import Path
from typing import Any

import pytest

from sematic.wording import format_duration
from tests.acceptance.programs import run_python, run_sematic

_SCRIPT = """
import os, sematic
from tests.waits import wait_until_recorded

with open("imported", "a") as file:
    file.write("script\\n")

@sematic.func{options}
def double(x: int) -> int:
    with open({place!r}, "a") as file:
        file.write(f"{{x}}\\n")
    return 2 * x

@sematic.func
def dies(x: int) -> int:
    if not os.path.exists("survives"):
        wait_until_recorded()
        os.kill(os.getpid(), 9)
    return x

@sematic.func
def pipeline(n: int) -> int:
    return dies(double(n))

sematic.LocalRunner().run(pipeline(4))

never = 1 / 0
"""

_SHOWING = "import sys; sys.stderr = sys.stdout; from sematic.cli import main; main()"


@pytest.mark.parametrize("options", ["", pytest.param("(standalone=True)", marks=pytest.mark.ray)])
def test_they_are_resumed_and_rerun_and_start_nothing_else(tmp_path: Path, options: str) -> None:
    place = str(tmp_path / "executed")
    (tmp_path / "unguarded.py").write_text(_SCRIPT.format(options=options, place=place))
    run_python("unguarded.py", cwd=tmp_path, code=-9)
    (lost,) = pipeline_runs()
    (tmp_path / "survives").touch()
    shown = run_python("-c", _SHOWING, "resume", lost["id"], cwd=tmp_path)
    (resumed,) = pipeline_runs()
    assert resumed["status"] == "COMPLETE"
    took = format_duration(float(resumed["ended_at"]) - float(resumed["created_at"]))
    assert f"COMPLETE in {took}  " in shown, "counted from when it was resumed"
    assert Path(place).read_text() == "4\n"
    assert "double" in run_sematic("rerun", lost["id"], "--dry-run", cwd=tmp_path)
    run_sematic("rerun", lost["id"], cwd=tmp_path)
    assert [run["status"] for run in pipeline_runs()] == ["COMPLETE", "COMPLETE"]
    assert Path(place).read_text() == "4\n4\n"


def pipeline_runs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run_sematic("runs", "--json"))
    return found
