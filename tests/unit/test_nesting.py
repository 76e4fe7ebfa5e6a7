"""Futures found and replaced inside of containers."""

import collections
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

import sematic
from sematic.containers import parts, with_parts
from sematic.errors import FutureUseError
from sematic.future import AbstractFuture
from sematic.nesting import holds_future, iter_nested, map_nested
from tests.builders import with_ids


@sematic.func
def one() -> int:
    return 1


class Pair(NamedTuple):
    left: object
    right: object


@dataclass
class Config:
    rate: object
    layers: list = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    rate: object


@dataclass
class Strict:
    """Its __init__ cannot be called with what is in it later."""

    given: Any
    double: Any = field(init=False)

    def __post_init__(self) -> None:
        assert isinstance(self.given, AbstractFuture)
        self.double = [self.given]


@dataclass(slots=True)
class Slotted:
    rate: object
    unset: object = field(init=False)


@pytest.fixture
def f() -> AbstractFuture:
    return one()


@pytest.fixture
def g() -> AbstractFuture:
    return one()


def replaced(value: object) -> Any:
    """``value`` with 1, 2, 3... in place of futures."""
    numbers = iter(range(1, 100))
    return map_nested(value, lambda _: next(numbers))


def test_a_future_is_found_itself(f) -> None:
    assert list(iter_nested(f)) == [f]
    assert replaced(f) == 1


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda f, g: [f, 0, g], [1, 0, 2]),
        (lambda f, g: (f, 0, g), (1, 0, 2)),
        (lambda f, g: {"a": f, "b": 0, "c": g}, {"a": 1, "b": 0, "c": 2}),
        (lambda f, g: {f: "a", 0: g}, {1: "a", 0: 2}),
        (lambda f, g: Pair(f, g), Pair(1, 2)),
        (lambda f, g: Config(f, [g]), Config(1, [2])),
        (lambda f, g: Frozen((f, g)), Frozen((1, 2))),
        (lambda f, g: [[[f]], {"a": (g,)}], [[[1]], {"a": (2,)}]),
        (lambda f, g: slice(f, None, g), slice(1, None, 2)),
        (lambda f, g: [Pair({"a": Config(f)}, g)], [Pair({"a": Config(1)}, 2)]),
    ],
)
def test_futures_are_found_from_left_to_right(f, g, build, expected) -> None:
    value = build(f, g)
    assert list(map(id, iter_nested(value))) == [id(f), id(g)]
    assert holds_future(value)
    assert replaced(value) == expected


@pytest.mark.parametrize("kind", [set, frozenset])
def test_sets(f, g, kind) -> None:
    assert {id(found) for found in iter_nested(kind([f, g, 0]))} == {id(f), id(g)}
    assert replaced(kind([f, g, 0])) == kind([0, 1, 2])


@pytest.mark.parametrize(
    "value", [0, "text", b"", None, [], {}, object(), [1, [2]], Config(1), int, range(3), {1: (2,)}]
)
def test_a_value_without_futures_is_left_as_it_is(value) -> None:
    assert not holds_future(value)
    assert map_nested(value, lambda _: pytest.fail("there is no future")) is value


def test_the_callers_objects_are_never_changed(f) -> None:
    inner, config, pairs = [f], Config(f, [f]), {"a": f}
    value = [inner, config, pairs]
    replaced(value)
    assert value == [inner, config, pairs]
    assert inner[0] is config.rate is config.layers[0] is pairs["a"] is f


def test_parts_without_futures_are_shared(f) -> None:
    large = [1, 2, 3]
    assert replaced([f, large])[1] is large


def test_dataclasses_are_copied_without_their_init(f) -> None:
    strict = Strict(f)
    copied = replaced(strict)
    assert (copied.given, copied.double) == (1, [2])
    assert strict.given is f


def test_fields_that_are_not_set_are_left_out(f) -> None:
    copied = replaced(Slotted(f))
    assert copied.rate == 1
    assert not hasattr(copied, "unset")


def test_other_attributes_of_a_dataclass_come_along(f) -> None:
    config = Config(f)
    config.note = "extra"  # type: ignore[attr-defined]
    assert replaced(config).note == "extra"


class Kept(list):
    def __init__(self, *items: object, note: str) -> None:
        super().__init__(items)
        self.note = note


class Attributes(dict):
    """A dict whose items are attributes, as many write it."""

    __setattr__ = dict.__setitem__  # type: ignore[assignment]


class Strictly(list):
    def append(self, item: object) -> None:
        assert isinstance(item, int)
        super().append(item)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda f: collections.OrderedDict(b=0, a=f), collections.OrderedDict(b=0, a=1)),
        (lambda f: collections.Counter(a=f), collections.Counter(a=1)),
        (lambda f: collections.deque([0, f], maxlen=2), collections.deque([0, 1], maxlen=2)),
        (lambda f: Attributes(a=f), Attributes(a=1)),
        (lambda f: type("Set", (set,), {})([f]), {1}),
    ],
)
def test_subclasses_of_containers_are_copied(f, build, expected) -> None:
    value = build(f)
    assert list(map(id, iter_nested(value))) == [id(f)]
    copied = replaced(value)
    assert copied == expected
    assert type(copied) is type(value)
    assert list(iter_nested(value)) == [f]


def test_what_a_subclass_has_beside_its_items_comes_along(f) -> None:
    order = collections.OrderedDict(a=0, b=f)
    order.move_to_end("a")
    assert list(replaced(order)) == ["b", "a"]
    assert replaced(collections.deque([f], maxlen=3)).maxlen == 3
    assert replaced(collections.defaultdict(list, a=f))["new"] == []
    kept = replaced(Kept(f, note="x"))
    assert (kept, kept.note) == ([1], "x")


def test_a_subclass_that_may_refuse_futures_is_refused_with_what_to_write(f) -> None:
    with pytest.raises(
        FutureUseError, match=r"Strictly: it has its own append.*Use a plain list"
    ) as e:
        replaced(Strictly([f]))
    assert "make the Strictly there" in str(e.value)
    assert replaced(Strictly([1])) == [1]


def test_a_container_that_comes_twice_is_looked_into_once(f) -> None:
    shared = [f]
    value = [shared, shared]
    assert list(iter_nested(value)) == [f]
    first, second = replaced(value)
    assert first == [1]
    assert first is second


def test_a_future_that_comes_twice_is_found_twice(f) -> None:
    assert list(map(id, iter_nested([f, f]))) == [id(f)] * 2
    assert replaced([f, f]) == [1, 2]


def test_shared_containers_cost_nothing(f) -> None:
    value: list = [f]
    for _ in range(60):  # 2 ** 60 paths lead to f
        value = [value, value]
    assert list(iter_nested(value)) == [f]
    copied = replaced(value)
    assert copied[0] is copied[1]


def test_a_container_may_contain_itself() -> None:
    value: list = [1]
    value.append(value)
    assert not holds_future(value)
    assert replaced(value) is value


def test_a_cycle_beside_a_future_does_no_harm(f) -> None:
    value: list = [(1,)]
    value.append(value)
    assert list(iter_nested([value, f])) == [f]
    copied = replaced([value, [f]])
    assert copied[0] is value
    assert copied[1] == [1]


def test_a_cycle_with_a_future_in_it_is_refused(f) -> None:
    value: list = [f]
    value.append({"self": value})
    assert list(iter_nested(value)) == [f]
    with pytest.raises(FutureUseError, match="A list with a future in it contains itself"):
        replaced(value)


def test_the_leaf_to_replace_can_be_another_class(f) -> None:
    value = [range(2), (f, range(3))]
    assert map_nested(value, len, leaf=range) == [2, (f, 3)]


def test_parts_and_back(f) -> None:
    for value in ([f, 1], (f, 1), {"a": f, "b": 1}, Pair(f, 1), Config(f, [1]), slice(f, 1)):
        assert with_ids(with_parts(value, parts(value))) == with_ids(value)
    assert parts({"a": 1, "b": 2}) == ["a", "b", 1, 2]
    assert parts("text") == parts(3) == parts(object()) == []


def test_what_is_deep_is_walked_without_recursion(f) -> None:
    value: Any = f
    for _ in range(50_000):
        value = [0, value]
    copied = replaced(value)
    for _ in range(50_000):
        copied = copied[1]
    assert copied == 1
