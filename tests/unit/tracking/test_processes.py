"""A process is alive, gone, or on another machine."""

import os
import subprocess
import sys
import time

from sematic.tracking.processes import describe_process, has_let_go, is_alive


def test_this_process_is_alive():
    assert is_alive(describe_process()) is True


def test_a_process_that_was_killed_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    described = describe_process(child.pid)
    assert is_alive(described) is True
    child.kill()
    child.wait()
    assert is_alive(described) is False


def test_a_process_that_ends_while_it_is_looked_at_has_let_go():
    """It was alive a moment ago, says its record."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    described = {**describe_process(child.pid), "mark": "a-mark"}
    child.kill()
    child.communicate()
    assert has_let_go(described) is True


def test_a_zombie_is_gone():
    """Its parent has not asked how it ended: the system keeps its number."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "input()"], os.environ)
    described = describe_process(pid)
    os.kill(pid, 9)
    deadline = time.monotonic() + 60
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


def test_a_number_means_nothing_in_another_container():
    assert is_alive({**describe_process(), "pid_namespace": "pid:[1]"}) is None


def test_a_machine_that_was_restarted_runs_nothing_of_before():
    """Start times count from the start of the machine: the same one may come again."""
    described = describe_process()
    assert is_alive({**described, "boot": "before"}) is (False if described["machine"] else None)


def test_another_machine_of_the_same_name_is_not_taken_for_this_one():
    assert is_alive({**describe_process(), "boot": "other", "machine": "other"}) is None


def test_descriptions_of_older_versions_are_understood():
    described = describe_process()
    older = {name: described[name] for name in ("host", "pid", "started")}
    assert is_alive(older) is True
    assert is_alive({**older, "started": "0"}) is False
