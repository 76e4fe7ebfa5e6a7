"""``sematic why`` on a record in PostgreSQL."""

import pytest

from sematic.client import open_record
from sematic.tracking.why import find_closest, find_failed_below, find_first_failed, find_unended
from tests.unit.cli import pipelines
from tests.unit.cli.test_why import nested, run, squares

pytestmark = pytest.mark.postgres


def test_why(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", postgres_url)
    close = nested(run(squares(3, [1], False)))
    run(squares(5, [5], False))
    queries = open_record()
    last = queries.run(nested(run(squares(2, [1], False))))
    inputs = {i.name: i.artifact.id for i in queries.inputs(last.id) if i.artifact}
    found = find_closest(postgres_url, last, inputs)
    assert found is not None
    assert (found.id, found.namespace) == (close, "one")
    assert find_closest(postgres_url, queries.run(close), {}) is None
    bad = pipelines.run(pipelines.broken())
    divide = nested(bad, "divide")
    assert find_first_failed(postgres_url, bad) == divide
    assert find_failed_below(postgres_url, queries.run(bad)) == [divide]
    assert find_unended(postgres_url, bad) == (0, [])
