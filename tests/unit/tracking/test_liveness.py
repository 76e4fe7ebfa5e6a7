"""Whether anybody drives a pipeline run: by its process here, by its lease elsewhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sematic.tracking.liveness import sign_to_compare, why_lost
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


@pytest.mark.parametrize("ago", [31.0, 100_000.0])
def test_a_process_of_this_machine_that_lives_drives_though_it_is_silent(ago: float) -> None:
    """It executes C code, waits for a locked record, or the machine has slept."""
    assert judge(HERE, ago=ago) is None


def test_a_process_of_this_machine_that_is_stopped_is_lost_after_its_lease() -> None:
    """Whoever takes over fences it."""
    with driver_process() as (child, described):
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert judge(described, ago=29.0) is None
        sentence = judge(described, ago=31.0)
        assert sentence is not None
        assert sentence.startswith(f"process {child.pid} on ")
        child.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, child.pid, os.WCONTINUED)
        assert judge(described, ago=31.0) is None


@pytest.mark.skipif(sys.platform != "linux", reason="there are no marks elsewhere")
def test_a_process_that_lives_on_after_it_drove_is_lost_after_the_lease() -> None:
    """A notebook's whose driver had to give up: its record was away for too long."""
    with driver_process() as (child, described):
        assert described["mark"] is not None
        assert judge(described, ago=31.0) is None
        assert child.stdin is not None
        print(file=child.stdin, flush=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "let go\n"
        assert judge(described, ago=29.0) is None
        assert judge(described, ago=31.0) is not None


@contextmanager
def driver_process() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process with a mark, which it closes when it is sent a line."""
    program = """if True:
        import json
        from sematic.tracking.processes import Mark, describe_process

        mark = Mark("a-mark")
        print(json.dumps({**describe_process(), "mark": mark.name}), flush=True)
        input()
        mark.close()
        print("let go", flush=True)
        input()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        yield child, json.loads(child.stdout.readline())
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("driver", [HERE, ELSEWHERE, CONTAINER])
def test_who_may_live_after_all_is_not_taken_over_once_it_gives_a_sign(
    driver: dict[str, Any],
) -> None:
    assert sign_to_compare(driver, 5.0) == 5.0
    assert sign_to_compare(driver, None) == 0.0


def test_a_process_that_is_gone_gives_no_signs() -> None:
    """Its tracker actor may record a last batch, which looks like one."""
    assert sign_to_compare(dead(), 5.0) is None


def test_records_of_older_versions_have_no_lease() -> None:
    assert judge(ELSEWHERE, ago=None, lease=None) is None
    assert judge({"host": "elsewhere", "pid": 1}, ago=None, lease=None) is None
