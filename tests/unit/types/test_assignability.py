import collections
import datetime
import enum
import pathlib
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    Collection,
    Dict,
    FrozenSet,
    Generic,
    Hashable,
    Iterable,
    Iterator,
    List,
    Literal,
    Mapping,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    Sequence,
    Set,
    Sized,
    Tuple,
    Type,
    TypedDict,
    TypeVar,
    Union,
)

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic
import pytest
from typing_extensions import NotRequired

from sematic.types import Unchecked, can_cast_type

T = TypeVar("T")
UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Animal:
    pass


class Dog(Animal):
    pass


class Numbers(List[int]):
    pass


class SizedProtocol(Protocol):
    size: int


class Point(NamedTuple):
    x: int
    y: int


class SubPoint(Point):
    pass


class Options(TypedDict):
    depth: int
    name: str


class Fewer(TypedDict):
    depth: float


class Loose(TypedDict):
    depth: NotRequired[int]


class LooseName(TypedDict):
    depth: int
    other: NotRequired[int]


@dataclass
class Config:
    rate: float
    names: List[str]


@dataclass
class SubConfig(Config):
    extra: int


@dataclass
class Undone(Config):
    rate: str  # type: ignore[assignment]


@dataclass
class Similar:
    names: Tuple[str, ...]
    rate: int
    more: object


@dataclass
class Partial:
    rate: float


@dataclass
class Checked:
    rate: float

    def __post_init__(self):
        pass


@dataclass(frozen=True)
class FrozenPoint:
    x: int


@dataclass(frozen=True)
class FrozenNames:
    names: List[str]


@dataclass
class Node:
    value: int
    children: "List[Node]" = field(default_factory=list)


@dataclass
class FloatNode:
    value: float
    children: "List[FloatNode]"


@dataclass
class TextNode:
    value: int
    children: "List[TextNodeInner]"


@dataclass
class TextNodeInner:
    value: str
    children: "List[TextNode]"


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class IntBox(Box[int]):
    pass


class Model(pydantic.BaseModel):
    rate: float


class SubModel(Model):
    pass


FITS = [
    # scalars
    *((int, int), (bool, int), (Level, int), (np.int64, int), (UserId, int), (int, UserId)),
    *((int, float), (bool, float), (float, float), (np.float64, float), (np.float32, float)),
    *((Level, float), (np.int8, float), (bool, bool), (np.bool_, bool), (str, str)),
    *((None, None), (type(None), None), (Annotated[int, "x"], int), (int, Annotated[float, 1])),
    # object takes all, what is not checked fits all
    *((List[int], object), (Optional[int], object), (Config, object), (Dict[str, int], object)),
    *((Unchecked, int), (Unchecked, List[int]), (List[Unchecked], List[int]), (Unchecked, None)),
    *((Dict[str, Unchecked], Dict[str, Config]), (Union[Unchecked, int], int)),
    # lists, tuples, sets
    *((List[int], list[int]), (List[int], List[float]), (List[Dog], List[Animal])),
    *((Tuple[int, ...], List[int]), (Tuple[int, bool], List[float]), (Set[int], List[int])),
    *((Point, List[int]), (FrozenSet[int], Set[float]), (List[int], Tuple[int, ...])),
    *((Tuple[int, bool], Tuple[float, int]), (Tuple[()], Tuple[()]), (Tuple[()], List[str])),
    *((Point, Tuple[int, float]), (Point, Tuple[int, ...]), (list, List[object])),
    *((List[int], Set[int]), (List[int], Set[object]), (Set[object], FrozenSet[object])),
    *((List[FrozenPoint], Set[FrozenPoint]), (List[Tuple[int, str]], Set[Tuple[int, str]])),
    *((List[FrozenSet[int]], Set[FrozenSet[int]]), (Numbers, List[object])),
    # abstract collections
    *((List[int], Sequence[int]), (Tuple[int, bool], Sequence[int]), (range, Sequence[int])),
    *((Set[int], Collection[float]), (Dict[str, int], Iterable[str]), (Options, Iterable[str])),
    *((Sequence[int], Iterable[float]), (FrozenSet[int], collections.abc.Set[int])),
    *((Mapping[str, int], Iterable[str]), (List[int], Sized), (Iterable[int], Iterable[object])),
    # mappings
    *((Dict[str, int], Dict[str, float]), (Dict[str, int], Mapping[str, float])),
    *((collections.OrderedDict[str, int], Dict[str, int]), (dict, Dict[object, object])),
    *((collections.Counter[str], Dict[str, int]), (Options, Mapping[str, object])),
    *((Options, Dict[str, object]), (Dict[Tuple[int, int], str], Dict[Tuple[int, ...], str])),
    # unions
    *((int, Optional[int]), (None, Optional[int]), (Optional[int], Optional[float])),
    *((Union[int, float], Union[float, str]), (Union[int, bool], int), (int | None, int | None)),
    *((Optional[List[int]], Optional[Sequence[float]]), (int, Union[str, float])),
    # literals, enums
    *((Literal[1, 2], int), (Literal[1, True], float), (Literal["a"], Literal["a", "b"])),
    *((Literal["a", 1], Union[str, int]), (Literal["a", None], Optional[str])),
    *((bool, Literal[True, False]), (None, Literal[None]), (Color, Literal[Color.RED, Color.BLUE])),
    *((Literal[Color.RED], Color), (Color, Color), (Color, enum.Enum)),
    # classes
    *((Dog, Animal), (datetime.datetime, datetime.date), (pathlib.Path, pathlib.PurePath)),
    *(
        (Type[bool], Type[int]),
        (type, Type[object]),
        (Type[int], type),
        (Type[int], Type[int | str]),
    ),
    *((pd.DataFrame, pd.DataFrame), (npt.NDArray[np.int64], np.ndarray), (int, Hashable)),
    *((Model, Model), (SubModel, Model), (List[SubModel], List[Model]), (int, SizedProtocol)),
    # records
    *((SubPoint, Point), (Options, Fewer), (Options, Options), (Options, Loose)),
    *((SubConfig, Config), (Similar, Config), (Similar, Partial), (Config, Partial)),
    *(
        (Node, Node),
        (Node, FloatNode),
        (Box[int], Box[float]),
        (IntBox, Box[float]),
        (Box[int], Box),
    ),
]


@pytest.mark.parametrize(("source", "target"), FITS, ids=str)
def test_fits(source, target):
    assert can_cast_type(source, target) == (True, None)


DOES_NOT_FIT = [
    (str, int, "Cannot cast <class 'str'> to int"),
    (float, int, "Cannot cast <class 'float'> to int"),
    (None, int, "Cannot cast None to int"),
    (List[int], int, "Cannot cast typing.List[int] to int"),
    (str, float, "Cannot cast <class 'str'> to float"),
    (np.longdouble, float, "Cannot cast <class 'numpy.longdouble'> to float"),
    (object, int, "Cannot cast <class 'object'> to int"),
    (Any, int, "Cannot cast typing.Any to int"),
    (Optional[int], int, "Cannot cast <class 'NoneType'> to int"),
    (int, str, "<class 'int'> cannot cast to str"),
    (object, str, "<class 'object'> cannot cast to str"),
    (int, bool, "<class 'int'> cannot cast to <class 'bool'>"),
    (List[int], bool, "typing.List[int] cannot cast to <class 'bool'>"),
    (List[int], None, "typing.List[int] cannot cast to None"),
    (str, bytes, "<class 'str'> cannot cast to <class 'bytes'>"),
    (Animal, Dog, f"{Animal!r} cannot cast to {Dog!r}"),
    (datetime.date, datetime.datetime, None),
    (pd.Series, pd.DataFrame, None),
    (int, List[int], "Can't cast <class 'int'> to typing.List[int]: not a subscripted generic"),
    (str, List[str], "Can't cast <class 'str'> to typing.List[str]: not a subscripted generic"),
    (str, Sequence[str], None),
    (bytes, Iterable[int], None),
    (Type[int], List[int], "Can't cast typing.Type[int] to typing.List[int]: not an iterable"),
    (
        List[str],
        List[int],
        "Can't cast typing.List[str] to typing.List[int]: Cannot cast <class 'str'> to int",
    ),
    (Dict[str, int], List[str], None),
    (Sequence[int], List[int], None),
    (Iterator[int], Iterable[int], None),
    (List[int], collections.deque[int], None),
    (Numbers, List[int], None),
    (List[List[int]], Set[List[int]], None),
    (List[object], Set[object], None),
    (List[Config], Set[Config], None),
    (List[FrozenNames], Set[FrozenNames], None),
    (Set[Tuple[int, ...]], Set[List[int]], None),
    (Dict[Tuple[int, ...], int], Dict[List[int], int], None),
    (
        List[int],
        Tuple[int, int],
        "Can't cast typing.List[int] to typing.Tuple[int, int]: not a tuple",
    ),
    (
        Tuple[int],
        Tuple[int, str],
        "Can't cast typing.Tuple[int] to typing.Tuple[int, str]: "
        "they have different arities (1 vs 2)",
    ),
    (Tuple[int, ...], Tuple[int], None),
    (Tuple[str, int], Tuple[int, int], None),
    (int, Dict[str, int], "Can't cast <class 'int'> to typing.Dict[str, int]: not a mapping"),
    (Mapping[str, int], Dict[str, int], None),
    (
        Dict[str, float],
        Dict[str, int],
        "Can't cast typing.Dict[str, float] to typing.Dict[str, int]: value type: "
        "Cannot cast <class 'float'> to int",
    ),
    (Dict[int, int], Dict[str, int], None),
    (Options, Dict[str, Union[int, str]], None),
    (
        Union[int, float],
        Union[int, str],
        "<class 'float'> cannot cast to any of (<class 'int'>, <class 'str'>)",
    ),
    (int, Literal[1, 2], "<class 'int'> cannot cast to typing.Literal[1, 2]"),
    (Literal[1], Literal[True], None),
    (Literal[1, "a"], int, "Cannot cast <class 'str'> to int"),
    (Color, Literal[Color.RED], None),
    (int, Color, f"<class 'int'> does not match {Color!r}"),
    (Level, Color, f"{Level!r} does not match {Color!r}"),
    (Color, int, f"Cannot cast {Color!r} to int"),
    (Type[int], Type[str], None),
    (int, Type[int], None),
    (type, Type[int], None),
    (Sequence[int], Hashable, None),
    (Tuple[int, int], Point, None),
    (Point, SubPoint, None),
    (Fewer, Options, None),
    (Loose, Fewer, f"Can't cast {Loose!r} to {Fewer!r}: missing fields: {{'depth'}}"),
    (Options, LooseName, None),
    (Dict[str, int], Loose, None),
    (int, Config, f"Can't cast <class 'int'> to {Config!r}: not a dataclass"),
    (Partial, Config, f"Can't cast {Partial!r} to {Config!r}: missing fields: {{'names'}}"),
    (Config, SubConfig, None),
    (
        Undone,
        Config,
        f"Can't cast {Undone!r} to {Config!r}: field 'rate' cannot cast: "
        "Cannot cast <class 'str'> to float",
    ),
    (Partial, Checked, None),
    (Dict[str, object], Config, None),
    (FloatNode, Node, None),
    (Node, TextNode, None),
    (Box[str], Box[int], None),
    (Box, Box[int], None),
    (IntBox, Box[str], None),
    (Dict[str, float], Model, f"typing.Dict[str, float] cannot cast to {Model!r}"),
    (Model, SubModel, None),
]


@pytest.mark.parametrize(("source", "target", "reason"), DOES_NOT_FIT, ids=str)
def test_does_not_fit(source, target, reason):
    fits, why = can_cast_type(source, target)
    assert not fits
    assert why == reason if reason is not None else isinstance(why, str)


STRANGE = ["text", 3, [], T, Iterator[int], Generic, Literal, Union, SizedProtocol, len, np, ...]


@pytest.mark.parametrize("strange", STRANGE, ids=str)
@pytest.mark.parametrize("other", [int, List[int], Dict[str, int], Optional[int], Config, None])
def test_it_never_raises(strange, other):
    assert isinstance(can_cast_type(strange, other)[0], bool)
    assert isinstance(can_cast_type(other, strange)[0], bool)
    assert isinstance(can_cast_type(List[other], strange)[0], bool)
