"""numpy arrays: views of their file, writable, private, exact in dtype, shape and order."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sematic.artifacts import FileSystemStore

structured = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", "S3"), ("d", [("e", "?")])])
aligned = np.dtype([("a", "i1"), ("b", "f8")], align=True)

ARRAYS: dict[str, Any] = {
    "float": np.array([1.5, -0.0, np.nan, np.inf]),
    "bool": np.array([True, False]),
    "int8": np.arange(-5, 5, dtype="i1"),
    "uint64": np.array([2**64 - 1], dtype="u8"),
    "float16": np.arange(3, dtype="f2"),
    "longdouble": np.arange(3, dtype=np.longdouble),
    "complex64": np.array([1 + 2j], dtype="c8"),
    "complex128": np.array([[1j], [2]], dtype="c16"),
    "big endian": np.arange(3, dtype=">i4"),
    "days": np.array(["2024-01-01", "NaT"], dtype="M8[D]"),
    "nanoseconds": np.array(["2024-01-01", "NaT"], dtype="M8[ns]"),
    "25 seconds": np.array([1, 2], dtype="m8[25s]"),
    "durations": np.array([1, -1], dtype="m8[ms]"),
    "text": np.array(["a", "été", ""]),
    "no text": np.array(["", ""]),
    "bytes": np.array([b"a", b"bc"]),
    "void": np.array([b"ab"], dtype="V2"),
    "structured": np.zeros(3, structured),
    "aligned": np.ones((2, 2), aligned),
    "scalar": np.array(3.0),
    "empty": np.array([], dtype="i4"),
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((3, 0, 2), "f4"),
    "matrix": np.arange(6).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "permuted": np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0),
    "one long axis": np.arange(4).reshape(1, 4, 1),
    "gaps": np.arange(20).reshape(4, 5)[::2, 1::2],
    "backwards": np.arange(5)[::-1],
    "broadcast": np.broadcast_to(np.arange(3), (2, 3)),
    "offset": np.arange(100)[7:20],
    "mapped size": np.arange(100_000),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(store: FileSystemStore, name: str) -> None:
    value = ARRAYS[name]
    before = value.copy()
    ref = store.put(value, np.ndarray)
    read = store.get(ref, verify=True)
    assert isinstance(read, np.ndarray)
    assert ref.codec == "array"
    assert read.dtype == value.dtype
    assert read.dtype.isnative == value.dtype.isnative
    np.testing.assert_array_equal(read, value, strict=True)
    if name not in ("longdouble", "aligned"):  # there is anything between their values
        assert read.tobytes() == value.tobytes()
    if value.flags.c_contiguous or value.flags.f_contiguous:
        assert read.flags.c_contiguous == value.flags.c_contiguous
        assert read.flags.f_contiguous == value.flags.f_contiguous
    np.testing.assert_array_equal(value, before)


@pytest.mark.parametrize("size", [10, 100_000], ids=["read", "mapped"])
def test_what_is_read_can_be_written_to_and_nobody_else_sees_it(
    store: FileSystemStore, folder: Path, size: int
) -> None:
    value = np.arange(size)
    value.flags.writeable = False
    ref = store.put(value, np.ndarray)
    (path,) = (p for p in folder.rglob("*") if p.is_file())
    stored = path.read_bytes()
    first, second = store.get(ref), store.get(ref)
    assert isinstance(first, np.ndarray)
    assert first.flags.writeable
    first[:] = -1
    path.unlink()  # deleted while it is in use
    np.testing.assert_array_equal(second, value)
    assert (first == -1).all()
    path.write_bytes(stored)
    store.check(ref)


def test_long_arrays_are_not_copied(store: FileSystemStore) -> None:
    ref = store.put(np.arange(100_000), np.ndarray)
    read = store.get(ref)
    assert isinstance(read, np.ndarray)
    assert not read.flags.owndata


def test_the_value_may_change_after_it_was_stored(store: FileSystemStore) -> None:
    for size in (10, 1_000_000):
        value = np.zeros(size)
        ref = store.put(value, np.ndarray)
        value[:] = 1
        read = store.get(ref)
        assert isinstance(read, np.ndarray)
        assert not read.any()


def test_arrays_of_objects_are_pickled(store: FileSystemStore) -> None:
    value = np.array([1, "a", None], dtype=object)
    ref = store.put(value, np.ndarray)
    read = store.get(ref)
    assert ref.codec == "pickle"
    assert isinstance(read, np.ndarray)
    assert read.tolist() == value.tolist()


def test_subclasses_of_arrays_keep_their_class(store: FileSystemStore) -> None:
    value = np.ma.masked_array([1, 2], mask=[True, False])
    read = store.get(store.put(value, object))
    assert isinstance(read, np.ma.MaskedArray)
    assert read.mask.tolist() == [True, False]


def test_the_file_is_one_that_arrow_reads(store: FileSystemStore, folder: Path) -> None:
    store.put(np.array([1.5, np.nan]), np.ndarray)
    store.put(np.array(["2024-01-01", "NaT"], "M8[s]"), np.ndarray)
    tables = [
        pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        for path in folder.rglob("*")
        if path.is_file()
    ]
    types = {str(table.schema.field(0).type): table for table in tables}
    assert types["double"].column(0).null_count == 0
    assert types["timestamp[s]"].column(0).null_count == 1


def test_ids_tell_dtypes_shapes_and_orders_apart(store: FileSystemStore) -> None:
    values = [
        np.zeros(4, "i4"),
        np.zeros(4, "f4"),
        np.zeros(2, "f8"),
        np.zeros((2, 2), "i4"),
        np.zeros((1, 4), "i4"),
        np.zeros(4, ">i4"),
        np.arange(4).reshape(2, 2),
        np.asfortranarray(np.arange(4).reshape(2, 2)),
    ]
    assert len({store.put(value, object).id for value in values}) == len(values)
    padded = np.zeros((4, 9))[:, :3]
    assert store.put(padded, object).id == store.put(np.zeros((4, 3)), object).id
