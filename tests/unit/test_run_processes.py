"""Processes that functions start, in every way there is, and their end."""

import asyncio
import multiprocessing
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import sematic
from sematic import CancellationError, SematicContext, SilentRunner, run_processes
from sematic.child_marks import marked_children
from sematic.processes import load_psutil
from sematic.run_context import ROOT_ID, RUN_ID, executing
from sematic.run_processes import end_processes
from tests.living import is_alive

WAIT = 60.0
MINE, OTHER = SematicContext("run-a", "root-a"), SematicContext("run-b", "root-b")
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "open(sys.argv[1], 'w').close(); time.sleep(60)",
]


def read_pid(path: Path) -> int:
    deadline = time.monotonic() + WAIT
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def write_pid(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Ids of processes that are killed after the test, if they are left."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, 9)


def child(path: Path) -> None:
    path.write_text(f"{subprocess.Popen(SLEEP).pid}\n")


def in_a_session_of_its_own(path: Path) -> None:
    path.write_text(f"{subprocess.Popen(SLEEP, start_new_session=True).pid}\n")


def grandchild(path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid)"
    command = [sys.executable, "-c", code, *SLEEP]
    subprocess.run(command, check=True, stdout=path.open("w"), start_new_session=True)


def forked(path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    path.write_text(f"{pid}\n")


def daemon(path: Path) -> None:
    """Forked twice, in a session of its own, with nothing open, and never another program."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            write_pid(path)
            os.closerange(0, 1000)
            time.sleep(60)
        os._exit(0)
    os.waitpid(pid, 0)


def by_multiprocessing(path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    path.write_text(f"{process.pid}\n")


def without_environment_below_one_with_it(path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen(sys.argv[1:], env={}).pid, flush=True)\n"
        "time.sleep(60)"
    )
    subprocess.Popen([sys.executable, "-c", code, *SLEEP], stdout=path.open("w"))


def with_an_environment_of_its_own(path: Path) -> None:
    path.write_text(f"{subprocess.Popen(SLEEP, env={}).pid}\n")


def with_one_by_place(path: Path) -> None:
    nothing = (-1, None, None, None, None, None, True, False, None)
    path.write_text(f"{subprocess.Popen(SLEEP, *nothing, {b'A': b'b'}).pid}\n")


def with_one_below_a_shell_that_ends(path: Path) -> None:
    command = [*map(shlex.quote, SLEEP), "&", "echo", "$!"]
    subprocess.run(" ".join(command), shell=True, check=True, env={}, stdout=path.open("w"))


def by_spawn(path: Path) -> None:
    pid = os.spawnve(os.P_NOWAIT, sys.executable, SLEEP, {})
    while load_psutil().Process(pid).cmdline() != SLEEP:
        time.sleep(0.01)  # it has been forked
    path.write_text(f"{pid}\n")


def by_posix_spawn(path: Path) -> None:
    path.write_text(f"{os.posix_spawn(sys.executable, SLEEP, {})}\n")


def by_asyncio(path: Path) -> None:
    async def start() -> None:
        process = await asyncio.create_subprocess_exec(*SLEEP, env={})
        path.write_text(f"{process.pid}\n")

    asyncio.run(start())


def in_a_thread(path: Path) -> None:
    thread = threading.Thread(target=with_an_environment_of_its_own, args=(path,))
    thread.start()
    thread.join()


OWN_ENVIRONMENTS = [
    with_an_environment_of_its_own,
    with_one_by_place,
    with_one_below_a_shell_that_ends,
    by_spawn,
    by_posix_spawn,
    by_asyncio,
    in_a_thread,
]
WAYS = [
    *OWN_ENVIRONMENTS,
    child,
    in_a_session_of_its_own,
    grandchild,
    forked,
    daemon,
    by_multiprocessing,
    without_environment_below_one_with_it,
]
FORKS = (forked, daemon, by_multiprocessing)
needs_memfd = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="forks are found on Linux")


@pytest.mark.parametrize(
    "start", [pytest.param(way, marks=needs_memfd if way in FORKS else ()) for way in WAYS]
)
@pytest.mark.parametrize("by", ["run", "pipeline run"])
def test_every_kind_is_ended(tmp_path, started, start: Callable[[Path], None], by) -> None:
    with marked_children(), executing(MINE):
        start(tmp_path / "pid")
        pid = read_pid(tmp_path / "pid")
    started.append(pid)
    assert is_alive(pid)
    assert end_processes(**({"run_ids": ["run-a"]} if by == "run" else {"root_id": "root-a"})) == []
    assert not is_alive(pid)


def test_others_are_left_alone(started) -> None:
    with executing(OTHER):
        theirs = subprocess.Popen(SLEEP)
    nobodys = subprocess.Popen(SLEEP)
    with executing(MINE):
        mine = subprocess.Popen(SLEEP)
    started += [theirs.pid, nobodys.pid, mine.pid]
    assert end_processes(run_ids=["run-a"], root_id="root-a") == []
    assert theirs.poll() is nobodys.poll() is None
    assert mine.wait(WAIT) == -15


def test_what_others_start_with_an_environment_of_their_own_is_theirs(started) -> None:
    """Threads of this package, while a function executes; and anybody when none does."""
    with marked_children():
        started.append(subprocess.Popen(SLEEP, env={}).pid)
        with executing(MINE):
            work = partial(by_posix_spawn_into, started)
            thread = threading.Thread(target=work, name="sematic-engine")
            thread.start()
            thread.join()
    assert end_processes(root_id="root-a") == []
    assert [is_alive(pid) for pid in started] == [True, True]


def by_posix_spawn_into(started: list[int]) -> None:
    started.append(os.posix_spawn(sys.executable, SLEEP, {}))


def test_a_child_sees_the_environment_that_it_is_given_and_the_ids() -> None:
    command = [sys.executable, "-c", "import os; print(sorted(os.environ))"]
    with marked_children(), executing(MINE):
        shown = subprocess.run(
            command, env={"A": "b", "LC_ALL": "C"}, check=True, capture_output=True, text=True
        )
    assert shown.stdout == "['A', 'LC_ALL', 'SEMATIC_ROOT_ID', 'SEMATIC_RUN_ID']\n"


def test_a_wrong_environment_is_refused_as_ever() -> None:
    with marked_children(), executing(MINE):
        with pytest.raises((AttributeError, TypeError)):
            subprocess.Popen(SLEEP, env=5)  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            os.posix_spawn(sys.executable, SLEEP, 5)  # type: ignore[arg-type]


def test_a_nested_pipeline_is_ended_and_its_own_processes_are_its_own(started) -> None:
    """A process that our function has started runs a function of another pipeline run."""
    with marked_children(), executing(MINE):
        outer = subprocess.Popen(SLEEP)
        with_other_mark = {**os.environ, RUN_ID: "run-b", ROOT_ID: "root-b"}
        inner = subprocess.Popen(SLEEP, env=with_other_mark)
    started += [outer.pid, inner.pid]
    end_processes(root_id="root-a")
    assert outer.wait(WAIT) == -15
    assert inner.poll() is None


def test_what_is_started_with_empty_ids_stays(started) -> None:
    with marked_children(), executing(MINE):
        mine = subprocess.Popen(SLEEP)
        server = subprocess.Popen(SLEEP, env={**os.environ, RUN_ID: "", ROOT_ID: ""})
    started += [mine.pid, server.pid]
    end_processes(root_id="root-a")
    assert mine.wait(WAIT) in (-15, -9)
    assert server.poll() is None


def test_who_does_not_listen_is_killed(tmp_path, started) -> None:
    with executing(MINE):
        deaf = subprocess.Popen([*DEAF, str(tmp_path / "ready")])
    started.append(deaf.pid)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    began = time.monotonic()
    assert end_processes(run_ids=["run-a"], grace=0.3) == []
    assert 0.3 <= time.monotonic() - began < 50
    assert deaf.wait(WAIT) == -9


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_has_only_just_been_started_is_known(monkeypatch) -> None:
    """For a moment it has no environment yet, though it is there."""
    look = run_processes._may_have_any
    for _ in range(50):
        pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {ROOT_ID: "root-a", RUN_ID: "run-a"})
        try:
            monkeypatch.setattr(run_processes, "_numbers_in_proc", lambda pid=pid: iter([pid]))
            assert look(frozenset({"run-a"}))
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def test_where_nothing_was_started_nothing_is_done() -> None:
    assert end_processes(run_ids=["run-a"]) == []
    assert end_processes() == []


@needs_memfd
def test_psutil_is_not_loaded_where_nothing_was_started() -> None:
    code = (
        "import sys\nfrom sematic.run_processes import end_processes\n"
        "end_processes(root_id='no such id')\nsys.exit('psutil' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_psutil_is_the_installed_one_in_spite_of_a_broken_one_of_rays(tmp_path) -> None:
    broken = tmp_path / "ray" / "thirdparty_files" / "psutil"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('not for this Python')")
    code = (
        "import sys\nfrom sematic.processes import load_psutil\n"
        f"sys.path.insert(0, {str(broken.parent)!r})\nload_psutil().Process()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_process_started_by_a_function_keeps_that_mark(tmp_path) -> None:
    """It runs a pipeline itself, and then starts one more: that is still the outer function's."""
    code = (
        "import os\nfrom sematic import SematicContext\n"
        "from sematic.run_context import executing\n"
        "with executing(SematicContext('inner', 'inner')):\n"
        "    print(os.environ['SEMATIC_RUN_ID'])\n"
        "print(os.environ['SEMATIC_RUN_ID'])"
    )
    with executing(MINE):
        shown = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
    assert shown.stdout == "inner\nrun-a\n"


# --- with an engine


def test_cancel_ends_what_functions_have_started(tmp_path, started) -> None:
    @sematic.func
    def first() -> int:
        daemon(tmp_path / "first")
        return 1

    @sematic.func
    def second(x: int) -> int:
        in_a_session_of_its_own(tmp_path / "second")
        read_pid(tmp_path / "first")
        os.kill(os.getpid(), 2)
        time.sleep(60)
        return x

    @sematic.func
    def pipeline() -> int:
        return second(first())

    with pytest.raises(CancellationError):
        SilentRunner().run(pipeline())
    started += [read_pid(tmp_path / name) for name in ("first", "second")]
    assert [is_alive(pid) for pid in started] == [False, False]


def test_a_time_limit_ends_what_a_function_has_given_an_environment(tmp_path, started) -> None:
    @sematic.func(timeout_seconds=3)
    def slow() -> int:
        with_an_environment_of_its_own(tmp_path / "pid")
        time.sleep(60)
        return 1

    before = subprocess.Popen.__init__, os.execve, os.posix_spawn, os.posix_spawnp
    with pytest.raises(sematic.PipelineRunError):
        SilentRunner().run(slow())
    started.append(read_pid(tmp_path / "pid"))
    assert not is_alive(started[0])
    after = subprocess.Popen.__init__, os.execve, os.posix_spawn, os.posix_spawnp
    assert after == before


def test_a_failure_ends_what_functions_have_started(tmp_path, started) -> None:
    @sematic.func
    def fails() -> int:
        child(tmp_path / "pid")
        raise ValueError

    with pytest.raises(sematic.PipelineRunError):
        SilentRunner().run(fails())
    started.append(read_pid(tmp_path / "pid"))
    assert not is_alive(started[0])


def test_what_ends_normally_leaves_its_children_alone(tmp_path, started) -> None:
    @sematic.func
    def first() -> int:
        child(tmp_path / "pid")
        return 1

    assert SilentRunner().run(first()) == 1
    started.append(read_pid(tmp_path / "pid"))
    assert is_alive(started[0])
