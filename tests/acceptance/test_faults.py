"""Full disks, locks, missing permissions and processes that end, under pipelines in scripts."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from sematic.client import open_record
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.ballast import Ballast
from sematic.tracking.processes import start_time
from sematic.tracking.views import PipelineRunRow
from tests.acceptance.programs import ROOT, run_python, run_sematic
from tests.disks import SmallDisk

FUNCTIONS = """
import os, sys, time
from pathlib import Path

import numpy as np
import sematic
from tests.waits import wait_until_recorded


def count(name: str) -> None:
    with open("executed", "a") as file:
        file.write(name + "\\n")


@sematic.func
def record_much(i: int) -> str:
    count("record_much")
    return f"{i:02000}"


@sematic.func
def leave_daemon() -> int:
    import subprocess
    command = "setsid sleep 300 > /dev/null 2>&1 & echo $! > daemon"
    subprocess.run(["sh", "-c", command], check=True)
    count("leave_daemon")
    time.sleep(60)
    return 1


@sematic.func
def number_of(values: list[str]) -> int:
    return len(values)


@sematic.func
def pipeline(n: int) -> int:
    return number_of([record_much(i) for i in range(n)])


@sematic.func(standalone=True)
def record_much_apart(i: int) -> str:
    count("record_much_apart")
    time.sleep(0.01)
    return f"{i:012000}"


@sematic.func(standalone=True)
def nap() -> str:
    time.sleep(60)
    return "slept"


@sematic.func
def apart(n: int) -> int:
    return number_of([nap(), *(record_much_apart(i) for i in range(n))])


@sematic.func
def large(n: int) -> np.ndarray:
    count("large")
    return np.arange(n)


@sematic.func
def two_arrays(n: int) -> list[np.ndarray]:
    return [large(10), large(n)]


@sematic.func
def step(x: int) -> int:
    count("step")
    time.sleep(0.02)
    return x + 1


@sematic.func
def steps(n: int) -> int:
    x = 0
    for _ in range(n):
        x = step(x)
    return x


@sematic.func
def leave(x: int) -> int:
    count("leave")
    if not Path("again").exists():
        wait_until_recorded()
        os._exit(3)
    return x + 1


@sematic.func
def leaves() -> int:
    return step(leave(step(0)))


@sematic.func
def exits() -> int:
    return step(stop(step(0)))


@sematic.func
def stop(x: int) -> int:
    sys.exit("enough")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where scripts are run."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    return tmp_path


def program(call: str, *, runner: str = "") -> tuple[str, str]:
    return "-c", f"from functions import *; print(sematic.LocalRunner({runner}).run({call}))"


def start(home: Path, call: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *program(call)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def executed(home: Path) -> list[str]:
    path = home / "executed"
    return path.read_text().split() if path.exists() else []


def wait_until_executed(home: Path, count: int) -> None:
    deadline = time.monotonic() + 180
    while len(executed(home)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def only_pipeline_run() -> PipelineRunRow:
    (found,) = open_record().pipeline_runs()
    return found


def check_integrity(record: Path) -> None:
    with closing(sqlite3.connect(record)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_that_all_is_told(record: Path) -> None:
    """Nothing is left that runs, and people can see why."""
    check_integrity(record)
    found = only_pipeline_run()
    assert found.status is PipelineRunStatus.FAILED
    assert f"No space is left for the record at {record}" in str(found.reason)
    assert {run.state for run in open_record().runs(found.root_id)} <= {
        *(RunState.RESOLVED, RunState.FAILED, RunState.NESTED_FAILED, RunState.CANCELED)
    }
    shown = run_sematic("show", found.root_id)
    assert "FAILED" in shown
    assert "No space is left" in shown


# --- a full disk


@pytest.fixture
def record(small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the record is: on the small disk, with the artifacts elsewhere."""
    monkeypatch.setenv("SEMATIC_DATABASE_URL", f"sqlite:///{small_disk.path}/sematic.db")
    return small_disk.path / "sematic.db"


def test_a_full_disk_of_the_record(home: Path, record: Path, small_disk: SmallDisk) -> None:
    running = start(home, "pipeline(9000)")
    wait_until_executed(home, 20)
    assert Ballast(record).path.exists()
    small_disk.fill(but=1_000_000)
    out, told = running.communicate(timeout=300)
    assert running.returncode == 1
    assert out == ""
    assert f"RecordFullError: No space is left for the record at {record}" in told
    assert "rerun_from" in told
    assert not Ballast(record).path.exists()
    assert len(executed(home)) < 9000
    check_that_all_is_told(record)
    small_disk.make_room()
    assert run_python(*program("steps(2)"), cwd=home) == "2\n"
    assert Ballast(record).path.exists()


@pytest.mark.ray
def test_a_full_disk_under_the_actor(home: Path, record: Path, small_disk: SmallDisk) -> None:
    """Standalone functions that execute are ended."""
    running = start(home, "apart(1000)")
    wait_until_executed(home, 200)
    small_disk.fill(but=1_000_000)
    _, told = running.communicate(timeout=300)
    assert running.returncode == 1
    assert f"RecordFullError: No space is left for the record at {record}" in told
    check_that_all_is_told(record)


def test_who_is_killed_on_a_full_disk_leaves_a_record_that_opens(
    home: Path, record: Path, small_disk: SmallDisk
) -> None:
    for instant in (0.0, 0.02, 0.1, 0.3):
        running = start(home, "pipeline(9000)")
        wait_until_executed(home, 50)
        Ballast(record).free()
        small_disk.fill()
        time.sleep(instant)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        check_integrity(record)
        small_disk.make_room()
        (home / "executed").unlink()
        check_integrity(record)
    assert {run.shown_status for run in open_record().pipeline_runs()} == {"DRIVER LOST"}


def test_a_full_disk_of_artifacts(
    home: Path, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = small_disk.path / "artifacts"
    monkeypatch.setenv("SEMATIC_ARTIFACTS_URI", str(artifacts))
    told = run_python(*program("two_arrays(20_000_000)"), cwd=home, code=1)
    expected = (
        f"Cannot write to the artifact store {artifacts}: no space left. Free some, or set "
        "SEMATIC_ARTIFACTS_URI to another location."
    )
    assert expected in told
    found = only_pipeline_run()
    assert found.status is PipelineRunStatus.FAILED
    failed = [r for r in open_record().runs(found.root_id) if r.state is RunState.FAILED]
    assert [(run.name, run.error and run.error.message) for run in failed] == [("large", expected)]
    assert [path for path in artifacts.rglob("*") if path.name.startswith(".writing")] == []


# --- locks


@pytest.mark.parametrize(("seconds", "lease"), [(5, 30), (12, 4)])
def test_a_locked_record_is_waited_for(
    home: Path,
    config_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    lease: int,
) -> None:
    """Also for longer than the lease of the driver lasts, and than who writes waits for a lock.

    Once it is over, nothing begins before the record can be used again.
    """
    monkeypatch.setenv("SEMATIC_LEASE_SECONDS", str(lease))
    record = config_directory / "sematic.db"
    running = start(home, "steps(200)")
    wait_until_executed(home, 10)
    with closing(sqlite3.connect(record, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = len(executed(home))
        time.sleep(seconds)
        if seconds < lease:
            assert len(executed(home)) > before + 20, "inline functions go on meanwhile"
        else:
            assert len(executed(home)) < 200
        other.execute("ROLLBACK")
    out, told = running.communicate(timeout=180)
    assert (running.returncode, out) == (0, "200\n"), told
    assert f"sematic: Another process has locked the record at {record}. Waiting for it" in told
    assert "sematic: The record can be used again." in told
    assert len(executed(home)) == 200
    found = only_pipeline_run()
    assert found.status is PipelineRunStatus.COMPLETE
    assert {run.state for run in open_record().runs(found.root_id)} == {RunState.RESOLVED}


def test_a_record_that_is_locked_when_it_begins(home: Path, config_directory: Path) -> None:
    run_python(*program("steps(1)"), cwd=home)
    record = config_directory / "sematic.db"
    with closing(sqlite3.connect(record, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        running = start(home, "steps(2)")
        told = ""
        while "has locked the record" not in told:
            line = running.stderr.readline()
            assert line, told
            told += line
        other.execute("ROLLBACK")
        out, rest = running.communicate(timeout=180)
    assert (running.returncode, out) == (0, "2\n"), told + rest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_daemons_end_though_the_record_does_not_tell_whose_they_are(
    home: Path, config_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked for so long that another driver may have taken over; in the end none has."""
    monkeypatch.setenv("SEMATIC_LEASE_SECONDS", "2")
    running = start(home, "leave_daemon()")
    wait_until_executed(home, 1)
    daemon = int((home / "daemon").read_text())
    time.sleep(0.5)  # the call is recorded
    record = config_directory / "sematic.db"
    with closing(sqlite3.connect(record, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(2.5)
        running.send_signal(signal.SIGINT)
        time.sleep(5)
        other.execute("ROLLBACK")
    _, told = running.communicate(timeout=60)
    assert "Canceled by SIGINT" in told
    assert only_pipeline_run().status is PipelineRunStatus.CANCELED
    assert start_time(daemon) is None


# --- what cannot be written


def test_a_record_that_is_read_only(home: Path, record: Path, small_disk: SmallDisk) -> None:
    run_python(*program("steps(1)"), cwd=home)
    (home / "executed").unlink()
    small_disk.make_read_only()
    told = run_python(*program("steps(2)"), cwd=home, code=1)
    assert f"RecordError: Cannot write the record at {record}" in told
    assert "SEMATIC_CONFIG_DIR" in told
    assert executed(home) == []


def test_artifacts_that_are_read_only(
    home: Path, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, config_directory: Path
) -> None:
    monkeypatch.setenv("SEMATIC_ARTIFACTS_URI", str(small_disk.path / "artifacts"))
    small_disk.make_read_only()
    told = run_python(*program("steps(2)"), cwd=home, code=1)
    assert f"Cannot write to the artifact store {small_disk.path}/artifacts" in told
    assert "SEMATIC_ARTIFACTS_URI" in told
    assert executed(home) == []
    assert not (config_directory / "sematic.db").exists()


def test_a_damaged_record(home: Path, config_directory: Path) -> None:
    config_directory.mkdir()
    record = config_directory / "sematic.db"
    record.write_bytes(b"SQLite format 3\0" + b"\xff" * 10_000)
    told = run_python(*program("steps(2)"), cwd=home, code=1)
    assert f"RecordError: Cannot use the record at {record}: it is damaged" in told
    assert executed(home) == []
    assert record.read_bytes() == b"SQLite format 3\0" + b"\xff" * 10_000


# --- functions that end their process


def test_a_function_that_leaves_its_process_is_gone_on_from(home: Path) -> None:
    run_python(*program("leaves()"), cwd=home, code=3)
    assert executed(home) == ["step", "leave"]
    found = only_pipeline_run()
    assert found.shown_status == "DRIVER LOST"
    assert "DRIVER LOST" in run_sematic("show", found.root_id)
    (home / "again").touch()
    run_sematic("resume", found.root_id[:8], cwd=home)
    assert executed(home) == ["step", "leave", "leave", "step"]
    assert only_pipeline_run().status is PipelineRunStatus.COMPLETE


def test_a_function_that_exits_has_failed(home: Path) -> None:
    told = run_python(*program("exits()"), cwd=home, code=1)
    assert "SystemExit: enough" in told
    found = only_pipeline_run()
    assert found.status is PipelineRunStatus.FAILED
    states = {run.name: run.state for run in open_record().runs(found.root_id)}
    assert states["stop"] is RunState.FAILED
    assert states["exits"] is RunState.NESTED_FAILED
