"""Everything without a codec of its own: pickles with their buffers beside them."""

import functools
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sematic.artifacts import FileSystemStore
from sematic.errors import (
    ArtifactError,
    CorruptArtifactError,
    UnserializableValueError,
)


class Model:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


class Refusing:
    def __reduce__(self) -> Any:
        raise ValueError("not today")


class BadGetattr:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            raise KeyError(name)
        return super().__getattribute__(name)


class Interrupting:
    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


class Unready:
    def __setstate__(self, state: object) -> None:
        raise OSError("no connection")

    def __getstate__(self) -> object:
        return {"a": 1}


def test_objects_come_back(store: FileSystemStore) -> None:
    value = Model(weights=np.arange(10.0), names={"a"}, inner=Model(n=1))
    ref = store.put(value, Model)
    read = store.get(ref, verify=True)
    assert ref.codec == "pickle"
    assert isinstance(read, Model)
    assert read.inner.n == 1
    np.testing.assert_array_equal(read.weights, value.weights)


def test_functions_and_closures_come_back(store: FileSystemStore) -> None:
    offset = 3
    read = store.get(store.put(lambda x: x + offset, object))
    assert callable(read)
    assert read(1) == 4
    read = store.get(store.put(functools.partial(int, base=2), object))
    assert callable(read)
    assert read("11") == 3


@pytest.mark.parametrize("sizes", [(5, 100_000), (0, 1, 100, 8191), (100_000,) * 3, ()])
def test_buffers_are_writable_views_of_their_own_memory(
    store: FileSystemStore, sizes: tuple[int, ...]
) -> None:
    value = {f"a{i}": np.arange(size, dtype="f8") for i, size in enumerate(sizes)}
    value["fortran"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for array in value.values():
        array.flags.writeable = False
    ref = store.put(value, dict)
    first, second = store.get(ref, verify=True), store.get(ref)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    for name, array in value.items():
        np.testing.assert_array_equal(first[name], array)
        assert first[name].flags.writeable
        assert first[name].flags.aligned
        first[name][...] = -1
        np.testing.assert_array_equal(second[name], array)
    store.check(ref)


def test_shared_parts_stay_shared(store: FileSystemStore) -> None:
    array = np.zeros(100_000)
    ref = store.put([array] * 10, list)
    read = store.get(ref)
    assert isinstance(read, list)
    assert read[0] is read[9]
    assert ref.size < 2 * array.nbytes


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (threading.Lock(), "it is a _thread.lock, which cannot be pickled"),
        (Model(a=1, lock=threading.Lock()), r"field 'lock' of .*test_pickles\.Model is a _thread"),
        ([Model(), Model(lock=threading.Lock())], r"field 'lock' of .*Model is a _thread.lock"),
        (Model(parts={"x": [1, threading.Lock()]}), r"item 1 of item 'x' of field 'parts' of"),
        ({"a": [0, 1, (n for n in [])]}, "item 2 of item 'a' of dict is a generator"),
        (SimpleNamespace(file=sys.stdout), "field 'file' of types.SimpleNamespace is a"),
        (Model(bad=Refusing()), r"field 'bad' .* is a .*Refusing, .* \(not today\)"),
        (BadGetattr(), "BadGetattr, which cannot be pickled"),
    ],
    ids=range(8),
)
def test_what_cannot_be_pickled_is_named(
    store: FileSystemStore, folder: Path, value: object, words: str
) -> None:
    with pytest.raises(UnserializableValueError, match=words) as caught:
        store.put(value, object)
    assert "). Return " in str(caught.value)
    assert caught.value.__cause__ is not None
    assert not folder.exists()


def test_a_variable_of_a_closure_is_named(store: FileSystemStore) -> None:
    lock = threading.Lock()

    def locked() -> bool:
        return lock.locked()

    with pytest.raises(UnserializableValueError, match="variable 'lock' of function is a _thread"):
        store.put(locked, object)


def test_an_interrupt_is_no_pickling_error(store: FileSystemStore) -> None:
    with pytest.raises(KeyboardInterrupt):
        store.put(Interrupting(), object)


def test_a_module_that_is_missing_is_named(
    store: FileSystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vanishing.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import vanishing  # type: ignore[import-not-found]

    ref = store.put(vanishing.Thing(), object)
    del sys.modules["vanishing"]
    (tmp_path / "vanishing.py").unlink()
    with pytest.raises(ArtifactError, match="No module named 'vanishing'") as caught:
        store.get(ref)
    assert not isinstance(caught.value, CorruptArtifactError)


def test_an_object_that_refuses_to_be_unpickled_is_no_corrupt_file(store: FileSystemStore) -> None:
    ref = store.put(Unready(), object)
    with pytest.raises(ArtifactError, match="OSError: no connection") as caught:
        store.get(ref)
    assert not isinstance(caught.value, CorruptArtifactError)
