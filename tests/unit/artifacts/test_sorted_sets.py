"""Pickles of equal values are equal in every process, also where sets are in them."""

import enum
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sematic
from sematic.artifacts import FileSystemStore
from sematic.artifacts.codecs import pickles

SCRIPT = """
import dataclasses
import enum
import sys
from typing import NamedTuple

import numpy as np
import pandas as pd

from sematic.artifacts import FileSystemStore

class Kind(enum.Enum):
    ONE = 1
    TWO = 2

@dataclasses.dataclass
class Data:
    words: set[str]
    array: np.ndarray

@dataclasses.dataclass
class Frame:
    words: frozenset[str]
    frame: pd.DataFrame

class Named(NamedTuple):
    words: set[str]
    array: np.ndarray

class Plain:
    def __init__(self, value):
        self.value = value

words, array = {"x", "y", "z", "qq", "ww"}, np.arange(3)
mixed = {"a", "b", 1, 2.5, None, b"c", ("d", 1), ("e", frozenset(words)), Kind.ONE, Kind.TWO}
values = [
    Data(words, array), Frame(frozenset(words), pd.DataFrame({"a": [1]})), Named(words, array),
    (words, array), {"s": words, "a": array}, np.array([words, 1], dtype=object), Plain(words),
    Plain([mixed, {frozenset("ab"), frozenset("bc"), frozenset("cd")}, words, words]),
]
store = FileSystemStore(sys.argv[1])
for value in values:
    print(store.put(value, type(value)).id)
"""


def test_equal_values_have_one_id_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "values.py"
    script.write_text(SCRIPT)
    root = str(Path(sematic.__file__).parents[1])
    ids = {
        subprocess.run(
            [sys.executable, str(script), str(tmp_path / "store")],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "1234"
    }
    assert len(ids) == 1
    assert len(set(ids.pop().split())) == 8


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.others: Any = set()


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


def test_sets_come_back_as_they_were(store: FileSystemStore) -> None:
    words = {"a", "b", "c"}
    value = Node("n")
    value.others = [words, words, frozenset({(1, "x"), (2, "y")}), {Kind.ONE, Kind.TWO}, set(), {1}]
    read: Any = store.get(store.put(value, Node), verify=True)
    assert read.others == value.others
    assert [type(each) for each in read.others] == [type(each) for each in value.others]
    assert read.others[0] is read.others[1]


def test_sets_that_contain_themselves_come_back(store: FileSystemStore) -> None:
    first, second = Node("a"), Node("b")
    first.others = second.others = {first, second}
    read: Any = store.get(store.put(first, Node))
    assert {each.name for each in read.others} == {"a", "b"}
    assert all(each.others is read.others for each in read.others)
    first.others = second.others = frozenset({first, second})
    again: Any = store.get(store.put(first, Node))
    assert {each.name for each in again.others} == {"a", "b"}


def test_objects_in_sets_that_refer_to_all_others_take_no_long_time(store: FileSystemStore) -> None:
    """Each of their pickles has all of them."""
    nodes = [Node(str(i)) for i in range(300)]
    for i, node in enumerate(nodes):
        node.others = {nodes[i - 1], nodes[i - 2]}
    started = time.monotonic()
    read: Any = store.get(store.put(nodes, list))
    assert time.monotonic() - started < 10
    assert {each.name for each in read[5].others} == {"4", "3"}


@pytest.mark.parametrize("value", [Node("a"), ["\u044f\u0451", 143, 145, {1}], np.arange(9.0)])
def test_values_without_an_order_are_pickled_as_ever(value: Any) -> None:
    assert "sorted_sets" not in pickles.encode(value).metadata


def test_pickles_of_older_versions_are_read(
    store: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = Node("a")
    value.others = {"x", "y"}
    monkeypatch.setattr(pickles, "has_sets", lambda pickler, content: False)
    ref = store.put(value, Node)
    monkeypatch.undo()
    read: Any = store.get(ref, verify=True)
    assert read.others == value.others
