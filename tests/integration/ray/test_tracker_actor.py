"""The actor that writes the record while Ray is up."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import sematic
from sematic.client import open_record
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result
from tests.integration.ray.processes import children, wait_until_gone

pytestmark = pytest.mark.ray

Run = Callable[..., Result]


def wait_for_host(record: Path) -> int:
    """The actor's process once it has the record open, which it opens to write."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in children():
            if not process.name().startswith("ray::TrackerHost"):
                continue
            if any(Path(file.path) == record for file in process.open_files()):
                return int(process.pid)
        time.sleep(0.02)
    raise AssertionError("no actor writes")


@sematic.func
def work_until(gate: str, n: int) -> list[int]:
    """Inline and standalone functions, one after the other, until a file is there."""
    return [functions.square(i) for i in range(n)] + [functions.wait_for(gate, 0.0)]


@sematic.func
def look(record: str, gate: str, before: list[int]) -> int:
    """Waits until the actor writes, and opens the gate. Returns its process id."""
    pid = wait_for_host(Path(record))
    Path(gate).touch()
    return pid


@sematic.func
def watched(record: str, gate: str, n: int) -> tuple[int, list[int]]:
    before = [functions.square(i) for i in range(n)]
    return look(record, gate, before), work_until(gate, n)


def test_the_actor_writes_the_record(run: Run, config_directory: Path, tmp_path: Path) -> None:
    record = config_directory / "sematic.db"
    result = run(watched(str(record), str(tmp_path / "gate"), 20))
    assert result.error is None
    pid, values = result.value
    assert pid != os.getpid()
    assert len(values) == 21
    wait_until_gone([pid])


@sematic.func
def kill(record: str, gate: str, before: list[int]) -> int:
    """Kills the actor while others record, and opens the gate."""
    pid = wait_for_host(Path(record))
    os.kill(pid, signal.SIGKILL)
    Path(gate).touch()
    return pid


@sematic.func
def interrupted(record: str, gate: str, n: int) -> tuple[int, list[int], list[int]]:
    before = [functions.square(i) for i in range(n)]
    during = [functions.square(i) for i in range(n)]
    return kill(record, gate, before), during, work_until(gate, n)


def test_nothing_is_lost_or_doubled_when_the_actor_dies(
    run: Run, config_directory: Path, tmp_path: Path
) -> None:
    record = config_directory / "sematic.db"
    result = run(interrupted(str(record), str(tmp_path / "gate"), 100))
    assert result.error is None
    assert result.value[1] == [i * i for i in range(100)]
    runs = open_record().runs(result.root_id)
    assert Counter(run.name for run in runs) == {
        "square": 300,
        "wait_for": 1,
        "kill": 1,
        "work_until": 1,
        "interrupted": 1,
    }
    assert {run.state.value for run in runs} == {"RESOLVED"}
    numbers, kinds = read_events(record, result.root_id)
    assert numbers == list(range(len(numbers)))
    assert kinds["CallEnded"] == len(runs)


def read_events(record: Path, root_id: str) -> tuple[list[int], Counter[str]]:
    import sqlite3

    connection = sqlite3.connect(record)
    rows = connection.execute(
        "SELECT seq, kind FROM events WHERE root_id = ? ORDER BY seq", (root_id,)
    ).fetchall()
    connection.close()
    return [seq for seq, _ in rows], Counter(kind for _, kind in rows)


def test_a_short_pipeline_run_does_not_wait_for_the_actor(
    run: Run, ray_session: ModuleType
) -> None:
    run(functions.add(1, 2))
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        run(functions.add(1, 2))
        seconds.append(time.monotonic() - start)
    start = time.monotonic()
    actor = ray_session.remote(Nothing).options(num_cpus=0).remote()
    ray_session.get(actor.ready.remote())
    assert min(seconds) < time.monotonic() - start
    ray_session.kill(actor)


class Nothing:
    def ready(self) -> None:
        pass
