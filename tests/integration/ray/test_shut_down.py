"""Code of the user's that shuts Ray down while a pipeline run uses it."""

import json
import sys
from pathlib import Path

import pytest

from sematic.client import open_record
from tests.acceptance.programs import run_python

pytestmark = pytest.mark.ray

_PROGRAM = """
import json, linecache, os, signal, sys, threading, time
from pathlib import Path
import sematic

how, directory = sys.argv[1:]
MARK = os.environ["TEST_MARK"] = "test_shut_down:" + directory

@sematic.func(standalone=True)
def sleep(started: str) -> int:
    Path(started).touch()
    time.sleep(60)
    return 1

@sematic.func(standalone=True)
def quick(i: int) -> int:
    return i

@sematic.func(standalone=True)
def nap(i: int, seconds: float) -> int:
    if seconds:
        Path(directory, "started").touch()
        time.sleep(seconds)
    return i

@sematic.func
def nothing_else(i: int) -> int:
    time.sleep(1.5)
    threading.Thread(target=shuts_down.func, args=(directory + "/started",)).start()
    return i

def slowly(frame, event, _):
    '''Stops where using Ray, or letting go of a reference, would end the process.'''
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    if event == "line" and "del global_worker.core_worker" in line:
        print("shut down in part", flush=True)
        if how == "canceled":
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.5)
    return slowly if frame.f_code.co_name in ("shutdown", "wrapper") else None

began = None

def shut_down():
    import ray
    global began
    began = time.monotonic()
    sys.settrace(slowly)
    ray.shutdown()

@sematic.func
def shuts_down(started: str) -> int:
    while not Path(started).exists():
        time.sleep(0.01)
    if how == "with an actor":  # it starts after a second
        time.sleep(3)
    if how == "ahead":  # what is ready waits no longer than that
        time.sleep(0.3)
    if how in ("thread", "ahead"):
        threading.Thread(target=shut_down).start()
        time.sleep(2)
    else:
        shut_down()
    return 1

@sematic.func
def pipeline(started: str) -> list[int]:
    many = [quick(i) for i in range(200)] if how == "many" else []
    return [sleep(started), shuts_down(started), *many]

@sematic.func
def naps(started: str) -> list[int]:
    i = 0
    for _ in range(4):
        i = nap(i, 0.0)
    if how == "idle":
        return [nap(nothing_else(i), 60.0)]
    return [nap(nap(i, 60.0), 0.0), shuts_down(started)]

def is_left(process):
    try:
        return f"TEST_MARK={MARK}".encode() in (process / "environ").read_bytes().split(b"\\0")
    except OSError:
        return False

reason = None
try:
    future = (naps if how in ("ahead", "idle") else pipeline)(directory + "/started")
    sematic.LocalRunner(progress="off").run(future)
except sematic.PipelineRunError as error:
    reason = str(error.__cause__)
except sematic.CancellationError as error:
    reason = str(error)
seconds = time.monotonic() - began
left = [p.name for p in Path("/proc").glob("[0-9]*") if is_left(p)]
print(json.dumps([reason, left, seconds]))
"""


_reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
# By itself it would take a minute.
_SECONDS = 45


def run_program(directory: Path, how: str) -> str:
    """Why the pipeline run ended; nothing is left of it, and it did not take long."""
    (directory / "program.py").write_text(_PROGRAM)
    lines = run_python(str(directory / "program.py"), how, str(directory)).splitlines()
    assert "shut down in part" in lines
    reason, left, seconds = json.loads(lines[-1])
    assert left == []
    assert seconds < _SECONDS
    return str(reason)


@_reads_proc
@pytest.mark.parametrize("how", ["inline", "thread", "with an actor", "many"])
def test_the_pipeline_run_fails_and_says_why(tmp_path: Path, how: str) -> None:
    assert "ray.shutdown()" in run_program(tmp_path, how)
    (run,) = open_record().pipeline_runs()
    assert run.status.value == "FAILED"
    states = {run.name: run.state.value for run in open_record().runs(run.root_id)}
    # Of many calls another one may be the first.
    assert states["sleep"] == "FAILED" or (how, states["sleep"]) == ("many", "CANCELED")


@_reads_proc
@pytest.mark.parametrize("how", ["ahead", "idle"])
def test_also_in_a_chain(tmp_path: Path, how: str) -> None:
    """With the next call made ready; and after a time without any call, when nobody looks."""
    assert "ray.shutdown()" in run_program(tmp_path, how)


@_reads_proc
def test_what_shuts_ray_down_is_ended_only_when_that_is_done(tmp_path: Path) -> None:
    """Half shut down, Ray would be waited for, and could end the process meanwhile."""
    assert run_program(tmp_path, "canceled") == "Canceled by SIGINT."
    (run,) = open_record().pipeline_runs()
    assert run.status.value == "CANCELED"
