"""Standalone functions on real Ray: parallel, nested, dynamic, with values both ways."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sematic
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result
from tests.integration.ray.functions import Point, TwoPartError  # noqa: F401

pytestmark = pytest.mark.ray

Run = Callable[..., Result]


@sematic.func
def appointment(directory: str) -> list[int]:
    return [functions.meet(directory, "a", 1), functions.meet(directory, "b", 1)]


def test_standalone_functions_run_in_parallel_in_other_processes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    result = run(appointment(str(tmp_path / "place")))
    assert result.error is None
    assert len({os.getpid(), *result.value}) == 3


def test_a_standalone_root(run: Run) -> None:
    result = run(functions.add(1, 2))
    assert result.value == 3
    assert result.states() == {"add": "RESOLVED"}


def test_none_is_a_value_like_others(run: Run) -> None:
    result = run(functions.nothing())
    assert result.value is None
    assert result.error is None
    assert result.run("nothing").output_id is not None


def test_recursion_through_workers(run: Run) -> None:
    result = run(functions.fibonacci(5))
    assert result.value == 5
    assert {run.state.value for run in result.runs("fibonacci")} == {"RESOLVED"}
    assert len(result.runs("fibonacci")) == 15


def test_a_fan_out_whose_length_a_worker_decides(run: Run) -> None:
    result = run(functions.squares(6))
    assert result.value == [0, 1, 4, 9, 16, 25]
    assert len(result.runs("square")) == 6


def test_context_in_workers(run: Run) -> None:
    result = run(functions.ids(2))
    assert [context.run_id for context in result.value] == [r.id for r in result.runs("ids")]
    assert {context.root_id for context in result.value} == {result.root_id}
    with pytest.raises(sematic.NotInSematicFuncError):
        sematic.context()


def test_classes_of_modules_travel_both_ways(run: Run) -> None:
    result = run(functions.twice(Point(1, 2)))
    assert result.value == [Point(1, 2), Point(2, 1)]
    assert type(result.value[0]) is Point


def test_closures_travel_with_what_they_hold(run: Run) -> None:
    offset = 40

    @sematic.func(standalone=True)
    def shift(x: int) -> int:
        return x + offset

    @sematic.func(standalone=True)
    def pipeline(n: int) -> list[int]:
        return [shift(i) for i in range(n)]

    assert run(pipeline(3)).value == [40, 41, 42]


def test_code_that_holds_much_data_is_sent_once(run: Run) -> None:
    table = bytes(range(256)) * 4_000  # beyond what goes with each call

    @sematic.func(standalone=True)
    def look_up(i: int) -> int:
        return table[i]

    @sematic.func
    def pipeline(n: int) -> list[int]:
        return [look_up(i) for i in range(n)]

    assert run(pipeline(20)).value == list(range(20))


def test_a_function_that_changed_is_not_taken_for_the_old_one(run: Run) -> None:
    values = []
    for number in (1, 2):

        @sematic.func(standalone=True)
        def answer(_: int, number: int = number) -> int:
            return number

        values.append(run(answer(0)).value)
    assert values == [1, 2]


def test_workers_have_directory_and_import_path_of_the_driver(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "somewhere").mkdir()
    (tmp_path / "late_module.py").write_text(
        "import sematic\n\n"
        "@sematic.func(standalone=True)\n"
        "def late(x: int) -> int:\n"
        "    return x + 1\n"
    )
    monkeypatch.chdir(tmp_path / "somewhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run(functions.where()).value == [os.getcwd(), str(tmp_path)]
    import late_module  # type: ignore[import-not-found]

    try:
        assert run(late_module.late(1)).value == 2
    finally:
        del sys.modules["late_module"]


def test_a_large_value_between_workers(run: Run) -> None:
    result = run(functions.squares(200))
    assert sum(result.value) == sum(i * i for i in range(200))
