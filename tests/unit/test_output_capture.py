"""What functions print, as the log of their run."""

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.output_capture import teed_streams
from sematic.run_context import SematicContext, executing
from tests.disks import SmallDisk

FIRST, SECOND = SematicContext("first", "root"), SematicContext("second", "root")


class Screen(io.StringIO):
    """A terminal that knows it is one."""

    def isatty(self) -> bool:
        return True

    @contextlib.contextmanager
    def shows_output(self) -> Iterator[None]:
        """Not a fixture: pytest puts its own streams back between set-up and test."""
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


class Logs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.screen = Screen()

    def path_of(self, run_id: str, attempt: int) -> Path:
        return self.directory / f"{run_id}-{attempt}.log"

    def read(self, run_id: str, attempt: int = 1) -> str:
        return self.path_of(run_id, attempt).read_text(encoding="utf-8")

    @contextlib.contextmanager
    def teed(self) -> Iterator[None]:
        with self.screen.shows_output(), teed_streams(self.path_of):
            yield


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "logs")


# --- teed streams


def test_what_a_call_prints_is_shown_and_kept(logs: Logs) -> None:
    with logs.teed(), executing(FIRST):
        print("on stdout")
        print("on stderr", file=sys.stderr)
        sys.stdout.writelines(["a\n", "b\n"])
    assert logs.read("first") == "on stdout\non stderr\na\nb\n"
    assert logs.screen.getvalue() == "on stdout\non stderr\na\nb\n"


def test_every_run_and_attempt_has_a_log_of_its_own(logs: Logs) -> None:
    with logs.teed():
        for context, attempt, text in [
            (FIRST, 1, "one"),
            (SECOND, 1, "two"),
            (FIRST, 2, "again"),
            (FIRST, 1, "more"),
        ]:
            with executing(context, attempt):
                print(text)
    assert logs.read("first") == "one\nmore\n"
    assert logs.read("first", 2) == "again\n"
    assert logs.read("second") == "two\n"


def test_there_is_no_log_without_output(logs: Logs) -> None:
    with logs.teed(), executing(FIRST):
        print("", end="")
    assert not logs.directory.exists()


def test_what_is_printed_outside_of_calls_is_only_shown(logs: Logs) -> None:
    with logs.teed():
        print("progress")
    assert logs.screen.getvalue() == "progress\n"
    assert not logs.directory.exists()


def test_output_is_there_at_once(logs: Logs) -> None:
    with logs.teed(), executing(FIRST):
        print("so far")
        assert logs.read("first") == "so far\n"


def test_threads_of_the_function_are_heard(logs: Logs) -> None:
    with logs.teed(), executing(FIRST):
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
    assert logs.read("first") == "from a thread\n"


def test_a_child_that_was_forked_while_a_thread_prints_can_print(logs: Logs) -> None:
    """The lock is held at that moment by a thread that the child does not have."""
    printing, done = threading.Event(), threading.Event()

    def path_of(run_id: str, attempt: int) -> Path:
        if threading.current_thread() is thread and not done.is_set():
            printing.set()
            done.wait(60)
        return logs.path_of(run_id, attempt)

    thread = threading.Thread(target=print, args=("from a thread",))
    with logs.screen.shows_output(), teed_streams(path_of), executing(FIRST):
        thread.start()
        assert printing.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # in place of a deadlock
            print("from a child")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        done.set()
        thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert logs.read("first") == "from a child\nfrom a thread\n"


def test_pipelines_in_two_threads_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    """Each has its own directory; the one that begins first ends first."""
    screen, directories = Screen(), {"first": tmp_path / "1", "second": tmp_path / "2"}
    begun, ended = threading.Event(), threading.Event()

    def run(context: SematicContext) -> None:
        with teed_streams(Logs(directories[context.run_id]).path_of), executing(context):
            for i in range(200):
                sys.stdout.write(f"{context.run_id} {i}\n")
            begun.set()
            if context is SECOND:
                assert ended.wait(60)

    with screen.shows_output():
        first, second = (threading.Thread(target=run, args=(c,)) for c in (FIRST, SECOND))
        with teed_streams(Logs(tmp_path / "3").path_of):
            outermost = sys.stdout
            first.start()
            assert begun.wait(60)
            second.start()
            first.join()
            ended.set()
            second.join()
            assert sys.stdout is outermost
        assert sys.stdout is screen
    for run_id, directory in directories.items():
        (log,) = directory.iterdir()
        assert log.read_text().splitlines() == [f"{run_id} {i}" for i in range(200)]
    assert not (tmp_path / "3").exists()


def test_a_stream_that_has_ended_is_not_put_back(logs: Logs, tmp_path: Path) -> None:
    with logs.screen.shows_output():
        first, second = teed_streams(logs.path_of), teed_streams(Logs(tmp_path / "2").path_of)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert sys.stdout is sys.stderr is logs.screen


def test_text_that_no_encoding_takes_is_escaped(logs: Logs) -> None:
    with logs.teed(), executing(FIRST):
        sys.stdout.write("ü \udc80\n")
    assert logs.read("first") == "ü \\udc80\n"


def test_everything_else_is_the_original_streams(logs: Logs) -> None:
    with logs.teed():
        assert sys.stdout.isatty()
        sys.stdout.flush()
        assert not sys.stdout.closed
        assert sys.stdout.getvalue() == ""  # type: ignore[attr-defined]


def test_streams_are_put_back_and_kept_ones_write_no_more_log(logs: Logs) -> None:
    with logs.screen.shows_output():
        with teed_streams(logs.path_of):
            assert sys.stdout is not logs.screen
            kept = sys.stdout
        assert sys.stdout is sys.stderr is logs.screen
    with executing(FIRST):
        print("too late", file=kept)
    assert logs.screen.getvalue() == "too late\n"
    assert not logs.directory.exists()


def test_a_stream_that_somebody_else_has_replaced_is_left(logs: Logs) -> None:
    other = io.StringIO()
    with logs.screen.shows_output():
        with teed_streams(logs.path_of):
            sys.stdout = other
        assert sys.stdout is other
        assert sys.stderr is logs.screen


def test_redirected_output_goes_where_the_function_sends_it(logs: Logs) -> None:
    with logs.teed(), executing(FIRST):
        with contextlib.redirect_stdout(io.StringIO()) as redirected:
            print("to a string")
        print("to the log")
    assert redirected.getvalue() == "to a string\n"
    assert logs.read("first") == "to the log\n"


def test_streams_may_be_missing(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with teed_streams(logs.path_of), executing(FIRST):
        print("nowhere")
    assert sys.stdout is None


# --- logging


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.output_capture")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers.clear()


def test_handlers_that_are_there_are_heard(logs: Logs, logger: logging.Logger) -> None:
    with logs.screen.shows_output():
        handler = logging.StreamHandler(sys.stderr)
        logger.addHandler(handler)
        with teed_streams(logs.path_of), executing(FIRST):
            logger.info("training")
    assert logs.read("first") == "training\n"
    assert handler.stream is logs.screen


def test_handlers_that_a_function_adds_are_heard_and_survive(
    logs: Logs, logger: logging.Logger
) -> None:
    with logs.teed(), executing(FIRST):
        logger.addHandler(logging.StreamHandler())
        logger.info("training")
    logger.info("afterwards")
    assert logs.read("first") == "training\n"
    assert logs.screen.getvalue() == "training\nafterwards\n"


# --- a full disk


def test_a_log_that_cannot_be_written_is_told_once_and_fails_nothing(
    small_disk: SmallDisk,
) -> None:
    logs = Logs(small_disk.path)
    with logs.teed():
        with executing(FIRST, 1):
            print("kept")
        small_disk.fill()
        for attempt in (2, 3):
            with executing(FIRST, attempt):
                print("x" * 10_000)
                print("more")
        small_disk.make_room()
        with executing(SECOND, 1):
            print("again")
    assert logs.read("first") == "kept\n"
    assert logs.read("second") == "again\n"
    told = [line for line in logs.screen.getvalue().splitlines() if line.startswith("sematic:")]
    assert told == [
        "sematic: The logs of functions cannot be written: [Errno 28] No space left on device"
    ]
