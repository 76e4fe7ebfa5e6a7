"""Signals while Ray is up: they go where they went before, whoever has started that Ray."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.programs import ROOT, run_python
from tests.integration.ray.processes import children_of, wait_until_gone
from tests.waiting import wait_until

pytestmark = pytest.mark.ray

_PROGRAM = """
import hashlib, os, signal, subprocess, sys, time
import sematic

started = sys.argv[1]
signal.signal(signal.SIGALRM, lambda *_: print("somebody else's alarm", flush=True))

@sematic.func
def inline(n: int) -> int:
    subprocess.Popen(["sleep", "600"])
    while not os.path.exists(started):
        time.sleep(0.05)
    open(started + ".inline", "w").close()
    end = time.monotonic() + 5  # seconds in C code, which no signal interrupts
    while time.monotonic() < end:
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 12_000_000)
    return n

@sematic.func(standalone=True)
def apart(n: int) -> int:
    open(started, "w").close()
    time.sleep(600)
    return n

@sematic.func
def pipeline(n: int) -> list[int]:
    return [inline(n), apart(n)]

if __name__ == "__main__":
    if sys.argv[2] == "before":
        import ray
        ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=1,
                 logging_level="ERROR", _node_ip_address="127.0.0.1")
    try:
        sematic.LocalRunner(progress="off").run(pipeline(1))
    except sematic.CancellationError as error:
        print(error, flush=True)
        time.sleep(4)  # an alarm would come by now
        print("goes on", flush=True)
"""


@pytest.mark.parametrize("ray", ["own", "before"])
def test_sigterm_only_cancels_while_ray_is_up(tmp_path: Path, ray: str) -> None:
    """However long that takes: in C Ray replaces the handler by one that aborts after 3 seconds."""
    (tmp_path / "program.py").write_text(_PROGRAM)
    started = tmp_path / "started"
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(started), ray],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: started.with_suffix(".inline").exists() or program.poll() is not None)
    assert program.poll() is None
    left = [child.pid for child in children_of(program.pid)]
    program.send_signal(signal.SIGTERM)
    output, _ = program.communicate(timeout=180)
    assert program.returncode == 0, output
    said, goes_on = output.splitlines()
    assert "Canceled by SIGTERM" in said
    assert goes_on == "goes on"
    wait_until_gone(left, 20)


_STARTED_MEANWHILE = """
import signal, threading, time
import ray
from sematic.ray_backend.cluster import LocalRay

up = threading.Event()

def start():
    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=1,
             logging_level="ERROR", _node_ip_address="127.0.0.1")
    up.set()
    time.sleep(600)  # Ray ends with its thread

signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
threading.Thread(target=start, daemon=True).start()
up.wait()
LocalRay().enter()
signal.raise_signal(signal.SIGTERM)
time.sleep(4)
print("goes on", flush=True)
"""


def test_a_ray_that_user_code_has_started_since_takes_no_signal_either() -> None:
    """In another thread, since the runner put its handlers there."""
    assert run_python("-c", _STARTED_MEANWHILE) == "heard\ngoes on\n"


_ENDED = """
import signal, threading
from sematic.ray_backend.cluster import LocalRay

heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))

def use(shut_down):
    mine = LocalRay()
    ray = mine.enter()
    if shut_down:
        ray.shutdown()
        signal.raise_signal(signal.SIGTERM)
    mine.leave()

for shut_down in (False, True):  # by the last pipeline run that uses it, by code of the user's
    thread = threading.Thread(target=use, args=[shut_down])
    thread.start()
    thread.join()
    signal.raise_signal(signal.SIGTERM)
print(len(heard))
"""


def test_a_ray_that_has_ended_leaves_sigterm_to_who_had_it() -> None:
    """Ray's C code sets it to the default: the process would end at once, without a word."""
    assert run_python("-c", _ENDED) == "3\n"
