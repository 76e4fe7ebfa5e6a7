"""A process is alive, gone, or on another machine."""

import os
import subprocess
import sys
import time

from sematic.tracking.processes import describe_process, is_alive


def test_this_process_is_alive():
    assert is_alive(describe_process()) is True


def test_a_process_that_was_killed_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    described = describe_process(child.pid)
    assert is_alive(described) is True
    child.kill()
    child.wait()
    assert is_alive(described) is False


def test_a_zombie_is_gone():
    """Its parent has not asked how it ended: the system keeps its number."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "input()"], os.environ)
    described = describe_process(pid)
    os.kill(pid, 9)
    deadline = time.monotonic() + 10
    while is_alive(described) and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        assert is_alive(described) is False
    finally:
        os.waitpid(pid, 0)


def test_another_process_with_the_same_number_is_not_taken_for_it():
    assert is_alive({**describe_process(), "started": "0"}) is False


def test_nothing_is_known_of_other_machines():
    assert is_alive({**describe_process(), "host": "elsewhere.example"}) is None
