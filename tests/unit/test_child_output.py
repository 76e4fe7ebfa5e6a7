"""What child processes of functions print, as the log of their run."""

# ruff: noqa: PLW1510 - how they end is not the matter here

import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic import child_output as module
from sematic.output_capture import teed_streams
from sematic.run_context import SematicContext, executing
from sematic.tracking.kept_open import close_kept
from tests.disks import SmallDisk
from tests.terminal import Terminal
from tests.waiting import wait_until

WAIT = 60.0
FIRST, SECOND = SematicContext("first", "root"), SematicContext("second", "root")


class Logs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path_of(self, run_id: str, attempt: int) -> Path:
        return self.directory / f"{run_id}-{attempt}.log"

    def read(self, context: SematicContext) -> str:
        return self.path_of(context.run_id, 1).read_text()

    @contextmanager
    def kept(self, context: SematicContext = FIRST) -> Iterator[None]:
        with teed_streams(self.path_of), executing(context):
            yield


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    before = subprocess.Popen.__init__, subprocess.Popen.wait, subprocess.Popen.poll, os.system
    yield Logs(tmp_path / "logs")
    after = subprocess.Popen.__init__, subprocess.Popen.wait, subprocess.Popen.poll, os.system
    assert after == before
    wait_until(lambda: not module._open)


def descriptors() -> set[str]:
    gc.collect()  # those of earlier tests
    return set(os.listdir("/dev/fd"))


def copying_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sematic-output"]


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run(["echo", "from a child"], check=True),
        lambda: subprocess.call("echo from a child", shell=True),
        lambda: subprocess.Popen(["echo", "from a child"]).wait(),
        lambda: subprocess.Popen(["echo", "from a child"], -1, None, None, None, None).wait(),
        lambda: subprocess.check_output("echo from a child >&2", shell=True),
        lambda: subprocess.run("echo from a child >&2", shell=True, stderr=subprocess.STDOUT),
        lambda: subprocess.run(["echo", "from a child"], preexec_fn=os.setsid),
        lambda: os.system("echo from a child"),
        lambda: os.popen("echo from a child >&2").close(),
        lambda: asyncio.run(talk()),
        lambda: in_a_thread(lambda: subprocess.run(["echo", "from a child"])),
        lambda: in_a_fork(lambda: subprocess.run(["echo", "from a child"])),
        lambda: in_a_fork(lambda: print("from a child")),
    ],
    ids=[
        "run",
        "call",
        "Popen",
        "positional",
        "captured-stdout",
        "stdout-for-both",
        "preexec",
        "system",
        "popen",
        "asyncio",
        "thread",
        "forked",
        "printed",
    ],
)
def test_what_a_child_prints_is_shown_and_kept(logs, capfd, start) -> None:
    with logs.kept():
        start()
    assert logs.read(FIRST) == "from a child\n"
    captured = capfd.readouterr()
    assert captured.out + captured.err == "from a child\n"


async def talk() -> None:
    await (await asyncio.create_subprocess_exec("echo", "from a child")).wait()


def in_a_thread(work: Any) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def in_a_fork(work: Any) -> None:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run(["echo", "x"], capture_output=True),
        lambda: subprocess.run(["echo", "x"], stdout=subprocess.DEVNULL),
        lambda: subprocess.run(["echo", "x"], stdout=sys.__stdout__.fileno()),
        lambda: subprocess.run(["true"]),
    ],
    ids=["captured", "devnull", "passed on", "silent"],
)
def test_there_is_no_log_of_what_the_function_takes_elsewhere(logs, start) -> None:
    with logs.kept():
        start()
    assert not logs.directory.exists()


def test_each_stream_goes_where_it_went(logs, capfd) -> None:
    with logs.kept():
        subprocess.run("echo out; echo err >&2", shell=True)
    assert capfd.readouterr() == ("out\n", "err\n")
    assert sorted(logs.read(FIRST).splitlines()) == ["err", "out"]


def test_everything_is_in_order(logs) -> None:
    """Also between the two streams of a child, where both go to the same place."""
    with logs.kept():
        for i in range(20):
            print("function", i)
            subprocess.run(f"echo out {i}; echo err {i} >&2; echo out {i}", shell=True)
            sys.stderr.write(f"again {i}\n")
    ours = [line for line in logs.read(FIRST).splitlines() if not line.startswith("err")]
    assert ours == [
        line for i in range(20) for line in (f"function {i}", f"out {i}", f"out {i}", f"again {i}")
    ]


def test_order_where_both_streams_go_to_one_place(tmp_path: Path) -> None:
    program = """
        import subprocess, sematic

        @sematic.func
        def f() -> int:
            for i in range(20):
                print(i, flush=True)
                subprocess.run("echo out; echo err >&2; echo out", shell=True)
            return 1

        sematic.LocalRunner(progress="off").run(f())
    """
    done = run_program(program, stderr=subprocess.STDOUT)
    expected = "".join(f"{i}\nout\nerr\nout\n" for i in range(20))
    assert done.stdout == expected
    assert read_log() == expected


def test_what_was_written_is_there_when_the_child_was_waited_for(logs) -> None:
    """However much it is."""
    line = "x" * 99
    with logs.kept():
        subprocess.run(f"yes {line} | head -n 20000", shell=True)
        assert logs.path_of("first", 1).stat().st_size == 20_000 * 100


def test_children_belong_to_the_run_that_started_them(logs) -> None:
    with teed_streams(logs.path_of):
        with executing(FIRST):
            late = subprocess.Popen("read line; echo $line", shell=True, stdin=subprocess.PIPE)
        with executing(SECOND):
            subprocess.run(["echo", "second"])
            late.communicate(b"first\n")
    assert (logs.read(FIRST), logs.read(SECOND)) == ("first\n", "second\n")


def test_pipelines_in_two_threads(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=WAIT)

    def run(context: SematicContext) -> None:
        with Logs(tmp_path / context.run_id).kept(context):
            for _ in range(10):
                both.wait()
                subprocess.run(["echo", context.run_id])

    threads = [threading.Thread(target=run, args=(context,)) for context in (FIRST, SECOND)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for context in (FIRST, SECOND):
        assert Logs(tmp_path / context.run_id).read(context) == f"{context.run_id}\n" * 10


def test_children_of_nobody_are_left_alone(logs, capfd) -> None:
    with teed_streams(logs.path_of):
        subprocess.run(["echo", "outside"])
        assert os.system("echo outside") == 0
        with executing(FIRST):
            thread = threading.Thread(
                target=lambda: subprocess.run(["echo", "ours"]), name="sematic-something"
            )
            thread.start()
            thread.join()
    assert capfd.readouterr().out == "outside\noutside\nours\n"
    assert not logs.directory.exists()


def test_nothing_is_left_open(logs) -> None:
    with logs.kept():
        subprocess.run(["true"])  # what the first one opens for good
        wait_until(lambda: not copying_threads())  # they close theirs last
        close_kept()  # else that of an earlier test is closed meanwhile
        before = descriptors()
        for _ in range(5):
            subprocess.run(["echo", "x"])
            with pytest.raises(FileNotFoundError):
                subprocess.run(["/no/such/program"])
        wait_until(lambda: not copying_threads())
        assert not module._open
        assert descriptors() == before


@pytest.mark.parametrize(
    ("command", "status"), [("exit 3", 3 << 8), ("kill -9 $$", 9), (b"true", 0), (Path("true"), 0)]
)
def test_system_returns_what_it_always_did(logs, command, status) -> None:
    with logs.kept():
        assert os.system(command) == status


def test_what_somebody_else_puts_around_ours_stays(tmp_path: Path) -> None:
    program = """
        import subprocess, sematic

        @sematic.func
        def f() -> int:
            ours = subprocess.Popen.__init__
            def theirs(self, *args, **kwargs):
                ours(self, *args, **kwargs)
            subprocess.Popen.__init__ = theirs
            return 1

        @sematic.func
        def g() -> int:
            subprocess.run(["echo", "once"])
            return 1

        for function in (f, g):
            sematic.LocalRunner(progress="off").run(function())
        assert subprocess.Popen.__init__.__name__ == "theirs"
        subprocess.run(["echo", "outside"])
    """
    assert run_program(program).stdout == "once\noutside\n"
    assert read_log() == "once\n"


def test_a_log_that_cannot_be_written_is_told_and_fails_nothing(
    small_disk: SmallDisk, capfd: pytest.CaptureFixture[str]
) -> None:
    small_disk.fill()
    with Logs(small_disk.path).kept():
        subprocess.run(["echo", "x" * 10_000], check=True)
        subprocess.run(["echo", "more"], check=True)
    out, err = capfd.readouterr()
    assert out == "x" * 10_000 + "\nmore\n"
    assert err.count("The logs of functions cannot be written: [Errno 28]") == 1


def test_nobody_reads_any_more(tmp_path: Path) -> None:
    """What would have ended the child does not: its log is read."""
    program = """
        import subprocess, sematic

        @sematic.func
        def f() -> int:
            subprocess.run(["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"], check=True)
            return 1

        sematic.LocalRunner(progress="off").run(f())
    """
    read, write = os.pipe()
    os.close(read)
    assert run_program(program, stdout=write).returncode == 0
    os.close(write)
    assert read_log() == "1\n2\n3\n"


# --- waiting and ending


@pytest.mark.parametrize("wait", ['subprocess.run(["sleep", "60"])', 'os.system("sleep 60")'])
def test_waiting_for_a_child_can_be_interrupted(tmp_path: Path, wait: str) -> None:
    program = f"""
        import os, signal, subprocess, threading, time, sematic

        @sematic.func
        def f() -> int:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
            {wait}
            return 1

        began = time.monotonic()
        try:
            sematic.LocalRunner(progress="off").run(f())
        except sematic.CancellationError:
            print("in time" if time.monotonic() - began < 50 else "too late")
    """
    assert run_program(program).stdout == "in time\n"


_OUTLIVES = """
    import os, signal, subprocess, sys, sematic

    @sematic.func
    def f() -> int:
        process = subprocess.Popen(
            ["sh", "-c", f"while [ ! -e {sys.argv[1]} ]; do sleep 0.05; done; echo l; echo late"]
        )
        print(process.pid, flush=True)
        return 1

    sematic.LocalRunner(progress="off").run(f())
"""


def test_a_child_that_outlives_the_driver(tmp_path: Path) -> None:
    """Its output is still shown and kept, and it is not ended by having nobody to read it."""
    gate = tmp_path / "gate"
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OUTLIVES), str(gate)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    pid = driver.stdout.readline()
    assert driver.wait(WAIT) == 0
    os.kill(int(pid), 0)
    gate.touch()
    assert driver.stdout.read() == "l\nlate\n"
    driver.stdout.close()
    assert read_log() == f"{pid}l\nlate\n"


def test_forked_children_do_not_hold_what_the_parent_copies(logs) -> None:
    with logs.kept():
        process = subprocess.Popen("read line; echo $line", shell=True, stdin=subprocess.PIPE)
        gate = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os.close(gate[1])
            os.read(gate[0], 1)
            os._exit(0)
        os.close(gate[0])
        process.communicate(b"said\n")
        wait_until(lambda: not module._open)
        os.close(gate[1])
        os.waitpid(child, 0)
    assert logs.read(FIRST) == "said\n"


# --- terminals

_ON_A_TERMINAL = """
import os, subprocess, sys, sematic

@sematic.func
def f() -> int:
    print("before")
    sees = "import os, sys; print(*map(os.isatty, range(3)), os.get_terminal_size(2).columns)"
    subprocess.run([sys.executable, "-c", sees])
    print("between")
    os.system("echo out; echo err >&2; echo out")
    print("after")
    return 1

sematic.LocalRunner(progress="off").run(f())
"""


def test_a_terminal_is_still_one(config_directory: Path) -> None:
    terminal = Terminal(_ON_A_TERMINAL, columns=63)
    assert terminal.wait() == 0
    lines = ["before", "True True True 63", "between", "out", "err", "out", "after"]
    assert terminal.screen.lines == lines
    assert read_log().splitlines() == lines


def test_a_terminal_and_a_file(tmp_path: Path) -> None:
    terminal = Terminal(_ON_A_TERMINAL, stdout=tmp_path / "out")
    assert terminal.wait() == 0
    assert terminal.screen.lines == ["err"]
    assert "True False True 80" in (tmp_path / "out").read_text()
    assert "err\n" in read_log()


def test_a_child_can_have_the_terminal_itself(config_directory: Path) -> None:
    """As full-screen programs need it."""
    terminal = Terminal(
        """
import os, subprocess, sys, sematic

@sematic.func
def f() -> int:
    sees = [sys.executable, "-c", "import os; print(os.ttyname(1) == os.ttyname(0))"]
    subprocess.run(sees)
    subprocess.run(sees, stdout=sys.stdout, stderr=sys.stderr)
    return 1

sematic.LocalRunner(progress="off").run(f())
"""
    )
    assert terminal.wait() == 0
    assert terminal.screen.lines[:2] == ["False", "True"]
    assert read_log() == "False\n"


def test_children_can_be_talked_to(config_directory: Path) -> None:
    terminal = Terminal(
        """
import subprocess, sys, sematic

@sematic.func
def f() -> int:
    subprocess.run([sys.executable, "-c", "print('hello ' + input('Who? '))"])
    name = input("And who else? ")
    print("hello", name)
    return 1

sematic.LocalRunner(progress="off").run(f())
"""
    )
    terminal.wait_for("Who?")
    terminal.type("Ada")
    terminal.wait_for("And who else?")
    terminal.type("Grace")
    assert terminal.wait() == 0
    assert terminal.screen.lines == ["Who? Ada", "hello Ada", "And who else? Grace", "hello Grace"]
    assert "hello Ada" in read_log()


def run_program(program: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        check=False,
        timeout=60,
        **streams,
    )


def read_log() -> str:
    """The only log of the config directory."""
    (log,) = Path(os.environ["SEMATIC_CONFIG_DIR"]).glob("logs/*/*.log")
    return log.read_text()


def test_what_kept_ours_can_use_it_when_the_pipeline_run_has_ended(config_directory: Path) -> None:
    kept: list[Any] = []

    @sematic.func
    def starts() -> int:
        process = subprocess.Popen([sys.executable, "-c", "pass"])
        kept.extend([process.wait, process.poll, os.system])
        return 1

    sematic.LocalRunner(progress="off").run(starts())
    wait, poll, system = kept
    assert (wait(), poll(), system("true")) == (0, 0, 0)
