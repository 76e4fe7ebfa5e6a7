"""Reading a record in PostgreSQL: what SQLite does by itself, another database may not."""

import pytest

from sematic.client import block_on_run, get_run_output
from sematic.errors import NotFoundError
from sematic.states import RunState
from sematic.tracking.deleting import delete_pipeline_run
from sematic.tracking.queries import open_queries
from sematic.tracking.references import find_referenced, iter_referenced
from tests.unit.cli import pipelines

pytestmark = pytest.mark.postgres


def test_queries(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", postgres_url)
    assert open_queries(postgres_url).is_empty
    good = pipelines.run(pipelines.add_up(2, pipelines.Config()))
    bad = pipelines.run(pipelines.broken())
    record = open_queries(postgres_url)
    assert [row.root_id for row in record.pipeline_runs()] == [bad, good]
    assert [row.root_id for row in record.pipeline_runs(name="ADD_", limit=1)] == [good]
    assert [row.root_id for row in record.pipeline_runs(statuses={"FAILED"})] == [bad]
    assert record.state_counts([good])[good] == {RunState.RESOLVED: 4}
    assert record.resolve_pipeline_run_id(good[:8]) == good
    with pytest.raises(NotFoundError):
        record.resolve_run_id("zz")
    *_, divide = record.runs(bad)
    assert divide.error is not None
    assert record.first_failures([good, bad]) == {bad: divide}
    assert [i.artifact and i.artifact.payload for i in record.inputs(divide.id)] == ["3", "0"]
    assert "return a / b" in record.function(divide.function_id).source
    assert "command" in record.environment(good)


def test_client(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", postgres_url)
    run_id = pipelines.run(pipelines.add(1, 2))
    block_on_run(run_id)
    assert get_run_output(run_id) == 3


def test_references(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", postgres_url)
    run_id = pipelines.run(pipelines.add(1, 2))
    refs = {ref.payload: ref.id for ref in iter_referenced(postgres_url)}
    assert set(refs) == {"1", "2", "3"}
    assert find_referenced(postgres_url, [*refs.values(), "0" * 40]) == set(refs.values())
    delete_pipeline_run(postgres_url, run_id)
    assert find_referenced(postgres_url, refs.values()) == set()
