"""An inline function that starts a Ray of its own in the process of the pipeline run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.programs import ROOT
from tests.integration.ray.processes import children_of, wait_until_gone
from tests.waiting import wait_until

pytestmark = pytest.mark.ray

_PROGRAM = """
import sys, time
from pathlib import Path
import sematic

def for_ever(started: str) -> None:
    Path(started).touch()
    time.sleep(600)

if sys.argv[2] == "in ray.get":
    import ray

@sematic.func
def inline(started: str) -> int:
    import ray
    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=1,
             logging_level="ERROR", _node_ip_address="127.0.0.1")
    task = ray.remote(num_cpus=0)(for_ever).remote(started)
    if sys.argv[2] == "in ray.get":
        ray.get(task)
    time.sleep(600)
    return 1

if __name__ == "__main__":
    try:
        sematic.LocalRunner(progress="off").run(inline(sys.argv[1]))
    except sematic.CancellationError as error:
        print(error, sys.modules["ray"].is_initialized(), flush=True)
"""


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("in ray.get", signal.SIGINT),
        ("in ray.get", signal.SIGTERM),
        ("asleep", signal.SIGTERM),
    ],
)
def test_it_ends_with_the_function_and_not_before_the_process_knows(
    tmp_path: Path, where: str, how: signal.Signals
) -> None:
    """Ray ends a process a minute after it has lost Ray's own; its ray.get() hears only Ctrl-C.

    And ray.init() takes SIGTERM.
    """
    (tmp_path / "program.py").write_text(_PROGRAM)
    started = tmp_path / "started"
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(started), where],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: started.exists() or program.poll() is not None, seconds=90)
    assert program.poll() is None
    left = [child.pid for child in children_of(program.pid)]
    program.send_signal(how)
    output, _ = program.communicate(timeout=30)
    assert output == f"Canceled by {how.name}. False\n"
    wait_until_gone(left, 20)
