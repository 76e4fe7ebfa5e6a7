"""Which calls are made ready while the one before them executes, and what becomes of them."""

import pytest

from sematic.calls import Call, Expression, Operate, OutputOf
from sematic.events import DriverChanged
from tests.builders import ROOT, artifact, call
from tests.machine import TWICE, Pipeline, standalone


def chain(*, output: str = "c", **options: object) -> Pipeline:
    """``a``, ``b`` that needs it, and ``c`` that needs that; ``a`` is started."""
    pipeline = Pipeline()
    calls = [standalone("a"), standalone("b", needs=["a"]), standalone("c", needs=["b"])]
    pipeline.start_with(*calls, output=OutputOf(output), **options)
    return pipeline


def test_the_next_call_of_a_chain() -> None:
    pipeline = chain()
    assert pipeline.ahead == ["prepare b after a #1"]
    assert "start b #1" in pipeline.succeed("a")
    assert pipeline.ahead == ["prepare c after b #1"]
    assert "start c #1" in pipeline.succeed("b")
    assert pipeline.ahead == []


def test_also_where_the_output_before_is_returned_too() -> None:
    pipeline = Pipeline()
    both = Expression((OutputOf("a"), OutputOf("b"), Operate("add", (0, 1))))
    pipeline.start_with(standalone("a"), standalone("b", needs=["a"]), output=both)
    assert pipeline.ahead == ["prepare b after a #1"]


def test_is_dropped_where_the_one_before_fails() -> None:
    pipeline = chain()
    pipeline.fail("a")
    assert pipeline.ahead == ["drop b"]


def test_is_dropped_where_the_one_before_is_lost() -> None:
    pipeline = chain()
    pipeline.lose("a")
    assert pipeline.ahead == ["drop b"]


def test_is_made_ready_again_for_the_next_attempt() -> None:
    pipeline = Pipeline()
    calls = [standalone("a", retry=TWICE), standalone("b", needs=["a"])]
    pipeline.start_with(*calls, output=OutputOf("b"))
    pipeline.fail("a")
    assert pipeline.ahead == ["drop b", "prepare b after a #2"]
    assert "start b #1" in pipeline.succeed("a", attempt=2)


def test_is_dropped_where_the_one_before_makes_other_calls() -> None:
    pipeline = chain()
    pipeline.expand("a", [standalone("n", parent="a")], OutputOf("n"))
    assert pipeline.ahead == ["drop b"]
    assert "start b #1" in pipeline.succeed("n")


def test_is_dropped_where_the_pipeline_run_ends() -> None:
    pipeline = chain()
    pipeline.cancel()
    assert pipeline.ahead == []  # what is before it has not ended
    pipeline.succeed("a")
    assert pipeline.ahead == ["drop b"]


def test_is_dropped_where_another_call_gets_the_slot() -> None:
    pipeline = Pipeline()
    calls = [standalone("a"), call("i"), standalone("x", needs=["i"])]
    calls.append(standalone("b", needs=["a"]))
    both = Expression((OutputOf("x"), OutputOf("b"), Operate("add", (0, 1))))
    pipeline.start_with(*calls, output=both, max_parallelism=1)
    assert pipeline.ahead == ["prepare b after a #1"]
    pipeline.succeed("i")
    assert "start x #1" in pipeline.succeed("a")
    assert pipeline.ahead == ["drop b"]
    assert "start b #1" in pipeline.succeed("x")


@pytest.mark.parametrize(("slots", "ahead"), [(1, ""), (2, ""), (3, "abc"), (None, "abc")])
def test_not_where_others_wait_for_the_slot(slots: int | None, ahead: str) -> None:
    pipeline = Pipeline()
    firsts = [standalone(name) for name in "abc"]
    nexts = [standalone(f"{name}2", needs=[name]) for name in "abc"]
    all_ = Expression((OutputOf("a2"), OutputOf("b2"), OutputOf("c2"), Operate("add", (0, 1, 2))))
    pipeline.start_with(*firsts, *nexts, output=all_, max_parallelism=slots)
    assert pipeline.ahead == [f"prepare {name}2 after {name} #1" for name in ahead]


def test_another_driver_starts_without_it() -> None:
    pipeline = chain()
    pipeline.send(DriverChanged(pipeline.at, pipeline.at))
    assert pipeline.ahead == ["prepare b after a #2"]
    assert "start b #1" in pipeline.succeed("a", attempt=2)
    assert pipeline.ahead == ["prepare c after b #1"]


_OUTPUT = {"x": OutputOf("a")}
_COMPUTED = {"x": Expression((OutputOf("a"), artifact(), Operate("add", (0, 1))))}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(call("a"), standalone("b", inputs=_OUTPUT), id="inline, then standalone"),
        pytest.param(standalone("a"), call("b", inputs=_OUTPUT), id="standalone, then inline"),
        pytest.param(standalone("a"), standalone("b", inputs=_COMPUTED), id="computed input"),
        pytest.param(standalone("a"), standalone("b", cache=True, needs=["a"]), id="cached"),
    ],
)
def test_not_what_may_not_start_next(before: Call, after: Call) -> None:
    pipeline = Pipeline()
    pipeline.start_with(before, after, output=OutputOf("b"), cache_namespace="here")
    assert pipeline.ahead == []


def test_not_one_of_two_that_wait_for_the_same() -> None:
    pipeline = Pipeline()
    calls = [standalone("a"), standalone("b", needs=["a"]), standalone("c", needs=["a"])]
    both = Expression((OutputOf("b"), OutputOf("c"), Operate("add", (0, 1))))
    pipeline.start_with(*calls, output=both)
    assert pipeline.ahead == []


def test_not_what_waits_for_two() -> None:
    pipeline = Pipeline()
    calls = [standalone("a"), standalone("b"), standalone("c", needs=["a", "b"])]
    pipeline.start_with(*calls, output=OutputOf("c"))
    assert pipeline.ahead == []
    pipeline.succeed("a")
    assert pipeline.ahead == []  # what is before it was started before that was known


def test_not_where_standalone_calls_execute_inline() -> None:
    assert chain(apart=False).ahead == []


def test_root_that_is_standalone() -> None:
    pipeline = Pipeline()
    pipeline.start(standalone(ROOT, parent=None))
    assert pipeline.ahead == []
