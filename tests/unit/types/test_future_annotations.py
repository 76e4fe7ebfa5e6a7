"""All annotations of this file are strings."""

from __future__ import annotations

import dataclasses
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypedDict

import pytest
from typing_extensions import NotRequired

from sematic.errors import CastError
from sematic.types import can_cast_type, cast
from sematic.types.annotations import resolve_annotations
from sematic.types.hints import class_hints, typed_dict_keys

if TYPE_CHECKING:
    from elsewhere import Frame


@dataclass
class Config:
    rate: float
    scale: InitVar[int]
    children: list[Config]
    limit: ClassVar[int] = 3

    def __post_init__(self, scale: int) -> None:
        self.rate *= scale


class Point(NamedTuple):
    x: float
    y: int | None


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


class Optionals(TypedDict, total=False):
    depth: int


class Both(Options, Optionals):
    size: int


@dataclass
class Report:
    frame: Frame
    rate: float


def test_functions():
    def f(a: int, b: list[Config], c: Point | None) -> dict[str, Options]: ...

    assert resolve_annotations(f) == {
        "a": int,
        "b": list[Config],
        "c": Point | None,
        "return": dict[str, Options],
    }


def test_dataclasses():
    assert cast({"rate": 2, "scale": 3, "children": []}, Config) == Config(6.0, 1, [])
    with pytest.raises(CastError, match="Cannot cast field 'rate'"):
        cast({"rate": 1, "scale": 1, "children": [{"rate": "x", "scale": 1}]}, Config)


def test_named_tuples_and_typed_dicts():
    assert cast(Point(1, 2.0), Point) == Point(1.0, 2)
    assert typed_dict_keys(Options) == {"depth": True, "name": False}
    assert typed_dict_keys(Both)["size"] is True
    assert typed_dict_keys(Both)["name"] is False
    assert cast({"depth": 1.0}, Options) == {"depth": 1}


def test_local_classes_that_name_each_other():
    @dataclass
    class Inner:
        rate: float

    @dataclass
    class Outer:
        inner: list[Inner]

    def f(a: Outer): ...

    assert resolve_annotations(f) == {"a": Outer}
    assert cast({"inner": [{"rate": 1}]}, Outer) == Outer([Inner(1.0)])
    assert can_cast_type(list[Outer], list[Inner])[0] is False


def test_a_type_that_is_imported_for_type_checkers_only_is_not_checked():
    report = Report("any frame", 1)
    assert cast(report, Report) == Report("any frame", 1.0)
    with pytest.raises(CastError, match="Cannot cast field 'rate'"):
        cast(Report("any frame", "x"), Report)


def test_a_field_may_have_the_name_of_its_type():
    @dataclass
    class Event:
        date: date_type = None
        Config: Config = None

    assert dataclasses.fields(Event)[1].name == "Config"
    assert class_hints(Event)["Config"] is Config


date_type = str
