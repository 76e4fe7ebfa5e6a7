"""Arguments and outputs with futures inside, checked before they have values."""

from abc import ABC
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

import pytest

import sematic
from sematic.binding import bind_value
from sematic.errors import CastError
from sematic.future import Future
from sematic.types.casting import caster
from tests.builders import with_ids


@sematic.func
def number() -> int:
    return 1


@sematic.func
def text() -> str:
    return ""


class Base(ABC):  # noqa: B024
    """A class that is no dataclass, with a subclass that is one."""


@dataclass
class Config(Base):
    rate: float
    names: List[str] = field(default_factory=list)


class Point(NamedTuple):
    x: float
    y: str


def bind(value: object, type_: object) -> object:
    return bind_value(value, type_, caster(type_))


@pytest.fixture
def n() -> Future:
    return number()


@pytest.fixture
def s() -> Future:
    return text()


def test_values_without_futures_are_cast() -> None:
    assert bind("3", int) == 3
    assert bind((1, 2), List[float]) == [1.0, 2.0]
    with pytest.raises(CastError):
        bind("x", int)


def test_a_future_is_checked_by_its_type(n, s) -> None:
    assert bind(n, int) is n
    assert bind(n, float) is n
    assert bind(n, Optional[int]) is n
    with pytest.raises(CastError, match=r"Cannot cast <class 'str'> to <class 'int'>"):
        bind(s, int)


def test_constants_beside_futures_are_cast(n) -> None:
    assert bind([n, "3"], List[int]) == [n, 3]
    assert bind((n, 1), Tuple[int, float]) == (n, 1.0)
    assert bind({"a": n, "b": "4"}, Dict[str, int]) == {"a": n, "b": 4}
    assert bind({n, 3.0}, Set[int]) == {n, 3}


def test_nested_containers(n) -> None:
    bound = bind([{"a": (n, "3")}], List[Dict[str, Tuple[int, int]]])
    assert bound == [{"a": (n, 3)}]


@pytest.mark.parametrize(
    ("build", "type_"),
    [
        (lambda n, s: [n, s], List[int]),
        (lambda n, s: (n, s), Tuple[int, int]),
        (lambda n, s: {"a": n, "b": s}, Dict[str, int]),
        (lambda n, s: {n: 1}, Dict[str, int]),
        (lambda n, s: {s}, Set[int]),
        (lambda n, s: frozenset([s]), FrozenSet[int]),
        (lambda n, s: [n, "x"], List[int]),
        (lambda n, s: [[n], [s]], List[List[int]]),
        (lambda n, s: (n, n, n), Tuple[int, int]),
        (lambda n, s: [n], Tuple[int, int]),
        (lambda n, s: Config(s), Config),
        (lambda n, s: Config(0.5, [n]), Config),
        (lambda n, s: Point(n, n), Point),
        (lambda n, s: [n], int),
        (lambda n, s: Config(n), int),
        (lambda n, s: {"a": n}, str),
    ],
)
def test_what_can_never_fit_is_refused(n, s, build, type_) -> None:
    with pytest.raises(CastError):
        bind(build(n, s), type_)


def test_the_wrong_field_is_named(s) -> None:
    with pytest.raises(CastError, match=r"Field 'rate' of Config: Cannot cast <class 'str'> to"):
        bind(Config(s), Config)
    with pytest.raises(CastError, match="Field 'x' of Point"):
        bind(Point(s, s), Point)


@pytest.mark.parametrize(
    ("build", "type_"),
    [
        (lambda n, s: [n], Sequence[int]),
        (lambda n, s: (n, n), List[int]),
        (lambda n, s: [n, s], Tuple[int, str]),
        (lambda n, s: [n, s], object),
        (lambda n, s: [n], Optional[List[int]]),
        (lambda n, s: [n, s], List[Union[int, str]]),
        (lambda n, s: Config(n, [s]), Config),
        (lambda n, s: Config(n), Optional[Config]),
        (lambda n, s: Config(n), Base),
        (lambda n, s: [Config(n)], List[Base]),
        (lambda n, s: Point(n, s), Point),
        (lambda n, s: {"rate": n}, Config),
    ],
)
def test_what_may_fit_is_let_through(n, s, build, type_) -> None:
    value = build(n, s)
    assert with_ids(bind(value, type_)) == with_ids(value)


@pytest.mark.parametrize(
    "type_",
    [Tuple[List[int], Config, Dict[str, int]], object, Union[int, tuple], List[object]],
)
def test_the_callers_containers_are_copied_and_not_changed(n, type_) -> None:
    """What happens to them between the call and its execution is not seen by it."""
    numbers, config, table = [n], Config(n, ["a"]), {"a": n}
    bound = bind((numbers, config, table), type_)
    numbers.append(2)  # type: ignore[arg-type]
    config.rate = 2.0
    table["b"] = 3  # type: ignore[assignment]
    assert with_ids(bound) == ([n.id], Config(n.id, ["a"]), {"a": n.id})


def test_dataclasses_with_futures_keep_their_identity_to_the_caller(n) -> None:
    config = Config(n)
    bound = bind(config, Config)
    assert bound is not config
    assert config.rate is n
