"""A pipeline run that a process of its own drives, until it is let go on, cancelled or killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sematic.states import RunState
from sematic.tracking.queries import open_queries

_PROGRAM = """
    import pathlib, sys, time, sematic

    @sematic.func
    def wait(gate: str) -> int:
        deadline = time.monotonic() + 120
        while not pathlib.Path(gate).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return 7

    @sematic.func
    def pipeline(gate: str) -> int:
        return wait(gate)

    future = pipeline(sys.argv[1])
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""


def run_until_killed(program: str, config_directory: Path | None = None) -> str:
    """What a program prints, without spaces around it, which ends itself by SIGKILL.

    Args:
        program: its text.
        config_directory: other than that of the test.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if config_directory is not None:
        environment = {k: v for k, v in environment.items() if not k.startswith("SEMATIC_")}
        environment["SEMATIC_CONFIG_DIR"] = str(config_directory)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    return done.stdout.strip()


class Driver:
    """The process, and the pipeline run that it drives: ``pipeline``, with ``wait`` nested in it.

    Attributes:
        gate: a file that lets ``wait`` return 7 when it is there.
        run_id: of the pipeline run.
        nested_id: of the run of ``wait``, which executes.
    """

    def __init__(self, directory: Path) -> None:
        self.gate = directory / "gate"
        arguments = [sys.executable, "-c", textwrap.dedent(_PROGRAM), str(self.gate)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.run_id = self.process.stdout.readline().strip()
        self.nested_id = ""

    def wait_until_recorded(self, url: str) -> None:
        """Return when the record says that it executes."""
        deadline = time.monotonic() + 60
        while not self.nested_id:
            assert time.monotonic() < deadline
            for run in open_queries(url).runs(self.run_id):
                if run.state is RunState.SCHEDULED and run.name == "wait":
                    self.nested_id = run.id
            time.sleep(0.02)

    def stop(self, record: Path) -> None:
        """Let the process do nothing more, without the lock of its SQLite record."""
        deadline = time.monotonic() + 60
        while True:
            self.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
            if not _is_locked(record):
                return
            assert time.monotonic() < deadline
            self.process.send_signal(signal.SIGCONT)
            time.sleep(0.02)

    def kill(self) -> None:
        """End the process as nobody can prevent."""
        self.process.kill()
        self.process.wait()


def _is_locked(record: Path) -> bool:
    with closing(sqlite3.connect(record, isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
    return False


@pytest.fixture
def driver(tmp_path: Path, config_directory: Path) -> Iterator[Driver]:
    """One whose pipeline run executes, and is recorded in the config directory."""
    made = Driver(tmp_path)
    try:
        made.wait_until_recorded(f"sqlite:///{config_directory}/sematic.db")
        yield made
    finally:
        made.process.kill()
        made.process.communicate()
