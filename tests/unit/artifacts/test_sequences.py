"""Long lists of one type of scalar, and what looks like them."""

from pathlib import Path

import pyarrow as pa
import pytest

from sematic.artifacts import FileSystemStore

N = 20_000

SEQUENCES: dict[str, object] = {
    "ints": list(range(-N, N)),
    "floats": [i / 7 for i in range(N)] + [float("inf"), -0.0],
    "bools": [True, False, False] * N,
    "texts": [f"text {i} é\0" for i in range(N)],
    "tuple": tuple(range(N)),
    "gaps": [None if i % 3 else i for i in range(N)],
    "gaps in texts": [None if i % 3 else str(i) for i in range(N)],
    "few long texts": ["x" * 10_000, "y" * 10_000],
    "bytes": bytes(range(256)) * 100,
}
PLAIN: dict[str, object] = {
    "ints and bools": [1, True] * N,
    "ints and floats": [1, 1.0] * N,
    "big ints": [2**64] * N,
    "only none": [None] * N,
    "surrogates": ["\ud800"] * N,
    "nested": [[i] for i in range(N)],
    "dictionary": {str(i): i for i in range(N)},
    "text": "long é text " * N,
    "set": set(range(N)),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_long_sequences_are_columns(store: FileSystemStore, name: str) -> None:
    value = SEQUENCES[name]
    ref = store.put(value, object)
    read = store.get(ref, verify=True)
    assert read == value
    assert type(read) is type(value)
    assert (ref.codec, ref.payload) == ("sequence", None)


@pytest.mark.parametrize("name", PLAIN)
def test_other_long_plain_values_are_text_in_a_file(store: FileSystemStore, name: str) -> None:
    value = PLAIN[name]
    ref = store.put(value, object)
    read = store.get(ref, verify=True)
    assert read == value
    assert (ref.codec, ref.payload) == ("plain", None)
    if isinstance(value, list) and isinstance(read, list):
        assert list(map(type, read)) == list(map(type, value))
    assert store.put(read, object).id == ref.id


def test_nan_and_signs_come_back_in_columns(store: FileSystemStore) -> None:
    read = store.get(store.put([float("nan"), -0.0] * N, list[float]))
    assert isinstance(read, list)
    assert repr(read[:2]) == "[nan, -0.0]"


@pytest.mark.parametrize("digits", [8191, 8192])
def test_the_border_is_16_kib_of_text(store: FileSystemStore, digits: int) -> None:
    value = [1] * digits
    ref = store.put(value, list[int])
    assert (ref.payload is None) == (digits == 8192)
    assert store.get(ref) == value


def test_lists_are_fresh(store: FileSystemStore) -> None:
    value = list(range(N))
    ref = store.put(value, list[int])
    first = store.get(ref)
    assert isinstance(first, list)
    first.append(1)
    value.append(2)
    assert store.get(ref) == list(range(N))


def test_the_file_is_one_that_arrow_reads(store: FileSystemStore, folder: Path) -> None:
    store.put(list(range(N)), list[int])
    (path,) = (p for p in folder.rglob("*") if p.is_file())
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    assert table["item"].to_pylist() == list(range(N))
