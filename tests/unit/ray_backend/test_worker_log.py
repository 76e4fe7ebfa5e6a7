"""The logs of calls in a worker: whatever reaches descriptors 1 and 2."""

import os
import subprocess
import sys
from pathlib import Path

from tests.disks import SmallDisk

CHATTY = """
import os, subprocess, sys
from sematic.ray_backend.worker_log import WorkerLog

log, directory = WorkerLog(), sys.argv[1]
print("before", flush=True)
with log.capture(f"{directory}/first-1.log"):
    print("python")
    print("error", file=sys.stderr)
    os.write(1, b"native\\n")
    subprocess.run(["echo", "child"], check=True)
with log.capture(f"{directory}/silent-1.log"):
    pass
try:
    with log.capture(f"{directory}/broken-1.log"):
        print("until it broke")
        raise ValueError
except ValueError:
    print("after")
open_now = len(os.listdir("/dev/fd"))
with log.capture(f"{directory}/last-1.log"):
    pass
assert len(os.listdir("/dev/fd")) <= open_now + 2, "descriptors are left open"
"""


def test_every_call_has_its_own_output_and_none_without_output(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "er"
    command = [sys.executable, "-c", CHATTY, str(directory)]
    done = subprocess.run(command, capture_output=True, check=True)
    logs = {path.name: path.read_text() for path in directory.glob("*.log")}
    assert set(logs) == {"first-1.log", "broken-1.log"}
    assert sorted(logs["first-1.log"].split()) == ["child", "error", "native", "python"]
    assert logs["broken-1.log"] == "until it broke\n"
    assert done.stdout == b"before\nafter\n"
    assert done.stderr == b""


FULL = """
import os, sys
from sematic.ray_backend.worker_log import WorkerLog

log, directory = WorkerLog(), sys.argv[1]
with log.capture(f"{directory}/first-1.log"):
    print("kept", flush=True)
with open(f"{directory}/filling", "wb") as file:
    found = os.statvfs(directory)
    os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize)
for number in range(3):
    with log.capture(f"{directory}/full{number}-1.log"):
        print("x" * 5000, flush=number == 1)  # as Ray's streams do
        print("to stderr", file=sys.stderr, flush=True)
    assert log.failure is not None
open_now = len(os.listdir("/dev/fd"))
with log.capture(f"{directory}/last-1.log"):
    print("y" * 5000)
assert len(os.listdir("/dev/fd")) == open_now, "descriptors are left open"
os.unlink(f"{directory}/filling")
with log.capture(f"{directory}/again-1.log"):
    print("kept again")
assert log.failure is None
print("end")
"""


def test_a_full_disk_is_no_reason_to_fail(small_disk: SmallDisk) -> None:
    command = [sys.executable, "-c", FULL, str(small_disk.path)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    logs = {path.name: path.read_text() for path in small_disk.path.glob("*.log")}
    assert logs["first-1.log"] == "kept\n"
    assert logs["again-1.log"] == "kept again\n"
    assert "full0-1.log cannot be written: [Errno 28] No space left on device" in done.stderr
    assert done.stdout.endswith("end\n")


WATCHED = """
import os, sys
from pathlib import Path
from sematic.ray_backend.worker_log import WorkerLog, find_worker

log, directory = WorkerLog(), sys.argv[1]
log.note_interrupt()  # nothing executes
with log.capture(f"{directory}/first-1.log"):
    print("something", flush=True)
    assert find_worker(Path(directory, "first-1.log")) == (os.getpid(), False)
    assert find_worker(Path(directory, "second-1.log")) is None
    log.note_interrupt()
    assert find_worker(Path(directory, "first-1.log")) == (os.getpid(), True)
with log.capture(f"{directory}/second-1.log"):
    assert find_worker(Path(directory, "second-1.log")) == (os.getpid(), False)
    assert find_worker(Path(directory, "first-1.log")) is None
"""


def test_the_worker_of_a_call_is_found_and_whether_it_was_interrupted(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WATCHED, str(tmp_path)], check=True)
