"""What people see: made when written, bounded in size and time, never in the way."""

import dataclasses
import enum
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sematic.artifacts import FileSystemStore
from sematic.artifacts.summaries import LIMIT_BYTES, build_summary, build_tree

LONG = 20_000


def _summary(store: FileSystemStore, value: object) -> dict[str, Any]:
    text = store.put(value, object).summary
    assert text is not None
    assert len(text.encode()) <= LIMIT_BYTES
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert isinstance(content, dict)
    return content


class Kind(enum.Enum):
    A = 1


@dataclasses.dataclass
class Report:
    name: str
    kind: Kind
    scores: list[float]
    table: object = None


class Plain:
    def __init__(self) -> None:
        self.a = 1


class Raising:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Endless:
    def __repr__(self) -> str:
        return "x" * 10_000_000


def test_arrays(store: FileSystemStore) -> None:
    content = _summary(store, np.array([[1.5, np.nan], [3.5, np.inf]]))
    assert content["kind"] == "array"
    assert (content["shape"], content["dtype"]) == ([2, 2], "float64")
    assert content["values"] == [1.5, "nan", 3.5, "inf"]
    assert (content["min"], content["max"], content["missing"]) == (1.5, "inf", 1)
    assert "sampled" not in content


@pytest.mark.parametrize(
    "value",
    [
        np.array([]),
        np.array(3),
        np.array([np.nan]),
        np.array(["NaT"], "M8[s]"),
        np.array(["2024-01-01"], "M8[D]"),
        np.array([1j]),
        np.array(["text"]),
        np.zeros(2, [("a", "i4"), ("b", "M8[s]")]),
        np.array([True]),
        np.array([object(), "x", None], dtype=object),
        np.array([1.0], np.longdouble),
    ],
    ids=lambda value: str(value.dtype),
)
def test_arrays_of_any_dtype_have_one(store: FileSystemStore, value: Any) -> None:
    content = _summary(store, value)
    assert content["kind"] == "array"
    assert "error" not in content
    assert " at 0x" not in json.dumps(content)


def test_long_arrays_are_sampled(store: FileSystemStore) -> None:
    content = _summary(store, np.arange(1_000_000))
    assert content["sampled"] == pytest.approx(10_000)
    assert content["mean"] == pytest.approx(500_000, rel=0.01)
    assert len(content["values"]) == 20


def test_frames(store: FileSystemStore) -> None:
    frame = pd.DataFrame(
        {"n": [1.0, None, 3.0], "s": ["a", "b", "b"], "t": pd.date_range("2020", periods=3)},
        index=pd.Index(["x", "y", "z"], name="key"),
    )
    content = _summary(store, frame)
    assert (content["kind"], content["shape"]) == ("frame", [3, 3])
    assert content["rows"][1] == [None, "b", "2020-01-02 00:00:00"]
    assert content["labels"] == ["x", "y", "z"]
    assert content["index"]["name"] == "key"
    number, text, moment = content["columns"]
    assert (number["name"], number["dtype"], number["missing"]) == ("n", "float64", 1)
    numbers = {"count": 2, "mean": 2.0, "std": pytest.approx(2**0.5), "min": 1.0, "max": 3.0}
    assert number["describe"] == numbers | {"25%": 1.5, "50%": 2.0, "75%": 2.5}
    assert text["describe"] == {"count": 3, "unique": 2, "top": "b", "freq": 2}
    assert moment["describe"]["max"] == "2020-01-03 00:00:00"
    assert "sampled" not in content


def test_frames_of_every_kind_have_one(store: FileSystemStore) -> None:
    from tests.unit.artifacts.test_frames import FRAMES, PICKLED, SERIES

    for value in (*FRAMES.values(), *PICKLED.values(), *SERIES.values()):
        content = _summary(store, value)
        assert content["kind"] == "frame"
        assert "error" not in content


def test_long_frames_are_sampled_and_wide_ones_cut(store: FileSystemStore) -> None:
    content = _summary(store, pd.DataFrame({"a": range(100_000)}))
    assert content["sampled"] == 5_000
    assert content["shape"] == [100_000, 1]
    content = _summary(store, pd.DataFrame(np.zeros((3, 1_000))))
    assert content["shape"] == [3, 1_000]
    assert len(content["columns"]) == 50


def test_lists_and_texts_are_cut_with_their_lengths(store: FileSystemStore) -> None:
    content = _summary(store, list(range(LONG)))
    assert (content["kind"], content["length"]) == ("list", LONG)
    assert content["items"] == list(range(100))
    content = _summary(store, "é" * 50_000)
    assert (content["kind"], content["length"]) == ("text", 50_000)
    assert content["text"] == "é" * 20_000
    content = _summary(store, b"\xff" * LONG)
    assert (content["kind"], content["length"]) == ("bytes", LONG)
    content = _summary(store, {f"key {i}": i for i in range(LONG)})
    assert (content["kind"], content["length"]) == ("dict", LONG)
    assert content["items"][1] == ["key 1", 1]


def test_dataclasses_are_trees(store: FileSystemStore) -> None:
    content = _summary(store, Report("r", Kind.A, [0.5] * 200, pd.DataFrame({"a": [1]})))
    assert content["kind"] == "dataclass"
    assert content["type"].endswith(".Report")
    fields = content["fields"]
    assert fields["name"] == "r"
    assert fields["kind"]["name"] == "A"
    assert (fields["scores"]["length"], len(fields["scores"]["items"])) == (200, 100)
    assert (fields["table"]["kind"], fields["table"]["shape"]) == ("frame", [1, 1])


def test_objects_show_no_addresses(store: FileSystemStore) -> None:
    content = _summary(store, Plain())
    assert content["fields"] == {"a": 1}
    content = _summary(store, {"f": len, "g": test_arrays, "p": Plain(), "o": {object: 1}})
    assert " at 0x" not in json.dumps(content)


def test_a_repr_that_raises_or_is_endless_does_not_matter(store: FileSystemStore) -> None:
    content = _summary(store, Raising())
    assert "RuntimeError" in content["error"]
    assert len(_summary(store, Endless())["repr"]) <= 2_000
    content = _summary(store, Report("r", Kind.A, [], [Raising(), 1]))
    assert content["fields"]["table"]["items"][1] == 1


def test_a_summary_that_fails_does_not_fail_the_write() -> None:
    def summarise(value: object) -> Any:
        raise MemoryError

    content = json.loads(build_summary(3, summarise))
    assert content == {"kind": "object", "type": "int", "error": content["error"]}


@pytest.mark.parametrize(
    "value",
    [
        ["\0" * 5_000] * 1_000,
        {"k" * 50_000 + str(i): "v" * 5_000 for i in range(200)},
        [[["x" * 1_900] * 20] * 20] * 20,
        pd.DataFrame({f"column {i} " + "x" * 5_000: ["\0" * 5_000] * 20 for i in range(100)}),
        [10**5_000] * 100,
        ["\ud800"] * LONG,
    ],
    ids=["nul", "keys", "nested", "frame", "ints", "surrogates"],
)
def test_summaries_are_bounded_whatever_the_value(store: FileSystemStore, value: object) -> None:
    assert _summary(store, value)["kind"]


def test_cycles_end(store: FileSystemStore) -> None:
    value: list[object] = []
    value.append(value)
    assert _summary(store, value)["kind"] == "list"


def test_summaries_are_no_part_of_the_id(
    store: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.put(Raising(), object)
    monkeypatch.setattr(Raising, "__repr__", lambda self: "fine")
    after = store.put(Raising(), object)
    assert before.summary != after.summary
    assert before.id == after.id


def _many_columns() -> object:
    return pd.DataFrame(np.zeros((200_000, 60)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros((5_000, 4_000)).T,
        lambda: np.zeros((5_000, 8_000))[:, ::2],
        _many_columns,
        lambda: pd.DataFrame({"s": ["text"] * 1_000_000}),
        lambda: pd.RangeIndex(10**12),
    ],
    ids=["fortran", "gaps", "wide frame", "texts", "range"],
)
def test_long_values_take_no_longer_than_short_ones(make: Callable[[], Any]) -> None:
    from sematic.artifacts.codecs.registry import iter_special

    value = make()
    (_, codec), *_ = iter_special(value)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        codec.summarise(value)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.25  # a hundredth of it when nothing else runs; all of it takes longer


def test_trees_of_scalars() -> None:
    assert build_tree(3) == {"kind": "scalar", "value": 3}
    assert build_tree(Kind.A)["name"] == "A"
