"""Dataclasses, enums and named tuples: data, not objects; they survive changes of their class."""

import collections
import dataclasses
import enum
import functools
import json
import sys
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from sematic.artifacts import FileSystemStore
from sematic.errors import ArtifactError

T = TypeVar("T")


@dataclasses.dataclass
class Config:
    a: int
    b: str = "b"


@dataclasses.dataclass
class Derived(Config):
    c: float = 0.5


@dataclasses.dataclass
class Noisy:
    a: int
    double: int = dataclasses.field(init=False)
    calls = 0

    def __post_init__(self) -> None:
        type(self).calls += 1
        self.double = 2 * self.a


@dataclasses.dataclass
class Lazy:
    a: int

    @functools.cached_property
    def square(self) -> int:
        return self.a**2


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@dataclasses.dataclass
class Hooked:
    a: int

    def __getstate__(self) -> dict[str, Any]:
        return {"a": self.a + 1}


@dataclasses.dataclass
class Mapping(dict):  # type: ignore[type-arg]
    a: int = 1


class Shade(enum.Enum):
    DARK = 1


Pair = collections.namedtuple("Pair", "x y", defaults=[2])


def test_subclasses_keep_their_class_and_fields(store: FileSystemStore) -> None:
    read = store.get(store.put([Derived(1, c=2.0)], list[Config]))
    assert read == [Derived(1, c=2.0)]


def test_no_code_of_the_class_runs(store: FileSystemStore) -> None:
    value = Noisy(2)
    before = Noisy.calls
    assert store.get(store.put(value, Noisy)) == value
    assert Noisy.calls == before


def test_attributes_beyond_the_fields_are_kept(store: FileSystemStore) -> None:
    value = Config(1)
    value.extra = "more"  # type: ignore[attr-defined]
    ref = store.put(value, Config)
    assert ref.codec == "pickle"
    assert vars(store.get(ref))["extra"] == "more"


def test_cached_properties_do_not_change_the_id(store: FileSystemStore) -> None:
    value = Lazy(3)
    before = store.put(value, Lazy)
    assert value.square == 9
    assert store.put(value, Lazy) == before
    read = store.get(before)
    assert isinstance(read, Lazy)
    assert read.square == 9


def test_generic_dataclasses_come_back(store: FileSystemStore) -> None:
    ref = store.put(Box[int](1), Box[int])
    assert ref.codec == "plain"
    assert store.get(ref) == Box(1)


@pytest.mark.parametrize("value", [Hooked(1), Mapping(a=2)], ids=["hooks", "dict"])
def test_classes_with_a_state_of_their_own_are_pickled(
    store: FileSystemStore, value: object
) -> None:
    assert store.put(value, object).codec == "pickle"


def test_pickling_hooks_are_respected(store: FileSystemStore) -> None:
    assert store.get(store.put(Hooked(1), Hooked)) == Hooked(2)


def _forget_field(store: FileSystemStore, value: object, field: str) -> Any:
    """The reference to a value as it would be from before its class got a field."""
    ref = store.put(value, object)
    content = json.loads(ref.payload or "")
    del content["fields"][field]
    return dataclasses.replace(ref, payload=json.dumps(content))


def test_fields_added_later_have_their_defaults(store: FileSystemStore) -> None:
    assert store.get(_forget_field(store, Config(1, "x"), "b"), verify=False) == Config(1, "b")
    assert store.get(_forget_field(store, Pair(1, 5), "y"), verify=False) == Pair(1, 2)


@pytest.mark.parametrize(("value", "field"), [(Config(1), "a"), (Pair(1), "x")])
def test_a_field_added_later_without_a_default_is_named(
    store: FileSystemStore, value: object, field: str
) -> None:
    with pytest.raises(ArtifactError, match=f"field '{field}'.*Give the field a default"):
        store.get(_forget_field(store, value, field), verify=False)


def test_members_that_are_gone_are_named(store: FileSystemStore) -> None:
    ref = store.put(Shade.DARK, Shade)
    payload = (ref.payload or "").replace("DARK", "LIGHT")
    with pytest.raises(ArtifactError, match="no member 'LIGHT' any more"):
        store.get(dataclasses.replace(ref, payload=payload), verify=False)


def test_classes_and_modules_that_are_gone_are_named(
    store: FileSystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import dataclasses\n@dataclasses.dataclass\nclass Gone:\n    a: int\n"
    (tmp_path / "short_lived.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    import short_lived  # type: ignore[import-not-found]

    ref = store.put(short_lived.Gone(1), object)
    del short_lived.Gone
    with pytest.raises(ArtifactError, match="has no such class any more"):
        store.get(ref)
    del sys.modules["short_lived"]
    (tmp_path / "short_lived.py").unlink()
    with pytest.raises(ArtifactError, match="cannot import 'short_lived'"):
        store.get(ref)
