"""What every ArtifactStore promises, see :class:`sematic.ports.ArtifactStore`."""

import collections
import datetime
import enum
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Set, Tuple, Union

import pytest

from sematic.artifacts.store import FileSystemStore
from sematic.calls import ArtifactRef, Hole
from sematic.errors import MissingArtifactError, UnserializableValueError
from sematic.ports import ArtifactStore
from sematic.testing import MemoryStore


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: str


@dataclass
class Config:
    rate: float
    layers: List[int] = field(default_factory=list)
    inner: Optional["Config"] = None


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.value == self.value

    def __hash__(self) -> int:
        return 1


STORES: dict[str, Callable[[Path], ArtifactStore]] = {
    "memory": lambda path: MemoryStore(),
    "files": lambda path: FileSystemStore(path / "artifacts"),
}
UTC = datetime.timezone.utc
VALUES: list[tuple[object, Any]] = [
    *[(value, int) for value in (0, 1, -1, 2**63, 2**200, True)],
    *[(value, float) for value in (0.0, -0.0, 1.5, 1e300, float("inf"), float("-inf"))],
    *[
        (value, str)
        for value in ("", "text", "ümlaut 漢字 🙂", "nul \0", "lone \udc80", "x" * 40_000)
    ],
    *[(value, bytes) for value in (b"", b"\0\xff", b"x" * 40_000)],
    (None, type(None)),
    (None, Optional[int]),
    ([], List[int]),
    ([1, 2], List[int]),
    (list(range(20_000)), List[int]),
    ([[1], []], List[List[int]]),
    ((1, "a"), Tuple[int, str]),
    ((), Tuple[int, ...]),
    ({1, 2}, Set[int]),
    (frozenset({1}), FrozenSet[int]),
    ({}, Dict[str, int]),
    ({"a": 1, "": 2}, Dict[str, int]),
    ({1: "a", (2, 3): "b"}, Dict[object, str]),
    (collections.OrderedDict(a=1), object),
    (Colour.RED, Colour),
    (Point(1, "a"), Point),
    (Config(0.5, [1], Config(1.0)), Config),
    (Plain([1, 2]), Plain),
    ([Config(0.5), Plain(1), Colour.RED, None], List[object]),
    (3, Union[int, str]),
    (datetime.datetime(2024, 2, 29, 12, 30, 1, 5, UTC), datetime.datetime),
    (datetime.datetime(2024, 2, 29), datetime.datetime),
    (datetime.date(2024, 2, 29), datetime.date),
    (datetime.timedelta(days=1, microseconds=1), datetime.timedelta),
    (1 + 2j, complex),
    ([Hole(0), {"a": Hole(1)}, 5], list),
]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return STORES[request.param](tmp_path)


@pytest.mark.parametrize(("value", "type_"), VALUES, ids=lambda value: repr(value)[:30])
def test_a_value_comes_back_as_it_was(store, value, type_) -> None:
    ref = store.put(value, type_)
    found = store.get(ref)
    assert found == value
    assert type(found) is type(value)
    store.check(ref)


def test_nan_and_the_sign_of_zero_come_back(store) -> None:
    assert math.isnan(store.get(store.put(float("nan"), float)))
    assert math.copysign(1, store.get(store.put(-0.0, float))) == -1


def test_elements_keep_their_types(store) -> None:
    value = [1, 1.0, True, "1", b"1", None, (1,), [1]]
    found = store.get(store.put(value, List[object]))
    assert [type(part) for part in found] == [type(part) for part in value]


def test_a_reference_tells_what_it_names(store) -> None:
    ref = store.put([1, 2], List[int])
    assert isinstance(ref, ArtifactRef)
    assert len(ref.id) == 40
    assert int(ref.id, 16) >= 0
    assert ref.type == "list[int]"
    assert ref.codec
    assert ref.size > 0


@pytest.mark.parametrize(
    ("build", "type_"),
    [
        (lambda: 3, int),
        (lambda: "text", str),
        (lambda: [1, 2, 3], List[int]),
        (lambda: {"b": 1, "a": 2}, Dict[str, int]),
        (lambda: Config(0.5, [1]), Config),
        (lambda: list(range(20_000)), List[int]),
        (lambda: None, type(None)),
    ],
)
def test_the_same_value_of_the_same_type_has_the_same_id(store, build, type_) -> None:
    assert store.put(build(), type_).id == store.put(build(), type_).id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, int), (2, int)),
        ((1, int), (1, float)),
        ((1, int), (1, object)),
        ((1, object), (True, object)),
        ((1, object), (1.0, object)),
        ((0.0, float), (-0.0, float)),
        (([], List[int]), ([], List[str])),
        (([1], object), ((1,), object)),
        (("1", object), (1, object)),
        ((None, object), ("None", object)),
    ],
)
def test_another_value_or_type_has_another_id(store, one, other) -> None:
    assert store.put(*one).id != store.put(*other).id


# --- isolation


@pytest.mark.parametrize(
    ("build", "type_", "change"),
    [
        (lambda: [1], List[int], lambda value: value.append(9)),
        (lambda: [[1]], List[List[int]], lambda value: value[0].append(9)),
        (lambda: {"a": [1]}, Dict[str, List[int]], lambda value: value["a"].append(9)),
        (lambda: Config(0.5, [1]), Config, lambda value: value.layers.append(9)),
        (lambda: Config(0.5), Config, lambda value: setattr(value, "rate", 9.0)),
        (lambda: Plain([1]), Plain, lambda value: value.value.append(9)),
        (lambda: [Plain(1)], List[object], lambda value: setattr(value[0], "value", 9)),
        (lambda: ([1], 2), Tuple[List[int], int], lambda value: value[0].append(9)),
        (lambda: bytearray(b"abc"), bytearray, lambda value: value.append(9)),
        (lambda: list(range(20_000)), List[int], lambda value: value.append(9)),
    ],
)
def test_no_change_reaches_anybody_else(store, build, type_, change) -> None:
    given = build()
    ref = store.put(given, type_)
    change(given)
    assert store.get(ref) == build()
    found = store.get(ref)
    change(found)
    assert store.get(ref) == build()


def test_a_value_is_not_changed_by_being_stored(store) -> None:
    value = Config(0.5, [1], Config(1.0))
    store.put(value, Config)
    assert value == Config(0.5, [1], Config(1.0))


def test_parts_that_are_the_same_object_stay_so_or_are_equal(store) -> None:
    shared = [1]
    first, second = store.get(store.put([shared, shared], List[List[int]]))
    assert first == second == [1]


# --- what cannot be


@pytest.mark.parametrize("value", [threading.Lock(), [threading.Lock()], Plain(threading.Lock())])
def test_what_cannot_be_stored_says_so(store, value) -> None:
    with pytest.raises(UnserializableValueError) as caught:
        store.put(value, object)
    assert isinstance(caught.value, TypeError)


def test_what_is_not_there_is_missed(tmp_path: Path) -> None:
    for name, build in STORES.items():
        ref = build(tmp_path / name).put(Plain("x" * 40_000), Plain)
        empty = build(tmp_path / "empty" / name)
        for action in (empty.check, empty.get):
            with pytest.raises(MissingArtifactError) as caught:
                action(ref)
            assert isinstance(caught.value, LookupError)


# --- several at once


def test_threads_may_put_and_get_at_once(store) -> None:
    found: list[tuple[int, Any]] = []

    def work(number: int) -> None:
        for i in range(10):
            value = [number, i % 3] * 3_000
            found.append((number, store.get(store.put(value, List[int])) == value))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(number, True) for number in range(4) for _ in range(10)]
