"""What a pipeline run shows while it runs, in a real terminal and elsewhere."""

import builtins
import dataclasses
import io
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.calls import ErrorRecord
from sematic.client import open_record
from sematic.errors import RecordError
from sematic.events import PipelineMoved
from sematic.ports import PipelineRunInfo
from sematic.runners import local_runner
from sematic.runners import progress as module
from sematic.runners.live_view import render
from sematic.runners.progress import describe_value, progress_display
from sematic.runners.standing import Failure, Standing
from sematic.states import PipelineRunStatus
from sematic.wording import format_duration
from tests.terminal import Terminal

_START = """
import logging, os, subprocess, sys, time
import sematic
from sematic.runners import progress

def wait_for_gate():
    deadline = time.monotonic() + 60
    while not os.path.exists(sys.argv[1]) and time.monotonic() < deadline:
        time.sleep(0.01)

@sematic.func
def double(x: int) -> int:
    return 2 * x

@sematic.func
def total(xs: list[int]) -> int:
    return sum(xs)
"""


@sematic.func
def add(a: int, b: int) -> int:
    return a + b


@sematic.func
def add_up(count: int) -> int:
    return add(add(count, 1), 2)


@sematic.func
def fail(text: str) -> int:
    raise ValueError(text)


@sematic.func
def prints_once_and_fails(marker: str) -> int:
    if not Path(marker).exists():
        Path(marker).touch()
        print("about to fail")
    raise ValueError("no luck")


@sematic.func
def parent() -> int:
    return add(fail("no luck\nat all"), 1)


@sematic.func
def slow(seconds: float) -> int:
    time.sleep(seconds)
    return 1


# So that tests need not wait for what people should not wait for.
_SOON = _START + "progress._QUICK_SECONDS = 0.02\n"


def gated(gate: Path, program: str, **options: Any) -> Terminal:
    """A program that goes on behind ``wait_for_gate()`` when there is this file."""
    return Terminal(["-c", _SOON + program, str(gate)], **options)


def run(future: sematic.Future, progress: str = "auto") -> Any:
    return sematic.LocalRunner(progress=progress).run(future)


def test_a_bar_stands_still_while_it_finishes() -> None:
    standing = Standing()
    standing.take([PipelineMoved(1024.0, "root", PipelineRunStatus.COMPLETE)])
    lines = render(
        standing, title="t", seconds=24.0, now=1031.0, stream=io.StringIO(), width=80, height=24
    )
    assert "24 s" in lines[0]
    assert "finishing ..." in lines[-1]


class TestTerminal:
    def test_a_quick_run_shows_its_outcome_only(self) -> None:
        terminal = Terminal(
            _START
            + """
progress._QUICK_SECONDS = 60
future = double(21)
sematic.LocalRunner().run(future)
print("id", future.id, "rich" in sys.modules)
"""
        )
        assert terminal.wait() == 0
        outcome, value, how, last = terminal.screen.lines
        run_id = last.split()[1]
        assert last == f"id {run_id} False"
        assert outcome.startswith(f"✓ double {run_id[:8]}  COMPLETE in ")
        assert outcome.endswith("  (1 run)")
        assert (value, how) == ("  42", f"  sematic show {run_id[:8]}")
        assert "\x1b7" not in terminal.written  # nothing was drawn

    def test_a_tree_below_what_functions_print(self, tmp_path: Path) -> None:
        terminal = gated(
            tmp_path / "gate",
            """
@sematic.func
def slow(x: int) -> int:
    logging.warning("a line of logging")
    print("one", end=" ", flush=True)
    wait_for_gate()
    print("two")
    subprocess.run(["echo", "from a child process"])
    return x

@sematic.func
def pipeline() -> int:
    return double(slow(4))

logging.basicConfig(format="%(message)s")
print(sematic.LocalRunner().run(pipeline()))
""",
        )
        terminal.wait_for("one")
        terminal.wait_for("○ double")
        printed, logged = terminal.screen.lines[:2], terminal.screen.lines[2:]
        assert printed == ["a line of logging", "one"]
        assert logged[0].startswith("◐ pipeline ")
        assert logged[1].startswith("├─ ")
        assert logged[1].split()[2] == "slow"
        assert logged[2] == "└─ ○ double"
        (tmp_path / "gate").touch()
        assert terminal.wait() == 0
        lines = terminal.screen.lines
        assert lines[:3] == ["a line of logging", "one two", "from a child process"]
        assert lines[3].startswith("✓ pipeline ")
        assert lines[4] == "  8"
        assert lines[5].startswith("  sematic show ")
        assert lines[6:] == ["8"]

    def test_a_bar_for_many_runs(self, tmp_path: Path) -> None:
        terminal = gated(
            tmp_path / "gate",
            """
@sematic.func
def slow(x: int) -> int:
    wait_for_gate()
    return x

@sematic.func
def pipeline() -> int:
    return total([*[double(x) for x in range(1000)], slow(1)])

sematic.LocalRunner().run(pipeline())
""",
        )
        terminal.wait_for("1,000 done, 1 running")
        terminal.wait_for(" slow ")
        bar, counts, running = terminal.screen.lines[-3:]
        assert "pipeline" in bar
        assert "1,000/1,003" in bar
        assert counts.strip() == "1,000 done, 1 running, 1 expanded, 1 waiting"
        assert running.split()[1] == "slow"
        (tmp_path / "gate").touch()
        assert terminal.wait() == 0
        assert "(1,003 runs)" in terminal.screen.lines[0]
        assert len(terminal.screen.lines) == 3

    def test_a_small_terminal(self, tmp_path: Path) -> None:
        terminal = gated(
            tmp_path / "gate",
            """
@sematic.func
def a_function_with_a_rather_long_name(x: int) -> int:
    wait_for_gate()
    return x

@sematic.func
def pipeline() -> str:
    return last(a_function_with_a_rather_long_name(1))

@sematic.func
def last(x: int) -> str:
    return "x" * 1000

sematic.LocalRunner().run(pipeline())
""",
            columns=30,
            lines=8,
        )
        terminal.wait_for("a_function_")
        (tmp_path / "gate").touch()
        assert terminal.wait() == 0  # the screen refuses lines that are too long

    def test_standard_output_elsewhere_has_only_what_was_printed(self, tmp_path: Path) -> None:
        terminal = Terminal(
            _SOON
            + """
@sematic.func
def slow() -> int:
    print("before")
    time.sleep(0.4)
    print("after")
    return 1

sematic.LocalRunner().run(slow())
""",
            stdout=tmp_path / "out",
        )
        terminal.wait_for("slow")
        assert terminal.wait() == 0
        assert (tmp_path / "out").read_text() == "before\nafter\n"
        assert "before" not in terminal.written

    def test_input(self, tmp_path: Path) -> None:
        terminal = gated(
            tmp_path / "gate",
            """
@sematic.func
def ask() -> str:
    time.sleep(0.3)
    answer = input("Your name? ")
    wait_for_gate()
    return answer.upper()

before = input
print(sematic.LocalRunner().run(ask()))
print(input is before)
""",
        )
        terminal.wait_for("Your name?")
        assert terminal.screen.lines == ["Your name?"]
        assert terminal.read_for(0.3) == ""  # nobody draws
        terminal.type("ann")
        terminal.wait_for(" ask ")
        (tmp_path / "gate").touch()
        assert terminal.wait() == 0
        assert "\x1b7" in terminal.written.partition("ann")[2]  # and goes on
        assert terminal.screen.lines[0] == "Your name? ann"
        assert terminal.screen.lines[-2:] == ["ANN", "True"]

    def test_breakpoint(self) -> None:
        terminal = Terminal(
            _SOON
            + """
@sematic.func
def debugged() -> int:
    secret = 41
    time.sleep(0.3)
    breakpoint()
    secret += 1
    return secret

before = sys.breakpointhook
print(sematic.LocalRunner().run(debugged()))
print(sys.breakpointhook is before)
"""
        )
        terminal.wait_for("(Pdb)")
        assert any("debugged()" in line for line in terminal.screen.lines)  # not a frame of ours
        terminal.type("p secret")
        terminal.wait_for("41")
        assert terminal.read_for(0.3).count("\x1b7") == 0
        terminal.type("c")
        assert terminal.wait() == 0
        assert terminal.screen.lines[-2:] == ["42", "True"]

    def test_a_failure(self) -> None:
        terminal = Terminal(
            _SOON
            + """
@sematic.func
def fail() -> int:
    time.sleep(0.5)
    raise ValueError("no luck")

@sematic.func
def pipeline() -> int:
    return double(fail())

try:
    sematic.LocalRunner().run(pipeline())
except sematic.PipelineRunError as error:
    print(error.run_id)
"""
        )
        assert terminal.wait() == 0
        outcome, counts, why, how, run_id = terminal.screen.lines
        assert outcome.startswith("✗ pipeline ")
        assert "FAILED in " in outcome
        assert counts == "  1 failed, 1 canceled, 1 nested failed"
        assert why == "  fail failed: ValueError: no luck"
        assert how == f"  sematic show {run_id[:8]}"

    def test_a_child_of_fork_can_print(self) -> None:
        terminal = Terminal(
            _SOON
            + """
import os, warnings
warnings.simplefilter("ignore")  # from 3.12 on Python warns of forks beside threads

@sematic.func
def forking() -> int:
    for _ in range(20):
        time.sleep(0.05)
        pid = os.fork()
        if pid == 0:
            print("child")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
    return 1

sematic.LocalRunner().run(forking())
""",
            lines=50,
        )
        assert terminal.wait() == 0
        assert terminal.written.count("child") == 20


class TestPlain:
    def test_what_fails_before_anything_has_happened_did_not_start(
        self, config_directory: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        config_directory.mkdir()
        (config_directory / "sematic.db").write_bytes(b"no database" * 1000)
        with pytest.raises(RecordError, match="it is damaged"):
            run(add_up(1))
        assert capfd.readouterr().err == ""

    def test_it_starts_before_anything_is_announced(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        root = add(1, 2)
        with progress_display("plain", root) as progress:
            progress.announce("Starting Ray ...")
            started, announced = capfd.readouterr().err.splitlines()
        assert (started, announced) == (f"add {root.id[:8]} started", "Starting Ray ...")

    def test_lines(self, capfd: pytest.CaptureFixture[str]) -> None:
        future = add_up(1)
        run(future)
        out, err = capfd.readouterr()
        assert out == ""
        started, ended, value, how = err.splitlines()
        assert started == f"add_up {future.id[:8]} started"
        assert ended.startswith(f"✓ add_up {future.id[:8]}  COMPLETE in ")
        assert (value, how) == ("  4", f"  sematic show {future.id[:8]}")
        assert "\x1b" not in err

    def test_failures(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(sematic.PipelineRunError) as caught:
            run(parent())
        short = str(caught.value.run_id)[:8]
        lines = capfd.readouterr().err.splitlines()
        assert lines[1] == f"fail {short} failed: ValueError: no luck…"
        assert lines[-1] == f"  sematic show {short}"
        assert sum("no luck" in line for line in lines) == 1

    @pytest.mark.parametrize("retries", [0, 1])
    def test_where_something_was_printed_it_is_told_how_to_read_it(
        self, capfd: pytest.CaptureFixture[str], tmp_path: Path, retries: int
    ) -> None:
        """In whatever attempt."""
        retry = sematic.RetrySettings(exceptions=(ValueError,), retries=retries)
        with pytest.raises(sematic.PipelineRunError) as caught:
            run(prints_once_and_fails(str(tmp_path / "marker")).set(retry=retry))
        short = str(caught.value.run_id)[:8]
        lines = capfd.readouterr().err.splitlines()
        assert lines[-1] == f"  sematic show {short}   sematic logs {short}"

    def test_many_failures_for_one_reason(self) -> None:
        stream = io.StringIO()
        progress = module._PlainProgress(parent(), stream, lambda _: False)
        full = ErrorRecord("sematic.errors.RecordFullError", "No space left.")
        failures = [Failure(f"{i:032x}", "f", full) for i in range(100)]
        progress.show_failures(failures[:50])
        progress.show_failures(failures[50:])
        lines = stream.getvalue().splitlines()
        assert len(lines) == 4
        assert all("No space left." in line for line in lines[:3])
        assert lines[3] == "and others, for the same reason"

    def test_off(self, capfd: pytest.CaptureFixture[str]) -> None:
        run(add(1, 2), "off")
        assert capfd.readouterr() == ("", "")

    def test_the_setting(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEMATIC_PROGRESS", "off")
        sematic.LocalRunner().run(add(1, 2))
        assert capfd.readouterr().err == ""
        sematic.LocalRunner(progress="plain").run(add(1, 2))
        assert "COMPLETE" in capfd.readouterr().err

    def test_heartbeat(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pause = 0.3
        monkeypatch.setattr(module, "_HEARTBEAT_SECONDS", pause)
        monkeypatch.setattr(module, "_QUICK_SECONDS", 0.02)
        monkeypatch.setattr(module._PlainProgress, "pause", 0.02)
        beats: list[str] = []

        def look() -> None:
            beats.extend(x for x in capfd.readouterr().err.splitlines() if "running" in x)

        @sematic.func
        def busy() -> int:
            look()
            enough, deadline = len(beats) + 2, time.monotonic() + 60
            while len(beats) < enough:
                assert time.monotonic() < deadline
                time.sleep(0.02)
                look()
            return enough

        future, began = busy(), time.monotonic()
        enough = run(future)
        look()
        assert len(beats) <= (time.monotonic() - began) / pause
        assert beats[enough - 1].startswith(f"busy {future.id[:8]}: 0/1 run done, 1 running, ")

    def test_the_time_is_that_of_the_record(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def describe(*args: Any, **kwargs: Any) -> PipelineRunInfo:
            info = original(*args, **kwargs)
            return dataclasses.replace(info, created_at=info.created_at - 5)

        original = local_runner._describe
        monkeypatch.setattr(local_runner, "_describe", describe)
        run(add(1, 2), "plain")
        (recorded,) = open_record().pipeline_runs(limit=2)
        assert recorded.ended_at is not None
        assert recorded.ended_at - recorded.created_at > 5
        took = format_duration(recorded.ended_at - recorded.created_at)
        assert f"COMPLETE in {took}  " in capfd.readouterr().err

    def test_the_time_it_takes_to_tidy_up_does_not_count(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_HEARTBEAT_SECONDS", 0.02)
        monkeypatch.setattr(module, "_QUICK_SECONDS", 0.02)
        monkeypatch.setattr(module._PlainProgress, "pause", 0.02)
        root, shown = add(1, 2), ""
        with progress_display("plain", root) as progress:
            ended_at = progress.started_at + 24  # type: ignore[attr-defined]
            for listener in progress.listeners:
                listener(PipelineMoved(ended_at, root.id, PipelineRunStatus.COMPLETE))
            deadline = time.monotonic() + 60
            while "finishing" not in shown:
                assert time.monotonic() < deadline
                time.sleep(0.02)
                shown += capfd.readouterr().err
        assert f"add {root.id[:8]}: 0/0 runs done, finishing" in shown.splitlines()
        assert f"add {root.id[:8]}  COMPLETE in 24 s" in capfd.readouterr().err

    def test_on_a_terminal(self) -> None:
        terminal = Terminal(
            _SOON
            + """
import types

@sematic.func
def slow() -> int:
    time.sleep(0.3)
    return 1

sematic.LocalRunner(progress="plain").run(slow())
sys.modules["ipykernel"] = types.ModuleType("ipykernel")  # as in a notebook
sematic.LocalRunner().run(slow())
"""
        )
        assert terminal.wait() == 0
        assert sum(line.endswith(" started") for line in terminal.screen.lines) == 2
        assert "\x1b" not in terminal.written


class _BrokenStream:
    """A stream whose other end is gone."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)

    def flush(self) -> None:
        raise BrokenPipeError

    def isatty(self) -> bool:
        return False


class TestRobustness:
    @pytest.mark.parametrize("stream", [_BrokenStream(), None])
    def test_a_display_that_fails_fails_nothing(
        self, stream: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stderr", stream)
        assert run(add_up(1)) == 4
        with pytest.raises(sematic.PipelineRunError):
            run(parent())

    def test_streams_and_hooks_are_put_back(self, capfd: pytest.CaptureFixture[str]) -> None:
        before = sys.stdout, sys.stderr, builtins.input, sys.breakpointhook
        handler = logging.StreamHandler()
        logging.getLogger("a test").addHandler(handler)
        stream = handler.stream
        try:
            run(add(1, 2))
            with pytest.raises(sematic.PipelineRunError):
                run(parent())
        finally:
            logging.getLogger("a test").removeHandler(handler)
        assert (sys.stdout, sys.stderr, builtins.input, sys.breakpointhook) == before
        assert handler.stream is stream

    def test_no_outcome_is_shown_where_the_record_failed(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        root = add(1, 2)
        moved = PipelineMoved(time.time(), root.id, PipelineRunStatus.COMPLETE)

        def fail() -> None:
            with progress_display("plain", root) as progress:
                for listener in progress.listeners:
                    listener(moved)
                raise OSError("disk full")

        with pytest.raises(OSError, match="disk"):
            fail()
        assert capfd.readouterr().err == f"add {root.id[:8]} started\n"

    def test_listeners_return_at_once(self) -> None:
        with progress_display("plain", add(1, 2)) as progress:
            (listener,) = progress.listeners
            seconds = []
            for _ in range(100):
                started = time.perf_counter()
                for _ in range(100):
                    listener(None)  # type: ignore[arg-type]
                seconds.append((time.perf_counter() - started) / 100)
        # A tenth of a microsecond; something else may interrupt it, but not each time.
        assert min(seconds) < 20e-6


class _Rude:
    def __repr__(self) -> str:
        raise RuntimeError


class _Table:
    shape = (3, 2)


class TestDescribeValue:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, ""),
            (42, "42"),
            ("a\nb", r"'a\nb'"),
            ([1, 2], "[1, 2]"),
            (_Table(), "_Table of shape 3 × 2"),
        ],
    )
    def test_one_line(self, value: object, text: str) -> None:
        assert describe_value(value) == text

    @pytest.mark.parametrize("value", ["x" * 10_000, list(range(10_000)), _Rude()])
    def test_bounded_and_safe(self, value: object) -> None:
        text = describe_value(value)
        assert 0 < len(text) <= 200
        assert "\n" not in text


@pytest.mark.parametrize("kind", ["plain", "auto"])
def test_a_name_is_shown_in_one_line(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    future = parent().set(name="two\nlines \x1b[31mred")
    with pytest.raises(sematic.PipelineRunError):
        sematic.LocalRunner(progress=kind).run(future)
    shown = capsys.readouterr().err
    assert "two lines  [31mred" in shown
    assert "\x1b" not in shown
    assert "\nlines" not in shown
