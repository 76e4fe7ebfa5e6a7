"""Standalone functions and what is known already: cached, rerun from, and reproduced."""

import os
from collections.abc import Callable

import pytest
from click.testing import CliRunner

import sematic
from sematic.cli import main
from sematic.client import open_record
from sematic.ray_backend import executor
from sematic.states import RunState
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result

pytestmark = pytest.mark.ray

Run = Callable[..., Result]


@sematic.func
def both(seconds: float) -> list[int]:
    first = functions.process_id(seconds).set(cache=True, tags=["first"])
    return [first, functions.add(first, 0).set(cache=True)]


def test_what_is_cached_starts_no_task(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = run(both(0.0), cache_namespace="n")
    assert computed.value[0] == computed.value[1] != os.getpid()
    started: list[object] = []
    original = executor.RayExecutor.start
    monkeypatch.setattr(
        executor.RayExecutor,
        "start",
        lambda self, *call: started.append(call) or original(self, *call),
    )
    cached = run(both(0.0), cache_namespace="n")
    assert cached.value == computed.value
    assert started == []
    run_ids = {r.original_run_id for r in open_record().runs(cached.root_id)[1:]}
    assert run_ids == {r.id for r in open_record().runs(computed.root_id)[1:]}


def test_a_rerun_executes_what_it_names_where_it_did(run: Run) -> None:
    first = run(both(0.0), cache_namespace="n")
    again = run(both(0.0), cache_namespace="n", rerun_from=first.run("add").id)
    assert again.value == first.value
    assert again.run("process_id").original_run_id == first.run("process_id").id
    assert again.run("process_id").options["tags"] == ["first"]
    added = again.run("add")
    assert (added.original_run_id, added.standalone, added.state) == (None, True, RunState.RESOLVED)


def test_a_standalone_run_is_reproduced_here(run: Run) -> None:
    result = run(functions.add(1, 2))
    shown = CliRunner().invoke(main, ["repro", result.root_id], catch_exceptions=False)
    assert shown.exit_code == 0
    assert shown.stdout.endswith(", as recorded\n  3\n")
