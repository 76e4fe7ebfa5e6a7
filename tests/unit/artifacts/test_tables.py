"""Arrow's tables and arrays, and polars frames: they come back as they were, with a preview."""

import datetime
import json
import os
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sematic.artifacts import FileSystemStore
from sematic.errors import UnserializableValueError

UTC = datetime.timezone.utc
ARROW: dict[str, Any] = {
    "numbers": pa.table({"a": [1, 2, None], "b": [0.5, float("nan"), 1.0]}),
    "texts": pa.table({"s": ["x", None, "é" * 9], "b": [b"", b"a", None]}),
    "nested": pa.table({"l": [[1], [], None], "s": [{"a": 1}, {"a": None}, None]}),
    "times": pa.table(
        {
            "t": [datetime.datetime(2020, 1, 1, tzinfo=UTC)],
            "d": [datetime.date(2020, 1, 1)],
            "n": pa.array([2**60 + 1], pa.timestamp("ns")),
            "x": [datetime.timedelta(1)],
        }
    ),
    "decimals": pa.table({"d": [Decimal("1.20"), None]}),
    "dictionary": pa.table({"c": pa.array(["a", "b", "a"]).dictionary_encode()}),
    "chunks": pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2, 3]})]),
    "dictionaries": pa.concat_tables(
        [pa.table({"a": pa.array([word]).dictionary_encode()}) for word in ("x", "y")]
    ),
    "no rows": pa.table({"a": pa.array([], pa.int8())}),
    "nothing": pa.table({}),
    "metadata": pa.table({"a": [1]}).replace_schema_metadata({"who": "me"}),
    "slice": pa.table({"a": list(range(100)), "s": ["x"] * 100}).slice(7, 20),
    "same names": pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"]),
    "batch": pa.record_batch({"a": [1, 2]}),
    "no batch": pa.record_batch({"a": pa.array([], pa.string())}),
    "array": pa.array([1, None, 3]),
    "no array": pa.array([], pa.float32()),
    "chunked": pa.chunked_array([[1, 2], [3]]),
    "no chunks": pa.chunked_array([], pa.int32()),
    "dictionary array": pa.array(["a", "b", "a"]).dictionary_encode(),
}


def _summary(ref: Any) -> dict[str, Any]:
    assert ref.summary is not None
    content: dict[str, Any] = json.loads(ref.summary)
    assert content["kind"] == "frame"
    assert "error" not in content
    return content


@pytest.mark.parametrize("name", ARROW)
def test_arrow_data_comes_back(store: FileSystemStore, name: str) -> None:
    value = ARROW[name]
    ref = store.put(value, type(value))
    assert ref.codec == "table"
    read: Any = store.get(ref)
    assert type(read) is type(value)
    read.validate(full=True)
    if "nan" in str(value) or name == "dictionaries":
        assert str(read.to_pylist()) == str(value.to_pylist())
    else:
        assert read.equals(value)
    assert read.type == value.type if hasattr(value, "type") else read.schema == value.schema
    if hasattr(value, "schema"):
        assert read.schema.metadata == value.schema.metadata
    assert store.put(read, type(value)).id == ref.id
    _summary(ref)


def test_a_table_keeps_its_chunks_and_is_not_copied(store: FileSystemStore) -> None:
    long = pa.concat_tables([pa.table({"a": np.arange(100_000.0)})] * 3)
    before = pa.total_allocated_bytes()
    ref = store.put(long, pa.Table)
    read: Any = store.get(ref)
    assert pa.total_allocated_bytes() - before < 100_000
    assert read.column("a").num_chunks == 3
    assert read.equals(long)


def test_types_that_somebody_defined_in_python_are_pickled(store: FileSystemStore) -> None:
    class Metres(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(pa.float64(), "test.metres")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: Any, text: bytes) -> "Metres":
            return cls()

    value = pa.table({"m": pa.ExtensionArray.from_storage(Metres(), pa.array([1.0]))})
    ref = store.put(value, pa.Table)
    assert ref.codec == "pickle"
    assert _summary(ref)["shape"] == [1, 1]


def test_a_preview_describes_columns(store: FileSystemStore) -> None:
    value = pa.table(
        {
            "n": [1.0, None, 3.0],
            "s": ["a", "b", "b"],
            "t": [datetime.datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3)],
            "l": [[1], None, []],
            "ns": pa.array([2**60 + 1, None, None], pa.timestamp("ns")),
            "y": pa.array([10**7, None, None], pa.date32()),
        }
    )
    content = _summary(store.put(value, pa.Table))
    assert (content["type"], content["shape"]) == ("pyarrow.lib.Table", [3, 6])
    number, text, moment, nested, *_ = content["columns"]
    assert (number["name"], number["dtype"], number["missing"]) == ("n", "double", 1)
    numbers = {"count": 2, "mean": 2.0, "std": pytest.approx(2**0.5), "min": 1.0, "max": 3.0}
    assert number["describe"] == numbers | {"25%": 1.5, "50%": 2.0, "75%": 2.5}
    assert text["describe"] == {"count": 3, "unique": 2, "top": "b", "freq": 2}
    assert moment["describe"]["max"] == "2020-01-03 00:00:00+00:00"
    assert nested["describe"] == {"count": 2}
    assert content["rows"][0][:2] == [1.0, "a"]
    assert content["rows"][1][:2] == [None, "b"]
    assert "sampled" not in content


def test_long_tables_are_sampled_evenly_and_wide_ones_cut(store: FileSystemStore) -> None:
    pieces = [pa.table({"a": range(start, start + 1_000)}) for start in range(0, 100_000, 1_000)]
    content = _summary(store.put(pa.concat_tables(pieces), pa.Table))
    assert content["sampled"] == 5_000
    assert content["columns"][0]["describe"]["mean"] == pytest.approx(50_000, rel=0.01)
    wide = pa.table({f"c{i}": [i] for i in range(1_000)})
    content = _summary(store.put(wide, pa.Table))
    assert (content["shape"], len(content["columns"])) == ([1, 1_000], 50)


# --- polars ----------------------------------------------------------------------------------


@pytest.fixture
def pl() -> Any:
    return pytest.importorskip("polars")


FRAMES: dict[str, Any] = {
    "numbers": lambda pl: pl.DataFrame({"a": [1, 2, None], "b": [0.5, float("inf"), None]}),
    "small numbers": lambda pl: pl.DataFrame({"a": pl.Series([1], dtype=pl.UInt8)}),
    "texts": lambda pl: pl.DataFrame({"s": ["x", None, "é" * 20], "b": [b"", b"a", None]}),
    "bools": lambda pl: pl.DataFrame({"a": [True, None, False]}),
    "categories": lambda pl: pl.DataFrame({"c": pl.Series(["a", "b"], dtype=pl.Categorical)}),
    "enum": lambda pl: pl.DataFrame({"c": pl.Series(["a"], dtype=pl.Enum(["b", "a"]))}),
    "decimals": lambda pl: pl.DataFrame({"d": [Decimal("1.20"), None]}),
    "nested": lambda pl: pl.DataFrame({"l": [[1], []], "s": [{"a": 1}, {"a": None}]}),
    "fixed": lambda pl: pl.DataFrame({"a": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))}),
    "times": lambda pl: pl.DataFrame(
        {
            "t": [datetime.time(1)],
            "d": [datetime.date(2020, 1, 1)],
            "z": [datetime.datetime(2020, 1, 1, tzinfo=UTC)],
            "x": [datetime.timedelta(1)],
            "n": pl.Series([1], dtype=pl.Datetime("ns", "Europe/Berlin")),
        }
    ),
    "nulls": lambda pl: pl.DataFrame({"n": [None, None]}),
    "no rows": lambda pl: pl.DataFrame(schema={"a": pl.Int8, "s": pl.String}),
    "nothing": lambda pl: pl.DataFrame(),
    "chunks": lambda pl: pl.concat([pl.DataFrame({"a": [i]}) for i in range(3)], rechunk=False),
    "slice": lambda pl: pl.DataFrame({"a": range(50), "s": ["x"] * 50})[7:20],
    "series": lambda pl: pl.Series("s", [1, None]),
    "nameless series": lambda pl: pl.Series([["a"], []]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_polars_frames_come_back(store: FileSystemStore, pl: Any, name: str) -> None:
    value = FRAMES[name](pl)
    ref = store.put(value, type(value))
    assert ref.codec == "polars"
    read: Any = store.get(ref)
    assert type(read) is type(value)
    assert read.equals(value)
    if isinstance(value, pl.Series):
        assert (read.name, read.dtype) == (value.name, value.dtype)
    else:
        assert read.schema == value.schema
    assert store.put(FRAMES[name](pl), type(value)).id == ref.id
    content = _summary(ref)
    assert content["type"] == f"polars.{type(value).__name__}"
    assert content["shape"] == [len(value), getattr(value, "width", 1)]


def test_equal_polars_frames_have_one_id_in_whatever_pieces_they_are(
    store: FileSystemStore, pl: Any
) -> None:
    whole = pl.DataFrame({"a": [1, 2, 3], "s": ["x", None, "z"]})
    pieces = pl.concat([whole[:1], whole[1:]], rechunk=False)
    ids = {store.put(frame, object).id for frame in (whole, pieces, pl.concat([whole] * 2)[3:])}
    assert len(ids) == 1


def test_bits_behind_the_last_one_do_not_matter(store: FileSystemStore) -> None:
    def build(bits: bytes) -> pa.Table:
        bitmap = pa.py_buffer(bits)
        numbers = pa.Array.from_buffers(pa.int8(), 3, [bitmap, pa.py_buffer(b"abc")])
        truths = pa.Array.from_buffers(pa.bool_(), 3, [None, bitmap])
        return pa.table({"n": numbers, "t": truths})

    assert build(b"\x05").equals(build(b"\xfd"))
    assert store.put(build(b"\x05"), object).id == store.put(build(b"\xfd"), object).id


def test_a_polars_frame_that_is_read_can_be_changed_and_nobody_else_sees_it(
    store: FileSystemStore, pl: Any
) -> None:
    ref = store.put(pl.DataFrame({"a": range(100_000)}), pl.DataFrame)
    frame: Any = store.get(ref)
    frame[0, "a"] = 99
    again: Any = store.get(ref)
    assert again["a"][0] == 0
    store.check(ref)


def test_what_arrow_does_not_have_is_pickled_and_shown(store: FileSystemStore, pl: Any) -> None:
    value = pl.DataFrame({"o": pl.Series([2**100, None], dtype=pl.Int128)})
    ref = store.put(value, pl.DataFrame)
    assert ref.codec == "pickle"
    assert _summary(ref)["rows"] == [[str(2**100)], [None]]
    read: Any = store.get(ref)
    assert read.equals(value)


def test_what_polars_cannot_write_says_so(store: FileSystemStore, pl: Any) -> None:
    value = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(UnserializableValueError, match="Object is not supported"):
        store.put(value, pl.DataFrame)


def test_a_preview_has_the_dtypes_of_polars(store: FileSystemStore, pl: Any) -> None:
    value = pl.DataFrame({"n": range(100_000), "c": ["a"] * 99_999 + [None]})
    content = _summary(store.put(value, pl.DataFrame))
    assert [column["dtype"] for column in content["columns"]] == ["Int64", "String"]
    assert content["sampled"] == 5_000
    assert content["columns"][0]["describe"]["mean"] == pytest.approx(50_000, rel=0.01)
    assert len(content["rows"]) == 10


def test_lazy_frames_are_pickled(store: FileSystemStore, pl: Any) -> None:
    ref = store.put(pl.LazyFrame({"a": [1]}), pl.LazyFrame)
    read: Any = store.get(ref)
    assert (ref.codec, read.collect()["a"].to_list()) == ("pickle", [1])


def test_ids_are_the_same_in_every_process(tmp_path: Path, pl: Any) -> None:
    program = textwrap.dedent(
        """
        import polars as pl, pyarrow as pa
        from sematic.artifacts import FileSystemStore
        words = sorted({"a", "b", "c"})
        store = FileSystemStore("store")
        for value in (pl.DataFrame({"a": [1, None], "s": ["x", None]}), pa.table({"a": words})):
            print(store.put(value, object).id)
        """
    )
    outputs = set()
    for seed in ("1", "2"):
        path = os.pathsep.join(sys.path)
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
