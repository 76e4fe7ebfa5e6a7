import collections
import datetime
import enum
import functools
import pathlib
from dataclasses import dataclass, field
from typing import (
    Any,
    Dict,
    Generic,
    Iterable,
    List,
    Literal,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypedDict,
    TypeVar,
    Union,
)

import numpy as np
import pandas as pd
import pytest

from sematic.errors import FutureUseError
from sematic.types import Unchecked, can_cast_type
from sematic.types.selection import attribute_type, fixed_length, item_type

T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"

    @property
    def dark(self) -> bool:
        return True


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Point(NamedTuple):
    x: int
    label: str


class Options(TypedDict):
    depth: int
    name: str


@dataclass
class Config:
    rate: float
    names: "List[str]" = field(default_factory=list)
    anything: Any = None

    limit = 3

    @property
    def half(self) -> "float":
        return self.rate / 2

    @functools.cached_property
    def double(self) -> float:
        return self.rate * 2

    @property
    def untold(self):
        return 1

    def method(self) -> int:
        return 1


@dataclass
class Dynamic:
    rate: float

    def __post_init__(self):
        self.more = 1


@dataclass
class Box(Generic[T]):
    item: T


class Plain:
    size: int

    def __init__(self):
        self.other = 1


ITEMS = [
    (List[int], 0, int),
    (List[int], -1, int),
    (List[int], np.int64(1), int),
    (List[int], int, int),
    (List[int], slice(0, 2), List[int]),
    (Tuple[int, str], 0, int),
    (Tuple[int, str], -1, str),
    (Tuple[int, ...], 7, int),
    (Tuple[int, ...], slice(1), Tuple[int, ...]),
    (Tuple[int, str, float], slice(1, None), tuple[str, float]),
    (Tuple[int, str], slice(0, 0), tuple[()]),
    (Tuple[int, int], int, int),
    (Tuple[int, str], int, Unchecked),
    (Point, 1, str),
    (Point, slice(1), tuple[int]),
    (Sequence[int], 0, int),
    (Sequence[int], slice(1), Sequence[int]),
    (collections.deque[int], 0, int),
    (Dict[str, int], "a", int),
    (Dict[str, int], str, int),
    (Dict[float, int], 1, int),
    (Dict[Optional[int], str], None, str),
    (Mapping[str, int], "a", int),
    (Options, "depth", int),
    (Options, str, Unchecked),
    (str, 0, str),
    (str, slice(1), str),
    (bytes, 0, int),
    (bytes, slice(1), bytes),
    (List[object], 0, Unchecked),
    (Dict[str, object], "a", Unchecked),
    (object, 0, Unchecked),
    (Unchecked, "a", Unchecked),
    (pd.DataFrame, "a", Unchecked),
    (np.ndarray, 0, Unchecked),
    (Optional[List[int]], 0, Unchecked),
    (Union[List[int], Tuple[int, ...]], 0, int),
    (Union[List[int], Dict[int, str]], 0, Union[int, str]),
    (Literal["a", "b"], 0, str),
]


@pytest.mark.parametrize(("container", "key", "expected"), ITEMS, ids=str)
def test_item_type(container, key, expected):
    assert item_type(container, key) == expected


@pytest.mark.parametrize(
    ("container", "key", "message"),
    [
        (float, 0, "__getitem__ is not supported for Futures of type <class 'float'>"),
        (Set[int], 0, "__getitem__ is not supported for Futures of type typing.Set[int]"),
        (Iterable[int], 0, "__getitem__ is not supported for Futures of type typing.Iterable[int]"),
        (Config, 0, f"__getitem__ is not supported for Futures of type {Config!r}"),
        (Color, "RED", f"__getitem__ is not supported for Futures of type {Color!r}"),
        (collections.deque[int], slice(1), None),
        (List[int], "a", "Invalid key 'a': Cannot cast 'a' to <class 'int'>"),
        (List[int], 1.0, "Invalid key 1.0: Cannot cast 1.0 to <class 'int'>"),
        (List[int], str, "Invalid key of type <class 'str'>: Cannot cast <class 'str'> to int"),
        (Tuple[int, str], "a", "Invalid key 'a': Cannot cast 'a' to <class 'int'>"),
        (Dict[str, int], 3, "Invalid key 3: Cannot cast 3 to <class 'str'>"),
        (Dict[int, int], "3", "Invalid key '3': Cannot cast '3' to <class 'int'>"),
        (
            Dict[str, int],
            int,
            "Invalid key of type <class 'int'>: <class 'int'> cannot cast to str",
        ),
        (Dict[str, int], slice(1), None),
        (Options, "dept", "Invalid key 'dept': the keys of Options are 'depth', 'name'"),
        (Options, slice(1), None),
        (Optional[float], 0, None),
        (str, "a", "Invalid key 'a': Cannot cast 'a' to <class 'int'>"),
    ],
    ids=str,
)
def test_what_has_no_such_item(container, key, message):
    with pytest.raises(FutureUseError) as caught:
        item_type(container, key)
    if message is not None:
        assert str(caught.value) == message
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("index", [2, -3])
@pytest.mark.parametrize("container", [Tuple[int, str], Point])
def test_a_tuple_index_out_of_range(container, index):
    with pytest.raises(IndexError, match=r"^tuple index out of range$"):
        item_type(container, index)


def test_a_slice_of_a_tuple_with_futures_as_bounds():
    bound = object()  # stands for a future
    assert item_type(Tuple[int, int], slice(bound)) == tuple[int, ...]
    assert can_cast_type(item_type(Tuple[int, str], slice(None, bound)), List[int]) == (True, None)


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (Config, "rate", float),
        (Config, "names", List[str]),
        (Config, "anything", Unchecked),
        (Config, "half", float),
        (Config, "double", float),
        (Config, "untold", Unchecked),
        (Config, "method", Unchecked),
        (Config, "limit", Unchecked),
        (Dynamic, "rate", float),
        (Dynamic, "more", Unchecked),
        (Box[int], "item", int),
        (Box, "item", Unchecked),
        (Point, "label", str),
        (Point, "count", Unchecked),
        (Color, "name", str),
        (Color, "value", str),
        (Color, "dark", bool),
        (Mixed, "value", Unchecked),
        (Plain, "size", int),
        (Plain, "other", Unchecked),
        (pd.DataFrame, "columns", Unchecked),
        (pd.DataFrame, "a_column", Unchecked),
        (np.ndarray, "shape", Unchecked),
        (datetime.datetime, "year", Unchecked),
        (pathlib.Path, "anything", Unchecked),
        (int, "real", Unchecked),
        (str, "upper", Unchecked),
        (object, "anything", Unchecked),
        (Unchecked, "anything", Unchecked),
        (Optional[Config], "rate", Unchecked),
        (Union[Config, Dynamic], "rate", float),
        (Sequence[int], "anything", Unchecked),
        (List[int], "copy", Unchecked),
    ],
    ids=str,
)
def test_attribute_type(owner, name, expected):
    found = attribute_type(owner, name)
    if (owner, name) == (pd.DataFrame, "columns"):  # as its annotation says, if it can be found
        assert can_cast_type(found, pd.Index)[0]
        return
    assert found == expected


@pytest.mark.parametrize(
    ("owner", "name", "message"),
    [
        (
            Config,
            "rat",
            f"{Config!r} has no field 'rat'; its fields are: 'rate', 'names', 'anything'",
        ),
        (Box[int], "x", f"{Box[int]!r} has no field 'x'; its fields are: 'item'"),
        (Point, "y", f"{Point!r} has no field 'y'; its fields are: 'x', 'label'"),
        (int, "nothing", "Values of <class 'int'> have no attribute 'nothing'"),
        (List[int], "nothing", "Values of typing.List[int] have no attribute 'nothing'"),
        (Options, "depth", f"Values of {Options!r} have no attribute 'depth'"),
        (Optional[Point], "y", None),
    ],
    ids=str,
)
def test_what_has_no_such_attribute(owner, name, message):
    with pytest.raises(AttributeError) as caught:
        attribute_type(owner, name)
    if message is not None:
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("type_", "length"),
    [
        (Tuple[int, str], 2),
        (Tuple[()], 0),
        (Point, 2),
        (Tuple[int, ...], None),
        (List[int], None),
        (int, None),
        (Unchecked, None),
    ],
    ids=str,
)
def test_fixed_length(type_, length):
    assert fixed_length(type_) == length
