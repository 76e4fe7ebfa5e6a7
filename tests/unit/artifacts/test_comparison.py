"""Values that are the same, and values that are not, whatever their pickles look like."""

import collections
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sematic.artifacts.comparison import same_values
from sematic.artifacts.store import FileSystemStore


class Settings:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def __eq__(self, other: object) -> bool:  # who compares less than all is not asked
        return isinstance(other, Settings)

    __hash__ = None  # type: ignore[assignment]


def settings_with_itself(name: str) -> Settings:
    settings = Settings(name=name)
    settings.me = settings
    return settings


def doubled(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


def joined(*texts: str) -> str:
    return "".join(texts)


def build_function(number: int) -> Callable[[str], bool]:
    return lambda text: text * number in {"a", "b"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Settings(a="text", b=joined("te", "xt")), Settings(a="text", b="text")),
        # Both land in one place of the table, so their order is that in which they came.
        (Settings(a={8, 0}), Settings(a={0, 8})),
        (frozenset({("a", 8), ("a", 0)}), frozenset({("a", 0), ("a", 8)})),
        (Settings(a=np.arange(3), b=float("nan")), Settings(a=np.arange(3), b=float("nan"))),
        (pd.DataFrame({"a": [1], "b": ["x"]}), pd.DataFrame({"a": [1], "b": ["x"]})),
        (collections.Counter("hello"), collections.Counter("hello")),
        (settings_with_itself("a"), settings_with_itself("a")),
        (doubled(200), doubled(200)),
        (build_function(1), build_function(1)),
        (Settings(a=10**5000), Settings(a=10**5000)),
    ],
)
def test_same(first: object, second: object) -> None:
    assert same_values(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Settings(a="text"), Settings(a="other")),
        (Settings(a={1, 2}), Settings(a={1, 3})),
        (Settings(a={1}), Settings(a=frozenset({1}))),
        (Settings(a=1), Settings(a=1.0)),
        (Settings(a=0.0), Settings(a=-0.0)),
        (Settings(a=True), Settings(a=1)),
        (Settings(a=["ab", "c"]), Settings(a=["a", "bc"])),
        ([[1], 2], [1, [2]]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(3), np.arange(4)),
        (collections.OrderedDict(a=1), {"a": 1}),
        (settings_with_itself("a"), settings_with_itself("b")),
        (build_function(1), build_function(2)),
        (int, float),
        (len, repr),
    ],
)
def test_not_the_same(first: object, second: object) -> None:
    assert not same_values(first, second)


def test_what_goes_too_deep_counts_as_another_one() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        assert not same_values(deep, deep)
    finally:
        while deep:  # freeing it all at once goes as deep
            deep = deep.pop()


_PUT = """
import sys
from collections.abc import Callable
from pathlib import Path
from sematic.artifacts.codecs import pickles
from sematic.artifacts.store import FileSystemStore
from tests.unit.artifacts.test_comparison import Settings
pickles.has_sets = lambda pickler, content: False  # as older versions, which left them as they were
words = [f"word {number}" for number in range(50)]
ref = FileSystemStore(sys.argv[1]).put(Settings(words=set(words), by=frozenset(words)), Settings)
import pickle
Path(sys.argv[2]).write_bytes(pickle.dumps(ref))
"""


def test_sets_of_texts_that_other_processes_have_stored(tmp_path: Path) -> None:
    refs = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", _PUT, str(tmp_path / "store"), str(tmp_path / "ref")]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        refs.append(pickle.loads((tmp_path / "ref").read_bytes()))
    assert refs[0].id != refs[1].id
    store = FileSystemStore(tmp_path / "store")
    assert same_values(store.get(refs[0]), store.get(refs[1]))
