"""What commands show of a pipeline run whose process was killed."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest
from click.testing import Result

Cli = Callable[..., Result]

_PROGRAM = """
    import os, signal, time, sematic

    @sematic.func
    def die() -> int:
        time.sleep(0.5)  # until the record knows of it
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    @sematic.func
    def after(x: int) -> int:
        return x

    @sematic.func
    def pipeline() -> int:
        return after(die())

    future = pipeline()
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""


@pytest.fixture
def lost_id() -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    return done.stdout.strip()


def test_runs(sematic_cli: Cli, lost_id: str) -> None:
    line = sematic_cli("runs", "--status", "lost").stdout.splitlines()[1]
    assert line.split()[:5] == [lost_id, "pipeline", "!", "DRIVER", "LOST"]
    assert line.endswith("3 unfinished")
    (row,) = json.loads(sematic_cli("runs", "--json").stdout)
    assert (row["status"], row["driver_lost"]) == ("RUNNING", True)


def test_show(sematic_cli: Cli, lost_id: str) -> None:
    output = sematic_cli("show", lost_id).stdout
    assert output.startswith("! pipeline  DRIVER LOST after ")
    assert ", which drove it, is gone; last heard of " in output
    assert "running" not in output
    assert [line.split()[-1] for line in output.splitlines()[-3:]] == ["unfinished"] * 3
