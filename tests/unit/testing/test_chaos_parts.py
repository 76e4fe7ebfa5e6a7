"""The parts of sematic.testing.chaos; experiments are in tests/acceptance/chaos."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sematic.testing import chaos
from sematic.testing.chaos.executions import Execution, read_executions
from sematic.testing.chaos.moments import choose_moments
from sematic.testing.chaos.processes import Family

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PARENT = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(sleep, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


@dataclass
class Parent:
    """A process with a child."""

    process: "subprocess.Popen[str]"
    child: int

    @property
    def pid(self) -> int:
        return self.process.pid


@pytest.fixture
def parent() -> Iterator[Parent]:
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    parent = Parent(process, int(process.stdout.readline()))
    yield parent
    for pid in (parent.pid, parent.child):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def make_scene(pid: int, path: Path, family: Family) -> chaos.Scene:
    driver = family.find(pid)
    assert driver is not None
    return chaos.Scene(
        driver=driver,
        environment={},
        database_url=f"sqlite:///{path}",
        random=random.Random(0),
        look=family.look,
    )


def test_orphans_stay_in_the_family(parent: Parent) -> None:
    family = Family()
    family.add(parent.pid)
    assert [process.pid for process in family.look()] == [parent.pid, parent.child]
    parent.process.kill()
    parent.process.wait()
    assert [process.pid for process in family.look()] == [parent.child]
    family.kill()
    deadline = time.monotonic() + 30
    while family.look():
        assert time.monotonic() < deadline
    assert family.find(parent.child) is None


def test_a_driver_is_stopped_and_goes_on(parent: Parent, tmp_path: Path) -> None:
    family = Family()
    family.add(parent.pid)
    fault = chaos.StopDriver(seconds=1)
    text = fault.strike(make_scene(parent.pid, tmp_path / "x.db", family))
    assert text == f"stopped driver {parent.pid} for 1.0 s"
    wait_until_stopped(family, parent.pid, stopped=True)
    fault.heal()
    wait_until_stopped(family, parent.pid, stopped=False)


def wait_until_stopped(family: Family, pid: int, *, stopped: bool) -> None:
    deadline = time.monotonic() + 30
    while (process := family.find(pid)) is None or process.is_stopped is not stopped:
        assert time.monotonic() < deadline


def test_a_driver_is_killed(parent: Parent, tmp_path: Path) -> None:
    family = Family()
    family.add(parent.pid)
    scene = make_scene(parent.pid, tmp_path / "x.db", family)
    assert chaos.KillDriver().strike(scene) == f"killed driver {parent.pid}"
    assert parent.process.wait(30) == -signal.SIGKILL
    assert chaos.KillDriver().strike(scene) is None
    assert chaos.KillWorker().strike(scene) is None


def test_the_record_is_locked_for_a_while(parent: Parent, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    family = Family()
    family.add(parent.pid)
    scene = make_scene(parent.pid, path, family)
    fault = chaos.LockRecord(seconds=60)
    assert fault.strike(scene) is None, "there is nothing to lock yet"
    connection = sqlite3.connect(path, timeout=0.01, isolation_level=None)
    connection.execute("CREATE TABLE t (x)")
    assert fault.strike(scene) == "locked the record for 60.0 s"
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        connection.execute("INSERT INTO t VALUES (1)")
    fault.heal()
    connection.execute("INSERT INTO t VALUES (1)")
    connection.close()


def test_a_disk_is_filled(parent: Parent, tmp_path: Path) -> None:
    family = Family()
    family.add(parent.pid)
    try:
        with chaos.small_disk(megabytes=2) as disk:
            fault = chaos.FillDisk(disk)
            fault.strike(make_scene(parent.pid, tmp_path / "x.db", family))
            with pytest.raises(OSError, match="No space"):
                (disk / "more").write_bytes(bytes(8192))
            fault.heal()
            (disk / "more").write_bytes(bytes(8192))
    except PermissionError as error:
        pytest.skip(str(error))


def test_moments_are_chosen_by_chance_alone() -> None:
    def choose(seed: int) -> list[chaos.Strike]:
        fixed = chaos.Strike(chaos.KillRaylet(), calls=5)
        faults = [chaos.KillDriver(), fixed, chaos.KillWorker()]
        return choose_moments(faults, random.Random(seed), calls=20)

    assert choose(1) == choose(1)
    assert choose(1) != choose(2)
    assert [s for s in choose(1) if s.calls == 5 and s.seconds == 0.0] == [
        chaos.Strike(chaos.KillRaylet(), calls=5)
    ]
    assert all(0 <= s.calls < 20 for s in choose(3))
    assert choose(1) == sorted(choose(1), key=lambda strike: strike.calls)


def test_executions_are_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert read_executions(log) == []
    lines = ["begin r a f 1 7 1.0", "begin r b g 1 8 2.0", "end r a f 1 7 3.0"]
    log.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    assert read_executions(log) == [
        Execution("r", "a", "f", 1, 7, 1.0, 3.0),
        Execution("r", "b", "g", 1, 8, 2.0, None),
    ]
    with log.open("a") as file:
        file.write("begin\tr\tc")  # half-written, at this moment
    assert len(read_executions(log)) == 2
