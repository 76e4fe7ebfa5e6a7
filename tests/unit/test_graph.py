"""Readiness by counters."""

from hypothesis import given
from hypothesis import strategies as st

from sematic.graph import PipelineGraph, Released


def test_a_call_without_needs_is_ready() -> None:
    assert PipelineGraph().add("root", None, needs=[])


def test_a_call_waits_for_every_need() -> None:
    graph = PipelineGraph()
    graph.add("a", "root", needs=[])
    graph.add("b", "root", needs=[])
    assert not graph.add("c", "root", needs=["a", "b"])
    assert graph.resolve("a") == Released()
    assert graph.resolve("b") == Released(calls=["c"])


def test_a_need_that_comes_twice_counts_once() -> None:
    graph = PipelineGraph()
    graph.add("a", "root", needs=[])
    graph.add("b", "root", needs=["a", "a"])
    assert graph.resolve("a") == Released(calls=["b"])


def test_what_is_resolved_is_not_waited_for() -> None:
    graph = PipelineGraph()
    graph.add("a", "root", needs=[])
    graph.resolve("a")
    assert graph.add("b", "root", needs=["a"])


def test_a_need_may_be_added_later() -> None:
    graph = PipelineGraph()
    assert not graph.add("b", "root", needs=["a"])
    graph.add("a", "root", needs=[])
    assert graph.resolve("a") == Released(calls=["b"])


def test_dependents_are_released_in_the_order_they_were_added() -> None:
    graph = PipelineGraph()
    graph.add("a", "root", needs=[])
    for name in "zyx":
        graph.add(name, "root", needs=["a"])
    assert graph.resolve("a").calls == ["z", "y", "x"]


def test_outputs_and_calls_of_the_same_run_are_told_apart() -> None:
    graph = PipelineGraph()
    graph.add("root", None, needs=[])
    assert not graph.expand("root", needs=["a"])
    graph.add("a", "root", needs=[])
    graph.add("b", "root", needs=["a"])
    assert graph.resolve("a") == Released(calls=["b"], outputs=["root"])


def test_resolving_twice_releases_once() -> None:
    graph = PipelineGraph()
    graph.add("a", "root", needs=[])
    graph.add("b", "root", needs=["a"])
    graph.resolve("a")
    assert graph.resolve("a") == Released()


def test_ancestors_go_up_to_the_root() -> None:
    graph = PipelineGraph()
    graph.add("root", None, needs=[])
    graph.add("a", "root", needs=[])
    graph.add("b", "a", needs=[])
    assert list(graph.ancestors("b")) == ["a", "root"]
    assert list(graph.ancestors("root")) == []


@given(st.data())
def test_every_call_of_a_dag_is_released_once_and_after_its_needs(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    needs = [data.draw(st.sets(st.integers(0, i - 1))) if i else set() for i in range(count)]
    order = data.draw(st.permutations(range(count)))
    graph = PipelineGraph()
    waiting = [str(i) for i in order if graph.add(str(i), "root", needs=map(str, needs[i]))]
    resolved: list[str] = []
    while waiting:
        run_id = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        assert {str(need) for need in needs[int(run_id)]} <= set(resolved)
        resolved.append(run_id)
        waiting += graph.resolve(run_id).calls
    assert sorted(resolved, key=int) == [str(i) for i in range(count)]
