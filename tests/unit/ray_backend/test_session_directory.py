"""The directory of a Ray of our own is removed, whoever is left to do it."""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.ray_backend.session_directory import (
    SESSION,
    create_session_directory,
    find_processes,
    remove_abandoned_sessions,
)

KILLED = """
import os, signal
from sematic.ray_backend.session_directory import create_session_directory
print(create_session_directory().path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where they are made: a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as directory:
        monkeypatch.setenv("RAY_TMPDIR", directory)
        yield Path(directory)


def leave_directory() -> Path:
    """The directory of a process that was killed just now."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, check=False
    )
    path = Path(done.stdout.strip())
    assert path.is_dir()
    return path


def test_it_is_removed_by_who_made_it(base: Path) -> None:
    made = create_session_directory()
    assert list(base.iterdir()) == [made.path]
    made.remove()
    assert list(base.iterdir()) == []


def test_it_is_locked_against_who_deletes_old_files(base: Path) -> None:
    """systemd-tmpfiles takes such a lock on each directory, and passes over what it cannot lock."""
    made = create_session_directory()
    directory = os.open(made.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    made.remove()
    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(directory)


def test_that_of_a_killed_process_is_removed_at_once(base: Path) -> None:
    leave_directory()
    made = create_session_directory()
    assert list(base.iterdir()) == [made.path]
    made.remove()


def test_that_of_a_process_which_lives_stays(base: Path) -> None:
    made = create_session_directory()
    remove_abandoned_sessions()
    assert made.path.is_dir()
    made.remove()


def test_one_without_a_lock_may_be_about_to_get_it(base: Path) -> None:
    young, old = base / "sematic-ray-young", base / "sematic-ray-old"
    for path in (young, old):
        path.mkdir()
    os.utime(old, (0, 0))
    remove_abandoned_sessions()
    assert list(base.iterdir()) == [young]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("title", "is_rays"), [("ray::DashboardAgent", True), ("tail", False)])
def test_the_agents_of_a_killed_process_are_ended(base: Path, title: str, is_rays: bool) -> None:
    log = leave_directory() / "agent.log"
    log.touch()
    with log.open() as file:
        agent = subprocess.Popen([title, "60"], executable="/bin/sleep", stdin=file)
    while not Path(f"/proc/{agent.pid}/cmdline").read_bytes():
        time.sleep(0.01)  # the system has not written it yet
    try:
        remove_abandoned_sessions()
        assert list(base.iterdir()) == []
        if is_rays:
            assert agent.wait(30) == -9
        else:
            assert agent.poll() is None
    finally:
        agent.kill()
        agent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("title", "environment", "is_found"),
    [
        ("ray::RuntimeEnvAgent", {SESSION: "/tmp/a"}, True),
        ("/lib/ray/dashboard/agent.py", {SESSION: "/tmp/a"}, True),
        ("ray::RuntimeEnvAgent", {SESSION: "/tmp/b"}, False),  # of another Ray
        ("ray::RuntimeEnvAgent", {}, False),
        ("tail", {SESSION: "/tmp/a"}, False),  # started by a task
        ("/home/ray/tail", {SESSION: "/tmp/a", "SEMATIC_RUN_ID": "1"}, False),
    ],
)
def test_rays_processes_are_known_by_their_environment(
    title: str, environment: dict[str, str], is_found: bool
) -> None:
    process = subprocess.Popen([title, "60"], executable="/bin/sleep", env=environment)
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
        time.sleep(0.01)  # the system has not written it yet
    try:
        assert (process.pid in find_processes(Path("/tmp/a"))) == is_found
    finally:
        process.kill()
        process.wait()
