"""Arguments are seen as they were when the call was written, whatever their type."""

import dataclasses
import sys
import threading
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sematic
from sematic.calls import ArtifactRef, Expanded
from sematic.execution import build_root_call, execute_call
from sematic.snapshots import Snapshots
from sematic.testing import MemoryStore


@dataclasses.dataclass
class Point:
    x: Any


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x


class Color(Enum):
    RED = 1


@sematic.func
def number() -> int:
    return 1


@sematic.func
def take(value: object) -> object:
    return value


def _set_x(value: Any) -> None:
    value.x = 99


def _append(value: Any) -> None:
    value.append(99)


def _set_first(value: Any) -> None:
    value[0] = 99


def _deeper(value: Any) -> None:
    value[0].append(99)


FLAT = [  # quicker to copy than to compare
    (lambda: [1], _append),
    (lambda: {0: 1}, _set_first),
    (lambda: {1}, lambda value: value.add(99)),
]
OTHER = [
    (lambda: [[1], 2], _deeper),
    (lambda: ([1], 2), _deeper),
    (lambda: {0: [1]}, _deeper),
    (lambda: bytearray(b"abc"), _append),
    (lambda: Point(1), _set_x),
    (lambda: [Point(1)], lambda value: _set_x(value[0])),
    (lambda: Plain([1]), _set_x),
    (lambda: np.zeros(3), _set_first),
    (lambda: np.zeros((3, 3))[:, 1], _set_first),
    (lambda: pd.DataFrame({"a": [1, 2]}), lambda value: value.insert(0, "b", 99)),
    (lambda: pd.Series([1, 2]), _set_first),
]


@pytest.mark.parametrize(("build", "change"), FLAT + OTHER)
def test_later_changes_do_not_reach_the_call(build, change) -> None:
    value, before = build(), repr(_content(build()))
    future = take(value)
    change(value)
    assert repr(_content(future.kwargs["value"])) == before
    assert repr(_content(value)) != before


def _content(value: Any) -> Any:
    return vars(value) if isinstance(value, Plain) else value


@pytest.mark.parametrize(("build", "change"), OTHER)
def test_an_object_is_copied_once_until_it_changes(build, change) -> None:
    """Ten thousand calls that share an array do not need ten thousand arrays."""
    snapshots, value = Snapshots(), build()
    first = snapshots.take(value)
    assert snapshots.take(value) is first
    change(value)
    second = snapshots.take(value)
    assert second is not first
    assert repr(_content(second)) == repr(_content(value))


@pytest.mark.parametrize("value", [1, "a", None, (1, "a"), Color.RED, print, Point, sys, number])
def test_what_cannot_change_is_not_copied(value) -> None:
    assert Snapshots().take(value) is value


def test_futures_functions_and_classes_stay_themselves_in_a_copy() -> None:
    class Local:
        pass

    def inner() -> None: ...

    parts = [number(), number() + 1, number, inner, Local, Color.RED, np.float64, lambda: 0]
    copied = Snapshots().take(Plain([*parts, [0]])).x
    assert all(a is b for a, b in zip(copied, parts, strict=False))
    assert copied[-1] == [0]
    assert type(Snapshots().take(Plain(Local())).x) is Local


def test_what_was_shared_in_an_argument_stays_so_and_rings_stay_rings() -> None:
    ring: list[Any] = [[1]]
    ring.append(ring[0])
    ring.append(ring)
    copied = Snapshots().take(ring)
    assert copied[0] is copied[1]
    assert copied[2] is copied
    assert copied is not ring


def test_what_cannot_be_copied_is_left_to_those_who_store_it() -> None:
    value = [threading.Lock()]
    assert Snapshots().take(value) is value


def test_a_figure_does_not_open_a_second_window() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure()
    try:
        copied = Snapshots().take(figure)
        assert copied is not figure
        assert plt.get_fignums() == [figure.number]
    finally:
        plt.close(figure)


def test_a_function_calls_others_with_arguments_as_they_are() -> None:
    def root() -> list[object]:
        array, point, calls = np.zeros(3), Point(0), []
        for i in range(3):
            calls.append(take((array, point)))
            array[0], point.x = i + 1, 10 * (i + 1)
        return calls

    store = MemoryStore()
    call = build_root_call(sematic.func(root)(), store)
    outcome = execute_call(call, {}, store=store)
    assert isinstance(outcome, Expanded)
    values: Any = [store.get(call.inputs["value"]) for call in outcome.calls]  # type: ignore[arg-type]
    assert [(array[0], point.x) for array, point in values] == [(0, 0), (1, 10), (2, 20)]


@sematic.func
def ones() -> list[int]:
    return [1]


@sematic.func
def operand_that_changes() -> tuple[list[int], list[int], object]:
    constant = [2]
    behind, before = ones() + constant, constant + ones()
    passed = take(ones() + constant)
    constant.append(3)
    return behind, before, passed


@sematic.func
def key_that_changes() -> list[int]:
    array = np.array([True, False])
    picked = array_of_two()[array]
    array[:] = True
    return sized(picked)


@sematic.func
def array_of_two() -> np.ndarray:
    return np.array([1, 2])


@sematic.func
def sized(values: object) -> list[int]:
    return [int(value) for value in values]  # type: ignore[attr-defined]


def test_constants_in_expressions_are_seen_as_they_were() -> None:
    run = sematic.SilentRunner().run
    assert run(operand_that_changes()) == ([1, 2], [2, 1], [1, 2])
    assert run(key_that_changes()) == [1]


def test_a_constant_of_many_operations_is_copied_once() -> None:
    array = np.zeros(100_000)

    @sematic.func
    def sums() -> list[object]:
        return [array_of_two() + array for _ in range(5)]

    store = MemoryStore()
    outcome = execute_call(build_root_call(sums(), store), {}, store=store)
    assert isinstance(outcome, Expanded)
    steps = outcome.output.steps  # type: ignore[union-attr]
    assert sum(isinstance(step, ArtifactRef) for step in steps) == 1
