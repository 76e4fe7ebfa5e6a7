"""What a driver has left on this machine is ended by who takes its pipeline run over."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sematic import SematicContext
from sematic.run_context import executing
from sematic.tracking.abandoned import end_abandoned
from sematic.tracking.processes import describe_process, start_time, was_here

WAIT = 60.0


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a function of the pipeline run ``lost`` has started."""
    with executing(SematicContext("lost-run", "lost")):
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_the_driver_may_have_been_this_process(child: subprocess.Popen[bytes]) -> None:
    """It could not record, and its lease was over: what it has left are its own children."""
    removed: list[int | None] = []
    end_abandoned(
        "lost",
        describe_process(),
        is_ours=lambda: True,
        end_in_ray=lambda root_id: removed.append(child.poll()),
        warn=pytest.fail,
    )
    assert removed == [-15], "processes first: they may hold the lock of a session"


@pytest.mark.parametrize(
    "elsewhere", [{"host": "other"}, {"pid_namespace": "pid:[1]"}, {"boot": "before"}]
)
def test_one_of_elsewhere_has_left_nothing_here(
    child: subprocess.Popen[bytes], elsewhere: dict[str, str]
) -> None:
    driver = {**describe_process(), **elsewhere}
    if any(describe_process()[name] is None for name in elsewhere):
        pytest.skip("this system does not tell")
    assert not was_here(driver)
    end_abandoned(
        "lost",
        driver,
        is_ours=lambda: True,
        end_in_ray=lambda root_id: pytest.fail("removed"),
        warn=pytest.fail,
    )
    assert child.poll() is None


def test_older_records_tell_less() -> None:
    facts = {name: describe_process()[name] for name in ("host", "pid", "started")}
    assert was_here(facts)


def test_what_workers_start_until_they_have_ended_is_ended_too() -> None:
    """By the workers of a Ray, that is, which execute until they are killed."""
    late: list[subprocess.Popen[bytes]] = []

    def end_in_ray(root_id: str) -> None:
        with executing(SematicContext("lost-run", "lost")):
            late.append(subprocess.Popen(["sleep", "60"]))

    end_abandoned(
        "lost",
        describe_process(),
        is_ours=lambda: True,
        end_in_ray=end_in_ray,
        warn=pytest.fail,
    )
    assert late[0].wait(WAIT) == -15


# A daemon, nobody's child, that does not listen.
_LEAVES = """
import subprocess
command = "trap '' TERM; echo $$; while :; do sleep 0.1; done"
subprocess.Popen(["sh", "-c", command], stderr=subprocess.DEVNULL, start_new_session=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_ended_that_somebody_else_may_have_started_since() -> None:
    """Who ends it is stopped for a while, say, and the pipeline run is taken over once more."""
    with executing(SematicContext("lost-run", "lost")):
        parent = subprocess.Popen([sys.executable, "-c", _LEAVES], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    daemon = int(parent.stdout.readline())
    parent.wait(WAIT)
    looks = iter([True])
    try:
        end_abandoned(
            "lost",
            describe_process(),
            is_ours=lambda: next(looks, False),
            end_in_ray=lambda root_id: pytest.fail("ended"),
            warn=pytest.fail,
        )
        assert start_time(daemon) is not None
    finally:
        os.kill(daemon, signal.SIGKILL)
