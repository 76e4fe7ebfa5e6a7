"""The end of a Ray of our own."""

import subprocess
import sys
import time

import psutil
import pytest

from sematic.ray_backend.own_ray import _end

# Has a child that has ended, and takes no note of it; then one that does not end by itself.
_PARENT = """
import os, sys, time
child = os.fork()
if child == 0:
    os._exit(0)
print(child, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nobody_waits_for_processes_that_have_ended_without_notice() -> None:
    """As those of Ray do when their parents have ended before them, until the system comes by."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    while child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    try:
        began = time.monotonic()
        _end([child])
        assert time.monotonic() - began < 0.1
        _end([psutil.Process(parent.pid), child])
        assert parent.wait(1) == -9
        assert time.monotonic() - began < 1.0
    finally:
        parent.kill()
        parent.wait()
