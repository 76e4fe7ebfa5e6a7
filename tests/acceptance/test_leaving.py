"""Ctrl-C, SIGTERM and SIGHUP, as they reach a script: the first cancels, a second Ctrl-C leaves."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sematic.client import open_record
from tests.acceptance.programs import ROOT

# The programs would go on for a minute.
_AT_ONCE = 45  # seconds, on a busy machine

_BEGINNING = """
import signal, sys, threading, time
import sematic

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGURG)
BEFORE = [signal.getsignal(number) for number in NUMBERS]

def run(future):
    try:
        return sematic.LocalRunner(progress="off").run(future)
    finally:
        restored = [signal.getsignal(number) for number in NUMBERS] == BEFORE
        print("restored" if restored else "changed", flush=True)

def ready():
    print("ready", flush=True)
"""

_SLEEPS = """
@sematic.func
def work() -> int:
    ready()
    time.sleep(60)
    return 1

run(work())
"""

_CLEANS_UP = """
@sematic.func
def work() -> int:
    try:
        ready()
        time.sleep(60)
    finally:
        print("cleaning up", flush=True)
        time.sleep(60)
    return 1

run(work())
"""

# Else what is to be left would be over on a busy machine before the second Ctrl-C comes.
_TAKES_ITS_TIME = (
    "import sematic.interruption\nsematic.interruption._SECONDS_TO_CLEAN_UP = 30.0\n" + _CLEANS_UP
)

_STORES = """
class Slow:
    def __reduce__(self):
        ready()
        time.sleep(60)

@sematic.func
def work() -> object:
    return Slow()

run(work())
"""

_HANGS_WHEN_IT_CLOSES = """
from sematic.engine import Engine
from sematic.execution import build_root_call
from sematic.ports import PipelineRunInfo
from sematic.testing import ManualExecutor, MemoryStore, MemoryTracker

class Stuck(ManualExecutor):
    def start(self, start, report):
        ready()
        super().start(start, report)

    def close(self):
        print("closing", flush=True)
        time.sleep(60)

@sematic.func(standalone=True)
def work() -> int:
    return 1

future, store = work(), MemoryStore()
engine = Engine(
    store=store, tracker=MemoryTracker(), standalone=Stuck(time.time), clock=time.time
)
info = PipelineRunInfo(future.id, "work", "work", "None", time.time(), "0")
try:
    engine.run(build_root_call(future, store), info)
finally:
    print("left", flush=True)
"""

_IN_A_THREAD = """
interrupted, ended = threading.Event(), threading.Event()

@sematic.func
def work() -> int:
    ready()
    interrupted.wait(60)
    return 1

def work_there():
    print(run(work()), flush=True)
    ended.set()

threading.Thread(target=work_there).start()
try:
    ended.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    interrupted.set()
ended.wait()
"""


class Script:
    """A Python program that is sent signals.

    Args:
        arguments: of Python, where they are not only the path.
    """

    def __init__(self, path: Path, code: str, arguments: Sequence[str]) -> None:
        path.write_text(_BEGINNING + code)
        self.process = subprocess.Popen(
            [sys.executable, *(arguments or [str(path)])],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def expect(self, line: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{line}\n"

    def send(self, number: int) -> None:
        time.sleep(0.1)  # it sleeps by now
        self.process.send_signal(number)

    def read_errors_until(self, text: str) -> None:
        assert self.process.stderr is not None
        while text not in (line := self.process.stderr.readline()):
            assert line, f"{text!r} was never written"

    def end(self, seconds: float) -> tuple[str, str]:
        """What it still writes; raises TimeoutExpired if it is not gone in time."""
        return self.process.communicate(timeout=seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def script(tmp_path: Path) -> Iterator[object]:
    started: list[Script] = []

    def start(code: str, *arguments: str) -> Script:
        started.append(Script(tmp_path / "program.py", code, arguments))
        started[-1].expect("ready")
        return started[-1]

    yield start
    for program in started:
        program.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_cancels_and_says_so(script, number) -> None:
    program = script(_SLEEPS)
    program.send(number)
    output, errors = program.end(_AT_ONCE)
    assert output == "restored\n"
    said = [line for line in errors.splitlines() if "Canceling the pipeline run" in line]
    assert len(said) == 1
    assert "Ctrl-C leaves at once" in said[0]
    assert errors.endswith(
        f"at once.\nsematic.errors.CancellationError: Canceled by {number.name}.\n"
    )
    assert program.process.returncode == 1
    (run,) = open_record().pipeline_runs()
    assert run.status.value == "CANCELED"


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_leaves_what_is_being_canceled(script, first) -> None:
    program = script(_TAKES_ITS_TIME)
    program.send(first)
    program.expect("cleaning up")
    program.send(signal.SIGINT)
    output, errors = program.end(_AT_ONCE)
    assert output == "restored\n"
    (run,) = open_record().pipeline_runs()
    id_ = run.root_id[:8]
    assert errors.splitlines()[1:] == [
        f"Left pipeline run {id_} while it was being canceled: what it has started may go on. To "
        f"end all of it: sematic cancel {id_}. To execute it again: sematic rerun {id_}"
    ]
    assert program.process.returncode == -signal.SIGINT  # a shell shows 130


@pytest.mark.parametrize("command", ["run", "rerun"])
def test_commands_are_left_with_the_same_line(script, tmp_path: Path, command: str) -> None:
    quick, code = (
        text.replace("run(work())", 'if __name__ == "__main__":\n    run(work())')
        for text in (_CLEANS_UP, _TAKES_ITS_TIME)
    )
    program = script(quick)
    program.send(signal.SIGINT)
    program.end(_AT_ONCE)
    (canceled,) = open_record().pipeline_runs()
    what = canceled.root_id if command == "rerun" else str(tmp_path / "program.py")
    program = script(code, "-c", "from sematic.cli import main; main()", command, what)
    program.send(signal.SIGINT)
    program.expect("cleaning up")
    program.send(signal.SIGINT)
    _, errors = program.end(_AT_ONCE)
    assert errors.splitlines()[-1].startswith("Left pipeline run ")
    assert "Traceback" not in errors
    assert program.process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_twice_the_same_is_a_cancel(script, number) -> None:
    program = script(_CLEANS_UP)
    program.send(number)
    program.expect("cleaning up")
    program.send(number)
    output, errors = program.end(_AT_ONCE)
    assert output == "restored\n"
    assert errors.endswith(f"CancellationError: Canceled by {number.name}.\n")


def test_what_cleans_up_has_two_seconds(script) -> None:
    program = script(_CLEANS_UP)
    program.send(signal.SIGINT)
    program.expect("cleaning up")
    assert "CancellationError" in program.end(_AT_ONCE)[1]


def test_a_terminal_that_is_closed_cancels(tmp_path: Path) -> None:
    """Whatever the function prints then: nobody reads it, but the log."""
    path = tmp_path / "program.py"
    path.write_text(_BEGINNING.replace('progress="off"', 'progress="auto"') + _SLEEPS)
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, str(path)])
    printed = b""
    while b"ready" not in printed:
        printed += os.read(terminal, 1000)
    os.close(terminal)
    os.waitpid(child, 0)
    (run,) = open_record().pipeline_runs()
    assert (run.status.value, run.reason) == ("CANCELED", "Canceled by SIGHUP.")


def test_what_nohup_started_goes_on(script) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does it
    try:
        program = script(_SLEEPS)
    finally:
        signal.signal(signal.SIGHUP, before)
    program.send(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(1)
    program.send(signal.SIGTERM)
    assert program.end(_AT_ONCE)[1].endswith("CancellationError: Canceled by SIGTERM.\n")


def test_leaving_while_a_value_is_stored(script) -> None:
    program = script(_STORES)
    program.send(signal.SIGINT)
    program.read_errors_until("Canceling the pipeline run.")
    program.send(signal.SIGINT)
    output, errors = program.end(_AT_ONCE)
    assert output == "restored\n"
    assert errors.splitlines()[-1].startswith("Left pipeline run ")


def test_leaving_while_an_executor_hangs(script) -> None:
    program = script(_HANGS_WHEN_IT_CLOSES)
    program.send(signal.SIGINT)
    program.read_errors_until("Canceling the pipeline run.")
    program.expect("closing")
    program.send(signal.SIGINT)
    output, errors = program.end(_AT_ONCE)
    assert output == "left\n"
    assert errors.endswith("\nKeyboardInterrupt: The pipeline run was left before it had ended.\n")


def test_in_another_thread_signals_are_not_ours(script) -> None:
    program = script(_IN_A_THREAD)
    program.send(signal.SIGINT)
    output, errors = program.end(_AT_ONCE)
    assert output == "interrupted\nrestored\n1\n"
    assert errors == ""
