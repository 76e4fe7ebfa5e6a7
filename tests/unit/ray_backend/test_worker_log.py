"""The logs of calls in a worker: whatever reaches descriptors 1 and 2."""

import subprocess
import sys
from pathlib import Path

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
