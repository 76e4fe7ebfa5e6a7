"""pandas frames, series and indexes: equal to the last detail, without copies where possible."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sematic.artifacts import FileSystemStore

strings = ["a", None, "b"]
days = pd.to_datetime(["2020-01-01", None, "2021-01-01"])


def _objects(*items: object) -> "pd.Series[Any]":
    return pd.Series(list(items), dtype=object)


FRAMES: dict[str, pd.DataFrame] = {
    "simple": pd.DataFrame({"a": [1, 2], "b": [1.5, None], "c": ["x", None], "d": [True, False]}),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": np.array([], "f8"), "b": np.array([], object), "c": days[:0]}),
    "no columns": pd.DataFrame(index=range(5)),
    "only labels": pd.DataFrame(index=["a", "b"]),
    "neighbours": pd.DataFrame({"a": [1, 2], "b": [1.0, 2], "c": [3.0, 4], "d": [5, 6]}),
    "small types": pd.DataFrame(
        {"a": np.int8([1, 2]), "b": np.int8([3, 4]), "c": np.uint16([1, 2])}
    ),
    "complex": pd.DataFrame({"a": [1j, 2]}),
    "duplicate labels": pd.DataFrame(np.arange(4.0).reshape(2, 2), columns=["a", "a"]),
    "mixed labels": pd.DataFrame(np.zeros((2, 3)), columns=[1, "a", (2, 3)]),
    "levels of labels": pd.DataFrame(
        np.zeros((2, 4)), columns=pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", 1])
    ),
    "dates as labels": pd.DataFrame(np.zeros((2, 3)), columns=pd.date_range("2020", periods=3)),
    "named labels": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="letters")),
    "levels": pd.DataFrame(
        {"v": range(4)}, index=pd.MultiIndex.from_product([["a", "b"], days[:2]], names=["x", None])
    ),
    "unused levels": pd.DataFrame(
        {"v": range(4)}, index=pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    ).iloc[:2],
    "range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(2, 6, 2, name="r")),
    "frequency": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="MS")),
    "zone in index": pd.DataFrame(
        {"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="D", tz="Europe/Paris")
    ),
    "interval index": pd.DataFrame({"a": [1, 2]}, index=pd.IntervalIndex.from_breaks([0, 1, 2])),
    "period index": pd.DataFrame({"a": [1, 2]}, index=pd.period_range("2020", periods=2, freq="D")),
    "category index": pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["a", "b"])),
    "duration index": pd.DataFrame({"a": [1, 2]}, index=pd.timedelta_range("1D", periods=2)),
    "categories": pd.DataFrame(
        {
            "a": pd.Categorical(strings, categories=["b", "a", "unused"], ordered=True),
            "b": pd.Categorical([1, 2, 1]),
            "c": pd.Categorical([None, None, None], categories=[1.5]),
            "d": pd.Categorical([True, 1.5, "x"]),
        }
    ),
    "times": pd.DataFrame(
        {
            "naive": days,
            "seconds": days.astype("M8[s]"),
            "zone": days.tz_localize("Europe/Paris"),
            "offset": days.tz_localize("+02:00"),
            "durations": pd.to_timedelta([1, None, 3], unit="s"),
            "periods": pd.PeriodIndex(["2020-01", None, "2020-03"], freq="M"),
        }
    ),
    "extensions": pd.DataFrame(
        {
            "ints": pd.array([1, None, 3], "Int64"),
            "bytes": pd.array([1, None, 3], "UInt8"),
            "floats": pd.array([1.5, None, 3], "Float32"),
            "bools": pd.array([True, None, False], "boolean"),
            "string": pd.array(strings, "string"),
            "python": pd.array(strings, "string[python]"),
            "arrow": pd.array([1, None, 2], "int64[pyarrow]"),
            "intervals": pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3], closed="left"),
            "lists": pd.Series([[1], None, [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        }
    ),
    "objects": pd.DataFrame(
        {"a": _objects(1, "a", None, float("nan"), [1], date(2020, 1, 1), Decimal("1.1"), 2**70)}
    ),
    "lists": pd.DataFrame({"a": _objects([1, 2], [3, 4])}),
    "texts": pd.DataFrame(
        {
            "none": _objects(*strings),
            "nan": _objects("a", np.nan, "b"),
            "both": _objects("a", np.nan, None),
            "surrogate": _objects("a", None, "\ud800"),
            "all none": _objects(None, None, None),
        }
    ),
    "rows in a row": pd.DataFrame(np.arange(12.0).reshape(3, 4), copy=False),
    "every other": pd.DataFrame({"a": range(10), "b": np.arange(10.0)}).iloc[::3],
    "chunks": pd.concat([pd.DataFrame({"a": ["x", None]})] * 3, ignore_index=True),
}
PICKLED: dict[str, pd.DataFrame] = {
    "sparse": pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
    "classes": pd.DataFrame({"a": _objects(int, str), "b": [1.0, 2.0]}),
}


def _assert_equal(read: object, value: pd.DataFrame) -> None:
    assert isinstance(read, pd.DataFrame)
    pd.testing.assert_frame_equal(
        read, value, check_column_type=True, check_index_type=True, check_freq=True
    )
    assert read.attrs == value.attrs
    assert read.flags == value.flags
    for i in range(value.shape[1]):
        if value.dtypes.iloc[i].kind == "O":  # what counts as equal there is not always the same
            assert list(map(repr, read.iloc[:, i])) == list(map(repr, value.iloc[:, i]))


@pytest.mark.parametrize("name", [*FRAMES, *PICKLED])
def test_frames_come_back(store: FileSystemStore, name: str) -> None:
    value = FRAMES[name] if name in FRAMES else PICKLED[name]
    before = value.copy()
    ref = store.put(value, pd.DataFrame)
    assert ref.codec == ("frame" if name in FRAMES else "pickle")
    _assert_equal(store.get(ref, verify=True), value)
    _assert_equal(value, before)
    if name in FRAMES:
        assert store.put(store.get(ref), pd.DataFrame).id == ref.id


def test_attributes_and_flags_come_back(store: FileSystemStore) -> None:
    value = pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)
    value.attrs = {"source": "here", 1: [2.5, (1,)]}
    _assert_equal(store.get(store.put(value, pd.DataFrame)), value)


def test_attributes_that_are_not_plain_are_pickled(store: FileSystemStore) -> None:
    value = pd.DataFrame({"a": [1]})
    value.attrs = {"type": int}
    _assert_equal(store.get(store.put(value, pd.DataFrame)), value)


@pytest.mark.parametrize("rows", [5, 20_000], ids=["read", "mapped"])
def test_what_is_read_can_be_written_to_and_nobody_else_sees_it(
    store: FileSystemStore, rows: int
) -> None:
    value = pd.DataFrame(
        {
            "a": np.arange(rows),
            "b": np.arange(rows),
            "c": np.zeros(rows),
            "t": pd.date_range("2020", periods=rows, freq="s", tz="UTC"),
            "i": pd.array(range(rows), "Int64"),
            "k": pd.Categorical(["x", "y"] * (rows // 2) + ["x"] * (rows % 2)),
            "s": ["text"] * rows,
        }
    )
    ref = store.put(value, pd.DataFrame)
    changed, other = store.get(ref), store.get(ref)
    assert isinstance(changed, pd.DataFrame)
    for name in value:
        changed.loc[0, name] = changed.loc[1, name]
    changed["c"] += 1
    changed["new"] = 1
    changed.index = changed.index[::-1]
    assert changed["c"].eq(1).all()
    assert changed["a"].min() == 1
    _assert_equal(other, value)
    _assert_equal(store.get(ref, verify=True), value)


def test_long_columns_are_not_copied(store: FileSystemStore) -> None:
    rows = 500_000
    value = pd.DataFrame({f"c{i}": np.arange(rows, dtype="f8") for i in range(8)})
    value["flag"] = True
    value["day"] = np.datetime64("2020-01-01", "us")
    ref = store.put(value, pd.DataFrame)
    read = store.get(ref)
    assert isinstance(read, pd.DataFrame)
    assert not any(read[name].to_numpy().flags.owndata for name in read)
    _assert_equal(read, value)


SERIES: dict[str, "pd.Series[Any]"] = {
    "named": pd.Series([1, 2], name="x"),
    "tuple as name": pd.Series([1.5, None], name=("a", 1), index=["p", "q"]),
    "objects": _objects("a", None),
    "empty": _objects(),
    "zone": pd.Series(pd.date_range("2020", periods=3, tz="UTC")),
    "category": pd.Series(["a", "b", "a"], dtype="category"),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_come_back(store: FileSystemStore, name: str) -> None:
    value = SERIES[name]
    ref = store.put(value, pd.Series)
    read = store.get(ref)
    assert ref.codec == "frame"
    assert isinstance(read, pd.Series)
    pd.testing.assert_series_equal(read, value)
    assert read.name == value.name
    if len(read):
        read.iloc[0] = read.iloc[-1]
        pd.testing.assert_series_equal(store.get(ref), value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        pd.Index([1.5, None]),
        pd.Index(["a", None], dtype=object, name="n"),
        pd.RangeIndex(3),
        pd.MultiIndex.from_tuples([("a", 1), ("b", None)], names=["x", "y"]),
        pd.MultiIndex.from_arrays([[], []]),
        pd.date_range("2020", periods=3, freq="h"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_indexes_come_back(store: FileSystemStore, value: "pd.Index[Any]") -> None:
    ref = store.put(value, pd.Index)
    read = store.get(ref)
    assert ref.codec == "frame"
    assert isinstance(read, pd.Index)
    pd.testing.assert_index_equal(read, value, exact=True)
    assert getattr(read, "freq", None) == getattr(value, "freq", None)


def test_frames_in_other_values_come_back(store: FileSystemStore) -> None:
    frame = FRAMES["simple"]
    read = store.get(store.put({"frames": [frame, frame]}, dict))
    assert isinstance(read, dict)
    _assert_equal(read["frames"][0], frame)
    assert read["frames"][0] is read["frames"][1]
    read["frames"][0].loc[0, "a"] = 7


def test_the_file_is_the_table_that_arrow_readers_expect(
    store: FileSystemStore, folder: Path
) -> None:
    value = pd.DataFrame(
        {"n": [1, 2], "t": pd.to_datetime(["2020-01-01", None]), "k": pd.Categorical(["a", None])},
        index=["x", "y"],
    )
    store.put(value, pd.DataFrame)
    (path,) = (p for p in folder.rglob("*") if p.is_file())
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    table.validate(full=True)
    assert table.column_names == ["n", "t", "k", "__index_level_0__"]
    assert table["n"].to_pylist() == [1, 2]
    assert table["t"].null_count == 1
    assert table["k"].to_pylist() == ["a", None]


def test_equal_nullable_columns_have_one_id_whatever_is_under_the_nulls(
    store: FileSystemStore,
) -> None:
    added = pd.array([1, None], "Int64") + pd.array([1, 5], "Int64")
    written = pd.array([2, None], "Int64")
    frames = [pd.DataFrame({"a": added}), pd.DataFrame({"a": written})]
    pd.testing.assert_frame_equal(*frames)
    assert len({store.put(frame, pd.DataFrame).id for frame in frames}) == 1
