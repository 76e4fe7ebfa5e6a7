"""How many run at a time, what ends them, what they are given."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import sematic
from sematic import KubernetesResourceRequirements, ResourceRequirements
from sematic.tracking.views import RunRow
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result
from tests.integration.ray.processes import wait_until_gone

pytestmark = pytest.mark.ray

Run = Callable[..., Result]


def requirements(**kubernetes: object) -> ResourceRequirements:
    return ResourceRequirements(kubernetes=KubernetesResourceRequirements(**kubernetes))  # type: ignore[arg-type]


@sematic.func
def sleepers(n: int) -> list[int]:
    return [functions.process_id(0.2) for _ in range(n)]


def most_at_a_time(runs: list[RunRow]) -> int:
    """By the times between which each run was SCHEDULED."""
    changes = [(run.scheduled_at or 0.0, 1) for run in runs]
    changes += [(run.resolved_at or 0.0, -1) for run in runs]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


@pytest.mark.parametrize("limit", [1, 2])
def test_max_parallelism(run: Run, limit: int) -> None:
    result = run(sleepers(4), max_parallelism=limit)
    assert most_at_a_time(result.runs("process_id")) == limit


def test_without_a_limit_everything_is_scheduled_at_once(run: Run) -> None:
    assert most_at_a_time(run(sleepers(4)).runs("process_id")) == 4


@sematic.func
def one_fails(directory: str, seconds: float, child: bool) -> list[int]:
    half = requirements(requests={"cpu": "500m"})
    long = functions.sleep(seconds, f"{directory}/started", child)
    return [
        functions.fail_when(f"{directory}/started").set(resource_requirements=half),
        long.set(resource_requirements=half),
        functions.add(functions.sleep(0.0, f"{directory}/never", False), 1),
    ]


def test_a_failure_cancels_what_runs(run: Run, tmp_path: Path) -> None:
    began = time.monotonic()
    result = run(one_fails(str(tmp_path), 60.0, True))
    assert time.monotonic() - began < 50  # it would sleep for a minute
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, ValueError)
    failed, long = result.run("fail_when"), result.runs("sleep")[0]
    assert failed.state.value == "FAILED"
    assert long.state.value == "CANCELED"
    assert result.run("add").state.value == "CANCELED"
    assert result.run("one_fails").state.value == "NESTED_FAILED"
    assert result.pipeline_run.ended_at is not None
    assert failed.failed_at is not None
    assert result.pipeline_run.ended_at - failed.failed_at < 50
    # The worker was woken, and lives on: it is that of a Ray that other tests use too. What a Ray
    # of the pipeline run's own leaves is seen in test_left_behind.
    _, child = (tmp_path / "started").read_text().split()
    wait_until_gone([int(child)], 5)


@sematic.func
def one_fails_early(directory: str) -> list[int]:
    half = requirements(requests={"cpu": "500m"})
    return [
        functions.fail_when(f"{directory}/started").set(resource_requirements=half),
        functions.sleep(1.0, f"{directory}/started", False).set(resource_requirements=half),
        functions.add(1, functions.wait_for(f"{directory}/started", 0.5)).set(name="never"),
    ]


def test_a_failure_lets_what_runs_finish(run: Run, tmp_path: Path) -> None:
    result = run(one_fails_early(str(tmp_path)), on_failure="drain")
    assert isinstance(result.error, sematic.PipelineRunError)
    assert result.states() == {
        "one_fails_early": "NESTED_FAILED",
        "fail_when": "FAILED",
        "sleep": "RESOLVED",
        "wait_for": "RESOLVED",
        "never": "CANCELED",
    }


@sematic.func
def many(n: int) -> list[int]:
    demanding = requirements(
        requests={"cpu": "1000", "memory": "900Ti", "nvidia.com/gpu": "1"},
        tolerations=[sematic.KubernetesToleration(key="spot")],
        host_path_mounts=[],
    )
    return [functions.add(i, i).set(resource_requirements=demanding) for i in range(n)]


def test_what_is_too_much_or_means_nothing_is_told_once(run: Run) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(many(3))
    assert result.value == [0, 2, 4]
    (told,) = [w for w in caught if issubclass(w.category, UserWarning)]
    sentence = str(told.message)
    assert sentence.startswith(f"{functions.add.path}: This machine cannot give 1000 CPUs: runni")
    assert "1 GPU: running without" in sentence
    assert "of memory: running with" in sentence
    assert "LocalRunner ignores tolerations: it takes effect on Kubernetes only." in sentence
    assert told.filename.endswith("conftest.py")  # where runner.run is called


@sematic.func
def appointment(directory: str, guests: int) -> list[int]:
    half = requirements(requests={"cpu": "500m"})
    return [
        functions.meet(directory, f"guest{i}", guests - 1).set(resource_requirements=half)
        for i in range(guests)
    ]


def test_fractions_of_a_cpu_let_more_run_at_a_time(
    run: Run, ray_session: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "place").mkdir()
    guests = 2 * int(ray_session.cluster_resources()["CPU"])
    result = run(appointment(str(tmp_path / "place"), guests))
    assert result.error is None
    assert len(set(result.value)) == guests
