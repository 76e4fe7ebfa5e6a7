"""A pipeline run whose driver is stopped is taken over: none of its calls executes then."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sematic.settings import load_settings
from sematic.tracking.queries import open_queries
from tests.acceptance.programs import ROOT, run_sematic
from tests.integration.ray.processes import children_of, is_alive, wait_until_gone

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

_PROGRAM = """
import os, sys, time
import sematic

_DIRECTORY = os.path.dirname(os.path.abspath(__file__))

@sematic.func(standalone=True)
def slow(n: int) -> int:
    open(f"{_DIRECTORY}/began-{n}-{os.getpid()}", "w").close()
    while not os.path.exists(f"{_DIRECTORY}/enough"):
        time.sleep(0.1)
    return n

@sematic.func
def pipeline(n: int) -> list[int]:
    return [slow(i) for i in range(n)]  # more than can execute at a time

if __name__ == "__main__":
    sematic.LocalRunner(progress="off").run(pipeline(200))
"""


@pytest.mark.parametrize("idle", [False, True], ids=["executing", "idle"])
def test_nothing_executes_once_it_is_cancelled_though_its_driver_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    """Workers that are idle by then are given what waits as soon as the driver goes on."""
    monkeypatch.setenv("SEMATIC_LEASE_SECONDS", "3")
    (tmp_path / "program.py").write_text(_PROGRAM)
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    left: list[int] = []
    try:
        wait_for_calls(tmp_path)
        driver.send_signal(signal.SIGSTOP)
        left = [child.pid for child in children_of(driver.pid)]
        if idle:
            (tmp_path / "enough").touch()
        time.sleep(4)  # its lease is over
        url = load_settings().database_url
        root_id = open_queries(url).pipeline_runs(limit=1)[0].root_id
        run_sematic("cancel", "-y", root_id)
        began = calls(tmp_path)
        assert idle or not any(map(is_alive, began)), "no call executes any more"
        driver.send_signal(signal.SIGCONT)
        _, errors = driver.communicate(timeout=180)
        assert "FencedError" in errors
        assert calls(tmp_path) == began, "none began when the driver went on"
        wait_until_gone(left, 20)
    finally:
        driver.kill()
        driver.wait()


def calls(directory: Path) -> list[int]:
    """The workers in which a call has begun."""
    return [int(path.name.split("-")[2]) for path in directory.glob("began-*")]


def wait_for_calls(directory: Path) -> None:
    deadline = time.monotonic() + 180
    while not calls(directory):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(3)  # as many as can execute at a time do
