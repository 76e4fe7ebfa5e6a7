"""Stored values as text."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import struct
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pytest

from sematic.artifacts.store import FileSystemStore
from sematic.calls import ArtifactRef
from sematic.cli.values import build_node, format_flat, format_pretty
from sematic.types import Image

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480)
MOMENT = datetime.datetime(2024, 7, 2, 3)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
INDIA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
NAMED = datetime.timezone(datetime.timedelta(hours=-3), "here")
AMBIGUOUS = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)


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
        (Image(PNG), "<Image, image/png, 640 × 480 pixels, 24 B>"),
        (Image(PNG[:20]), "<Image, image/png, 20 B>"),
        ([Image(b"ab")], "[<Image, application/octet-stream, 2 B>]"),
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
        (MOMENT.replace(microsecond=5), "2024-07-02T03:00:00.000005"),
        (MOMENT.replace(tzinfo=datetime.timezone.utc), "2024-07-02T03:00:00+00:00"),
        (MOMENT.replace(tzinfo=INDIA), "2024-07-02T03:00:00+05:30"),
        (MOMENT.replace(tzinfo=NAMED), "2024-07-02T03:00:00-03:00 here"),
        (MOMENT.replace(tzinfo=BERLIN), "2024-07-02T03:00:00+02:00 Europe/Berlin"),
        (AMBIGUOUS, "2024-10-27T02:30:00+02:00 Europe/Berlin"),
        (AMBIGUOUS.replace(fold=1), "2024-10-27T02:30:00+01:00 Europe/Berlin"),
        ([MOMENT.replace(tzinfo=INDIA)], "[2024-07-02T03:00:00+05:30]"),
        (datetime.time(1, 2), "01:02:00"),
        (datetime.time(1, 2, tzinfo=datetime.timezone.utc), "01:02:00+00:00"),
        (datetime.time(1, 2, tzinfo=BERLIN), "01:02:00 Europe/Berlin"),
        (INDIA, "timezone(UTC+05:30)"),
        (NAMED, "timezone(here)"),
        (BERLIN, "ZoneInfo('Europe/Berlin')"),
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


def test_a_zone_that_this_machine_does_not_know_is_named(tmp_path: pathlib.Path) -> None:
    ref = FileSystemStore(tmp_path).put(MOMENT.replace(tzinfo=BERLIN), object)
    payload = (ref.payload or "").replace("Europe/Berlin", "Moon/Tycho")
    unknown = dataclasses.replace(ref, payload=payload)
    assert format_flat(build_node(unknown), 100) == "2024-07-02T03:00:00 Moon/Tycho"


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


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        ({"kind": "set", "length": 4, "items": ["b", 10, 9, "a"]}, "{9, 10, 'a', 'b'}"),
        (
            {"kind": "estimator", "type": "sklearn.svm.SVC", "parameters": {"C": 0.5}},
            "SVC(C=0.5)",
        ),
        (
            {
                "kind": "module",
                "type": "torch.nn.Sequential",
                "children": {"0": {"kind": "module", "type": "a.Linear", "settings": "bias=True"}},
            },
            "Sequential(0=Linear(bias=True))",
        ),
        ({"kind": "module", "type": "a.ReLU"}, "ReLU()"),
        ({"kind": "image", "type": "sematic.types.Image", "mime_type": "image/png"}, "image/png"),
        ({"kind": "image", "type": "PIL.Image.Image", "size": [3000, 20]}, "<Image, 3,000 × 20>"),
        ({"kind": "plotly", "type": "plotly.Figure", "figure": {}}, "<Figure>"),
        ({"kind": "loader", "type": "a.Loader", "fields": {"size": 4}}, "Loader(size=4)"),
    ],
)
def test_summaries_of_library_values(summary: dict[str, Any], shown: str) -> None:
    ref = ArtifactRef("0" * 40, "pickle", "object", 9, None, json.dumps(summary))
    assert shown in format_flat(build_node(ref), 100)
