"""What a killed driver has left running ends before anybody goes on, or is told of the end."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.client import get_run_output, open_record
from sematic.run_context import ROOT_ID, RUN_ID
from sematic.states import PipelineRunStatus, RunState
from tests.acceptance.programs import ROOT, run_sematic
from tests.living import is_alive
from tests.recorded import execute
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are found on Linux")

SCRIPT = """
import os, subprocess, sys, time
from pathlib import Path

import sematic


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def note(place, name, *pids):
    Path(place, name + "-").write_text(" ".join(map(str, pids)))
    Path(place, name + "-").rename(Path(place, name))


def daemonise(place):
    # Forked twice, in a session of its own, and never another program.
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            note(place, "daemon", os.getpid())
            time.sleep(600)
        os._exit(0)
    os.waitpid(pid, 0)


def leave_processes(place, name, *more):
    child = subprocess.Popen(["sleep", "600"])
    apart = subprocess.Popen(["setsid", "sleep", "600"])
    note(place, name, child.pid, apart.pid, *more)
    time.sleep(600)


def left(place, name):
    return [pid for pid in map(int, Path(place, name).read_text().split()) if is_alive(pid)]


@sematic.func
def work(place: str, until: str) -> list[int]:
    if Path(place, "work").exists():  # the second time
        return left(place, "work") + left(place, "daemon")
    while until and not Path(place, until).exists():
        time.sleep(0.01)
    daemonise(place)
    leave_processes(place, "work")


@sematic.func(standalone=True)
def apart(place: str) -> list[int]:
    if Path(place, "apart").exists():
        return left(place, "apart")
    leave_processes(place, "apart", os.getpid())


@sematic.func
def inline_pipeline(place: str) -> list[int]:
    return work(place, "")


@sematic.func
def ray_pipeline(place: str) -> list[list[int]]:
    return [work(place, "apart"), apart(place)]


if __name__ == "__main__":
    future = globals()[sys.argv[1]](os.getcwd())
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""


class Lost:
    """A pipeline run whose driver was killed, while its functions executed."""

    def __init__(self, place: Path, pipeline: str) -> None:
        self.place = place
        (place / "lost.py").write_text(SCRIPT)
        driver = subprocess.Popen(
            [sys.executable, "lost.py", pipeline],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert driver.stdout is not None
        self.run_id = driver.stdout.readline().strip()
        wait_until(lambda: (place / "work").exists() and (place / "daemon").exists())
        wait_until(self.is_recorded)
        driver.kill()
        driver.wait()
        driver.stdout.close()
        assert [pid for pid in self.pids if is_alive(pid)], "nothing to end"

    def is_recorded(self) -> bool:
        runs = open_record().runs(self.run_id)
        return any(run.name == "work" and run.state is RunState.SCHEDULED for run in runs)

    @property
    def pids(self) -> list[int]:
        """Of all that the functions have started, and of the workers."""
        files = [self.place / name for name in ("work", "daemon", "apart")]
        return [int(pid) for file in files if file.exists() for pid in file.read_text().split()]

    @property
    def left(self) -> list[int]:
        return [pid for pid in self.pids if is_alive(pid)]


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    """A directory; what the processes noted there are is killed after the test."""
    place = tmp_path / "place"
    place.mkdir()
    yield place
    for file in place.glob("[a-z]*[a-z]"):
        if file.name in ("work", "daemon", "apart"):
            for pid in filter(is_alive, map(int, file.read_text().split())):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def lost(places: Path) -> Lost:
    return Lost(places, "inline_pipeline")


def status_of(run_id: str) -> PipelineRunStatus:
    return open_record().pipeline_run(run_id).status


def test_nothing_of_it_is_left_when_functions_start_again(lost: Lost) -> None:
    run_sematic("resume", lost.run_id, cwd=lost.place)
    assert get_run_output(lost.run_id) == []


@pytest.mark.parametrize(("command", "status"), [("cancel", "CANCELED"), ("clean", "FAILED")])
def test_nothing_of_it_is_left_when_it_has_ended(lost: Lost, command: str, status: str) -> None:
    run_sematic(command, lost.run_id if command == "cancel" else "--yes")
    assert lost.left == []
    assert status_of(lost.run_id).value == status


def test_who_ends_it_may_be_one_of_its_processes(lost: Lost) -> None:
    """A terminal that a function has opened, say: neither it nor the command in it is ended."""
    program = "from sematic.cli import main; main()"
    command = f'{sys.executable} -c "{program}" cancel {lost.run_id}; echo lives on'
    marks = {ROOT_ID: lost.run_id, RUN_ID: lost.run_id, "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **marks}
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "Pipeline run was canceled successfully.\nlives on\n", done.stderr
    assert lost.left == []


def test_those_of_a_driver_elsewhere_are_left_alone(lost: Lost, config_directory: Path) -> None:
    """Processes of other machines, or of other containers, are told by nothing that is here."""
    execute(
        f"sqlite:///{config_directory}/sematic.db",
        "UPDATE pipeline_runs SET heartbeat_at = 5, driver = json_set(driver, '$.host', 'other')",
    )
    before = lost.left
    run_sematic("cancel", lost.run_id)
    assert lost.left == before
    assert status_of(lost.run_id) is PipelineRunStatus.CANCELED


@pytest.mark.ray
def test_its_ray_is_ended_before_functions_start_again(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a child that a function forked keeps the lock that says that it is in use."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as directory:
        monkeypatch.setenv("RAY_TMPDIR", directory)
        lost = Lost(places, "ray_pipeline")
        assert list(Path(directory).iterdir())
        run_sematic("resume", lost.run_id, cwd=lost.place)
        assert get_run_output(lost.run_id) == [[], []]
        assert list(Path(directory).iterdir()) == []
