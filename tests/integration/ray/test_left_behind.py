"""What a pipeline run with a Ray of its own leaves behind when it is over: nothing."""

import json
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.programs import run_python

pytestmark = pytest.mark.ray

_OWN_RAY = str(Path(__file__).parent / "scripts" / "own_ray.py")

_BEGINNING = """
import sys, time
from pathlib import Path
import sematic
from sematic import KubernetesResourceRequirements, ResourceRequirements
from sematic.ray_backend.cluster import LocalRay

def children(*names):
    import psutil
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if any(name in child.name() for name in names):
                found.append(child)
        except psutil.NoSuchProcess:
            pass  # it has ended meanwhile
    return found
"""

_FAILS = """
@sematic.func(standalone=True)
def sleep(started: str) -> int:
    Path(started).touch()
    time.sleep(60)
    return 1

@sematic.func(standalone=True)
def fail_when(started: str) -> int:
    while not Path(started).exists():
        time.sleep(0.01)
    raise ValueError("as planned")

@sematic.func
def pipeline(directory: str) -> list[int]:
    '''One executes, one fails, and of the others Ray starts the workers still.'''
    tenth = ResourceRequirements(
        kubernetes=KubernetesResourceRequirements(requests={"cpu": "100m"})
    )
    names = ["started", *map(str, range(5))]
    calls = [fail_when(f"{directory}/started"), *(sleep(f"{directory}/{n}") for n in names)]
    return [call.set(resource_requirements=tenth) for call in calls]

try:
    sematic.LocalRunner(progress="off").run(pipeline(sys.argv[1]))
except sematic.PipelineRunError as error:
    print(error.__cause__)
"""

_DOES_NOT_START = """
import ray

def time_out(*_):
    '''What happens on a machine that is too busy; its agents come up all the same.'''
    while not children("Agent"):
        time.sleep(0.01)
    raise Exception("The current node timed out during startup.")

ray._private.services.get_node = time_out
try:
    LocalRay().enter()
except sematic.SematicError as error:
    print(error)
"""

_DIES = """
import os, signal

@sematic.func
def kill_ray(x: int) -> int:
    for child in children("raylet", "gcs_server"):
        child.kill()
    return x

@sematic.func(standalone=True)
def identity(x: int) -> int:
    return x

@sematic.func
def pipeline(x: int) -> int:
    return kill_ray(identity(x))

print(sematic.LocalRunner(progress="off").run(pipeline(3)))
"""

# Looked at in the same moment in which there is nothing more to wait for.
_END = """
import os
mark = f"TEST_MARK={os.environ['TEST_MARK']}".encode()

def is_left(process):
    try:
        return mark in (process / "environ").read_bytes().split(b"\\0")
    except OSError:
        return False

left = [process for process in Path("/proc").glob("[0-9]*") if is_left(process)]
print([(process / "cmdline").read_text() for process in left if process.name != str(os.getpid())])
"""


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the programs' Rays have their files, and the only place where they are."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as directory:
        monkeypatch.setenv("RAY_TMPDIR", directory)
        monkeypatch.setenv("TEST_MARK", uuid.uuid4().hex)
        yield Path(directory)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (_FAILS, "as planned"),
        (_DOES_NOT_START, "Ray cannot be started: The current node timed out during startup."),
        (_DIES, "3"),
    ],
    ids=["fails", "does not start", "dies"],
)
def test_no_process_is_left_when_the_pipeline_run_is_over(
    tmp_path: Path, directory: Path, code: str, outcome: str
) -> None:
    (tmp_path / "program.py").write_text(_BEGINNING + code + _END)
    output = run_python(str(tmp_path / "program.py"), str(tmp_path))
    assert output.splitlines()[-2:] == [outcome, "[]"]
    assert list(directory.iterdir()) == []


def use(way: str) -> dict[str, Any]:
    """What the script tells that uses Ray in this way."""
    found: dict[str, Any] = json.loads(run_python(_OWN_RAY, way).splitlines()[-1])
    return found


def test_the_process_is_as_it_was(directory: Path) -> None:
    found = use("twice")
    assert found["values"] == [[0, 2, 4], [0, 2, 4]]
    assert found["changed"] == {}
    assert found["children"] == []
    assert list(directory.iterdir()) == []


def test_rays_logger_is_as_the_user_configured_it() -> None:
    found = use("configured_by_the_user")
    assert found["values"] == [0]
    assert found["before"]["level"] == 10
    assert found["after"] == found["before"]


def test_two_pipeline_runs_at_once_share_a_ray_which_ends_with_the_last() -> None:
    found = use("two_at_once")
    assert found["values"] == [[0, 2], [0, 2, 4]]
    assert found["children"] == []


def test_a_ray_of_the_users_is_used_and_left_up() -> None:
    found = use("with_ray_initialised")
    assert (found["values"], found["same"], found["still up"]) == ([0, 2, 4], True, True)
    assert found["after"] == [0, 2]


def test_the_user_may_start_ray_after_us() -> None:
    assert use("then_the_users_own")["values"] == [[0, 2], 7]


def test_children_are_forked_before_and_meanwhile() -> None:
    assert use("fork_before") | {"seconds": 0} == {"values": [0, 2], "child": 0, "seconds": 0}
    assert use("fork_while_up")["values"] == [1, 10]
