"""Stored values as text."""

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from typing import Any, NamedTuple

import pytest

from sematic.artifacts.store import FileSystemStore
from sematic.cli.values import build_node, format_flat, format_pretty


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Config:
    rate: float
    colours: list[Colour]


class Opaque:
    def __init__(self) -> None:
        self.size = 3


def show(value: Any, tmp_path: pathlib.Path) -> str:
    return format_flat(build_node(FileSystemStore(tmp_path).put(value, object)), 1000)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (float("inf"), "inf"),
        (1 << 3000, hex(1 << 3000)),
        ("it's", '"it\'s"'),
        ("\ud800", r"'\ud800'"),
        (b"ab", "b'ab'"),
        ([1, "a"], "[1, 'a']"),
        ((1,), "(1,)"),
        ((), "()"),
        ({1}, "{1}"),
        (frozenset({1}), "frozenset({1})"),
        ({"a": [1]}, "{'a': [1]}"),
        ({1: None}, "{1: None}"),
        ({"$": 1}, "{'$': 1}"),
        (decimal.Decimal("1.0"), "Decimal('1.0')"),
        (uuid.UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
        (datetime.timedelta(1), "timedelta(days=1, seconds=0, microseconds=0)"),
        (pathlib.PurePosixPath("/a"), "PurePosixPath('/a')"),
        (range(3), "range(0, 3, 1)"),
        (1 + 2j, "complex(1.0, 2.0)"),
        (Colour.RED, "Colour.RED"),
        (Point(1, 2), "Point(x=1, y=2)"),
        (Config(0.5, [Colour.RED]), "Config(rate=0.5, colours=[Colour.RED])"),
        (Opaque(), "Opaque(size=3)"),
    ],
)
def test_values(value: object, text: str, tmp_path: pathlib.Path) -> None:
    assert show(value, tmp_path) == text


def test_classes_of_other_processes(tmp_path: pathlib.Path) -> None:
    @dataclasses.dataclass
    class Local:
        a: int

    assert show(Local(1), tmp_path) == "Local(a=1)"


def test_large_values_are_summed_up(tmp_path: pathlib.Path) -> None:
    assert show([{"a": 1}] * 50_000, tmp_path).startswith("[{'a': 1}, {'a': 1}, ")
    assert show(["x"] * 50_000, tmp_path).endswith("'x', ... 49,900 more]")
    assert show("x" * 50_000, tmp_path).endswith("…")


def test_one_line(tmp_path: pathlib.Path) -> None:
    text = format_flat(build_node(FileSystemStore(tmp_path).put("a\nb" * 1000, str)), 40)
    assert len(text) == 40
    assert "\n" not in text


def test_pretty(tmp_path: pathlib.Path) -> None:
    value = {"first": Config(0.5, [Colour.RED] * 12), "second": [1, 2]}
    lines = format_pretty(build_node(FileSystemStore(tmp_path).put(value, dict)), 50)
    assert lines == [
        "{",
        "    'first': Config(",
        "        rate=0.5,",
        "        colours=[",
        "            Colour.RED, Colour.RED, Colour.RED,",
        "            Colour.RED, Colour.RED, Colour.RED,",
        "            Colour.RED, Colour.RED, Colour.RED,",
        "            Colour.RED, Colour.RED, Colour.RED,",
        "        ],",
        "    ),",
        "    'second': [1, 2],",
        "}",
    ]
