"""Whether anybody drives a pipeline run: by its process here, by its lease elsewhere."""

import os
import subprocess
import sys
from typing import Any

import pytest

from sematic.tracking.liveness import why_lost
from sematic.tracking.processes import describe_process


def dead() -> dict[str, Any]:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    described = describe_process(child.pid)
    child.kill()
    child.communicate()
    return described


HERE = describe_process()
ELSEWHERE = {**HERE, "host": "elsewhere", "pid": 7}
CONTAINER = {**HERE, "pid_namespace": "pid:[1]", "pid": 7}


def judge(driver: dict[str, Any], *, ago: float | None, lease: float | None = 30.0) -> str | None:
    """Why a driver counts as lost whose last sign of life was some seconds ago."""
    heartbeat = None if ago is None else 1000.0 - ago
    return why_lost(driver, heartbeat_at=heartbeat, lease_seconds=lease, now=1000.0)


@pytest.mark.parametrize("driver", [HERE, ELSEWHERE, CONTAINER])
@pytest.mark.parametrize("ago", [-1.0, 0.0, 29.0, 30.0])
def test_as_long_as_the_lease_lasts_it_is_driven(driver: dict[str, Any], ago: float) -> None:
    assert judge(driver, ago=ago) is None


def test_a_process_of_this_machine_that_is_gone_is_told_at_once() -> None:
    driver = dead()
    expected = f"process {driver['pid']}, which drove it, is gone"
    assert judge(driver, ago=0.0) == expected
    assert judge(driver, ago=None, lease=None) == expected


def test_a_lease_that_has_run_out_is_enough() -> None:
    assert judge(ELSEWHERE, ago=30.1) == (
        "process 7 on elsewhere, which drove it, shows no sign of life any more"
    )
    assert judge(CONTAINER, ago=31.0) is not None


def test_a_process_that_lives_but_does_nothing_is_lost() -> None:
    """It was stopped, or hangs: whoever takes over fences it."""
    sentence = judge(HERE, ago=31.0)
    assert sentence is not None
    assert sentence.startswith(f"process {os.getpid()} on ")


def test_records_of_older_versions_have_no_lease() -> None:
    assert judge(ELSEWHERE, ago=None, lease=None) is None
    assert judge({"host": "elsewhere", "pid": 1}, ago=None, lease=None) is None
