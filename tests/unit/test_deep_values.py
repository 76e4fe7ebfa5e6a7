"""Values that are deep, or contain themselves: a result, or an error that names them."""

import collections
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import sematic
from sematic import LocalRunner, Runner, SilentRunner
from sematic.errors import CastError, UnserializableValueError

RUNNERS = [SilentRunner, lambda: LocalRunner(progress="off")]


@dataclass
class Box:
    content: object


WRAPPERS: list[Callable[[Any], object]] = [
    lambda inner: [inner],
    lambda inner: {"a": inner},
    lambda inner: (inner,),
    lambda inner: collections.deque([inner]),
    Box,
]


@sematic.func
def one() -> int:
    return 1


@sematic.func
def anything(value: object) -> object:
    return value


def nest(wrap: Callable[[Any], object], inner: object, depth: int) -> object:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def endless() -> list[object]:
    value: list[object] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize("build", RUNNERS)
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_deep_argument(build: Callable[[], Runner], wrap: Callable[[Any], object]) -> None:
    with pytest.raises(UnserializableValueError, match=r"Argument 'value' of .*nested too deeply"):
        build().run(anything(nest(wrap, 1, 10_000)))


@pytest.mark.parametrize("build", RUNNERS)
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_deep_output(build: Callable[[], Runner], wrap: Callable[[Any], object]) -> None:
    @sematic.func
    def deep() -> object:
        return nest(wrap, 1, 10_000)

    with pytest.raises(sematic.PipelineRunError) as caught:
        build().run(deep())
    assert isinstance(caught.value.__cause__, UnserializableValueError)
    assert str(caught.value.__cause__).startswith("The output of ")


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_future_beside_what_is_deep(wrap: Callable[[Any], object]) -> None:
    @sematic.func
    def pipeline() -> object:
        return anything([one(), nest(wrap, 1, 10_000)])

    with pytest.raises(sematic.PipelineRunError) as caught:
        SilentRunner().run(pipeline())
    assert isinstance(caught.value.__cause__, UnserializableValueError)
    assert str(caught.value.__cause__).startswith("Argument 'value' of ")


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_future_deep_inside(wrap: Callable[[Any], object]) -> None:
    with pytest.raises(CastError, match=r"argument 'value' when .*nested too deeply, or contains"):
        anything(nest(wrap, one(), 1_000))


def test_a_list_with_a_future_that_contains_itself() -> None:
    value = endless()
    value.append(one())
    with pytest.raises(CastError, match=r"argument 'value' .*The list is .* or contains itself\."):
        anything(value)

    @sematic.func
    def pipeline() -> object:
        value = endless()
        value.append(one())
        return value

    with pytest.raises(sematic.PipelineRunError) as caught:
        SilentRunner().run(pipeline())
    assert isinstance(caught.value.__cause__, CastError)
    assert "Invalid output type for" in str(caught.value.__cause__)


@pytest.mark.parametrize("build", RUNNERS)
def test_a_list_that_contains_itself_is_kept_as_it_is(build: Callable[[], Runner]) -> None:
    value: Any = build().run(anything(endless()))
    assert value[0] == 1
    assert value[1] is value

    @sematic.func
    def pipeline() -> object:
        return anything([endless(), one()])

    inner, number = build().run(pipeline())
    assert number == 1
    assert inner[1] is inner
