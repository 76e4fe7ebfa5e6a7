"""What a driver that was stopped has with Ray, when somebody else takes its pipeline run over."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.errors import FencedError
from sematic.ray_backend.session_directory import SessionDirectory, create_session_directory
from sematic.ray_backend.taking_over import (
    check_permit,
    create_permit,
    end_in_ray,
    find_executing,
    keep_permit,
    take_away,
)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionDirectory]:
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as base:  # short enough for sockets
        monkeypatch.setenv("RAY_TMPDIR", base)
        made = create_session_directory()
        yield made
        made.remove()


def test_no_call_begins_after_its_permit_was_taken_away(session: SessionDirectory) -> None:
    taken = [create_permit(session.path, "root-a") for _ in range(2)]
    other = create_permit(session.path, "root-b")
    end_in_ray("root-a")
    for permit in taken:
        with pytest.raises(FencedError, match="has taken the pipeline run over"):
            check_permit(str(permit))
    check_permit(str(other))  # of a pipeline run that shares the Ray
    check_permit(str(create_permit(session.path, "root-a")))  # of who has taken it over
    check_permit(None)  # a Ray that is not our own


def test_a_permit_that_was_tidied_away_means_nothing(session: SessionDirectory) -> None:
    permit = create_permit(session.path, "root-a")
    permit.unlink()
    check_permit(str(permit))  # nobody has taken the pipeline run over
    keep_permit(permit)
    end_in_ray("root-a")
    with pytest.raises(FencedError):
        check_permit(str(permit))


def test_a_permit_that_was_taken_away_does_not_come_back(session: SessionDirectory) -> None:
    """Its driver keeps it until it hears of that."""
    permit = create_permit(session.path, "root-a")
    end_in_ray("root-a")
    keep_permit(permit)
    end_in_ray("root-a")  # somebody else takes the pipeline run over then
    take_away(permit)
    with pytest.raises(FencedError):
        check_permit(str(permit))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("title", "root_id", "is_ended"),
    [
        ("ray::execute_remotely", "root-a", True),
        ("ray::execute_remotely", "root-b", False),  # in the same Ray
        ("tail", "root-a", False),  # no worker of Ray: the user's
    ],
)
def test_only_the_workers_of_the_pipeline_run_are_ended(
    session: SessionDirectory, tmp_path: Path, title: str, root_id: str, is_ended: bool
) -> None:
    log = tmp_path / "logs" / root_id / "run-1.log"
    log.parent.mkdir(parents=True)
    with log.open("wb") as output:
        worker = subprocess.Popen([title, "60"], executable="/bin/sleep", stdout=output)
    while not Path(f"/proc/{worker.pid}/cmdline").read_bytes():
        time.sleep(0.01)  # the system has not written it yet
    try:
        assert (worker.pid in find_executing("root-a")) == is_ended
        end_in_ray("root-a")
        assert (worker.wait(30) == -9) if is_ended else (worker.poll() is None)
    finally:
        worker.kill()
        worker.wait()
