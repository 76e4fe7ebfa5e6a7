"""Outputs shared between pipeline runs, and what happens to their files in between."""

from dataclasses import fields, make_dataclass
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.client import get_artifact_value, get_run_output, open_record
from sematic.errors import CorruptArtifactError

_executions: list[int] = []


@sematic.func(cache=True)
def numbers(count: int) -> list[int]:
    _executions.append(count)
    return list(range(count))


@sematic.func
def pipeline(count: int) -> list[int]:
    return numbers(count)


def run() -> sematic.Future:
    future = pipeline(100_000)
    runner = sematic.LocalRunner(cache_namespace="tests", progress="off")
    assert runner.run(future) == list(range(100_000))
    return future


@pytest.fixture
def executions() -> list[int]:
    _executions.clear()
    return _executions


def _output_path(config_directory: Path, future: sematic.Future) -> Path:
    output_id = open_record().run(future.id).output_id
    assert output_id is not None
    return config_directory / "artifacts" / output_id[:2] / output_id[2:]


@pytest.mark.parametrize(("place", "what"), [(0.5, "is damaged"), (None, "is not in the store")])
def test_a_cached_output_that_is_damaged_or_gone_is_computed_again(
    config_directory: Path, executions: list[int], place: float | None, what: str
) -> None:
    first = run()
    path = _output_path(config_directory, first)
    content = bytearray(path.read_bytes())
    if place is None:
        path.unlink()
    else:
        content[int(len(content) * place)] ^= 0xFF
        path.write_bytes(content)
        for read in (get_run_output, lambda _: get_artifact_value(path.parent.name + path.name)):
            with pytest.raises(CorruptArtifactError):
                read(first.id)
    with pytest.warns(UserWarning, match=what) as caught:
        run()
    assert len(caught) == 1
    assert len(executions) == 2
    run()
    assert len(executions) == 2
    assert get_run_output(first.id) == list(range(100_000))


def _class_with(*fields: str) -> type:
    """What a script has instead of this module's Point after it was edited."""
    return make_dataclass(
        "Point", [(name, int) for name in fields], namespace={"__module__": __name__}
    )


Point = _class_with("x")


@sematic.func(cache=True)
def point(x: int) -> object:
    _executions.append(x)
    return Point(*[x] * len(fields(Point)))


def test_a_cached_output_that_its_class_cannot_read_any_more_is_computed_again(
    executions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = sematic.LocalRunner("tests", progress="off")
    assert runner.run(point(1)) == runner.run(point(1)) == Point(1)
    monkeypatch.setitem(globals(), "Point", _class_with("x", "y"))
    with pytest.warns(UserWarning, match="is computed again: .* has a field 'y' that") as caught:
        assert runner.run(point(1)) == Point(1, 1)
    assert len(caught) == 1
    assert runner.run(point(1)) == Point(1, 1)
    assert executions == [1, 1]


_broken = {"yes": False}


@sematic.func(cache=True)
def mended(x: int) -> int:
    _executions.append(x)
    if _broken["yes"]:
        raise ValueError("broken")
    return x


@sematic.func
def mending(x: int) -> int:
    return mended(x)


def test_what_a_rerun_has_computed_is_in_the_cache(executions: list[int]) -> None:
    """Nobody waits a second time for what failed, was mended and rerun."""
    _broken["yes"] = True
    with pytest.raises(sematic.PipelineRunError) as failed:
        sematic.LocalRunner("tests", progress="off").run(mending(1))
    _broken["yes"] = False
    for rerun_from in (failed.value.run_id, None, failed.value.run_id):
        sematic.LocalRunner("tests", rerun_from, progress="off").run(mending(1))
    assert executions == [1, 1, 1], "failed, rerun, not at all, and rerun once more"


def test_a_warning_of_a_very_long_namespace_is_short(executions: list[int]) -> None:
    runner = sematic.LocalRunner(cache_namespace="x" * 100_000, progress="off")
    with pytest.warns(UserWarning, match="Truncated the cache namespace to 50") as caught:
        runner.run(pipeline(1))
    assert len(str(caught[0].message)) < 200
    assert caught[0].filename == __file__


@pytest.mark.parametrize("namespace", [5, lambda root: 1 / 0])
def test_a_namespace_that_cannot_be_used(executions: list[int], namespace: Any) -> None:
    runner = sematic.LocalRunner(cache_namespace=namespace, progress="off")
    with pytest.warns(UserWarning, match=r"Falling back to .* (got 5|raised ZeroDiv)") as caught:
        runner.run(pipeline(1))
    assert caught[0].filename == __file__
