"""A second Ctrl-C while standalone functions run: the process leaves, and its Ray with it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.programs import ROOT
from tests.integration.ray.processes import children_of, psutil, wait_until_gone

pytestmark = pytest.mark.ray

_PROGRAM = """
import signal, sys, time
import sematic

@sematic.func(standalone=True)
def stubborn(started: str) -> int:
    open(started, "w").close()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

before = signal.getsignal(signal.SIGINT)
try:
    sematic.LocalRunner(progress="off").run(stubborn(sys.argv[1]))
finally:
    print("restored" if signal.getsignal(signal.SIGINT) == before else "changed", flush=True)
"""


@pytest.mark.parametrize("up", [True, False])
def test_a_second_ctrl_c_leaves_nothing_behind(tmp_path: Path, up: bool) -> None:
    """Also while Ray starts."""
    (tmp_path / "program.py").write_text(_PROGRAM)
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "started")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 180
    begun = (tmp_path / "started").exists if up else lambda: has_begun_to_start_ray(program.pid)
    while not begun():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    left = [child.pid for child in children_of(program.pid)]
    assert left
    program.send_signal(signal.SIGINT)
    assert program.stderr is not None
    while "Canceling the pipeline run." not in (line := program.stderr.readline()):
        assert line, "it never said that it cancels"
    program.send_signal(signal.SIGINT)
    output, errors = program.communicate(timeout=120)
    said = errors.splitlines()[-1]  # it left before the call was over
    assert said.startswith("Left pipeline run "), errors
    assert output == "restored\n"
    assert program.returncode == -signal.SIGINT  # a shell shows 130
    wait_until_gone(left, 20)


def has_begun_to_start_ray(pid: int) -> bool:
    with suppress(psutil().NoSuchProcess):  # one that ends meanwhile
        return any("gcs_server" in child.name() for child in children_of(pid))
    return False
