"""Types that users write, with strategies for their values; for the property tests."""

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Collection,
    Dict,
    FrozenSet,
    Generic,
    Iterable,
    List,
    Literal,
    Mapping,
    NamedTuple,
    NewType,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    TypedDict,
    TypeVar,
    Union,
)

import pydantic
from hypothesis import strategies as st

from sematic.types import Link, S3Bucket, S3Location

T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(str, enum.Enum):
    YES = "yes"
    NO = "no"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Animal:
    def __repr__(self) -> str:  # without its address
        return f"{type(self).__name__}()"


class Dog(Animal):
    pass


class Meters(float):
    pass


class Point(NamedTuple):
    x: int
    label: str


class PointLike(NamedTuple):
    x: float
    label: object


class Options(TypedDict):
    depth: int
    name: str


class FewerOptions(TypedDict):
    depth: float


class LooseOptions(TypedDict, total=False):
    depth: float


@dataclass
class Config:
    rate: float
    names: List[str]


@dataclass
class SubConfig(Config):
    extra: int = 0


@dataclass(frozen=True)
class Frozen:
    rate: int
    names: Tuple[str, ...]


@dataclass
class Narrow:
    rate: float


@dataclass
class Node:
    value: int
    children: "List[Node]" = dataclasses.field(default_factory=list)


@dataclass
class WideNode:
    value: float
    children: "Sequence[WideNode]"


@dataclass
class Box(Generic[T]):
    item: T


class Model(pydantic.BaseModel):
    rate: float
    names: List[str] = []


class SubModel(Model):
    extra: int = 0


UserId = NewType("UserId", int)


@dataclass(frozen=True)
class Sample:
    """A type, and values of it as a user would make them.

    ``remake`` builds the same kind of type over other parts.
    """

    annotation: Any
    values: "st.SearchStrategy[Any]"
    parts: "Tuple[Sample, ...]" = ()
    remake: Optional[Callable[..., "Sample"]] = None


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


# Not above what a float can hold: the one exception to the promise of can_cast_type.
_integers = st.integers(-(10**300), 10**300)
_names = st.text(max_size=4)
_floats = st.floats()
_nodes = st.recursive(
    st.builds(Node, st.integers(-9, 9)),
    lambda inner: st.builds(Node, st.integers(-9, 9), st.lists(inner, max_size=2)),
    max_leaves=4,
)

LEAVES = [
    Sample(int, _integers | st.booleans() | st.sampled_from(Level)),
    Sample(float, _floats | st.just(Meters(2.5))),
    Sample(bool, st.booleans()),
    Sample(str, _names | st.sampled_from(Word)),
    Sample(bytes, st.binary(max_size=3)),
    Sample(complex, st.complex_numbers(max_magnitude=9)),
    Sample(type(None), st.none()),
    Sample(object, st.none() | _integers | _names | st.just([1]) | st.just({"a": {1}})),
    Sample(Color, st.sampled_from(Color)),
    Sample(Level, st.sampled_from(Level)),
    Sample(Word, st.sampled_from(Word)),
    Sample(Access, st.sampled_from([Access.READ, Access.READ | Access.WRITE])),
    Sample(Animal, st.builds(Animal) | st.builds(Dog)),
    Sample(Dog, st.builds(Dog)),
    Sample(Meters, st.builds(Meters, st.floats())),
    Sample(Point, st.builds(Point, _integers, _names)),
    Sample(PointLike, st.builds(PointLike, _floats, st.just([1]))),
    Sample(Options, st.fixed_dictionaries({"depth": _integers, "name": _names})),
    Sample(FewerOptions, st.fixed_dictionaries({"depth": _floats, "name": st.just([1])})),
    Sample(LooseOptions, st.fixed_dictionaries({}, optional={"depth": _floats, "name": _floats})),
    Sample(Config, st.builds(Config, _floats, st.lists(_names, max_size=2))),
    Sample(SubConfig, st.builds(SubConfig, _floats, st.just([]), _integers)),
    Sample(Frozen, st.builds(Frozen, _integers, st.tuples(_names))),
    Sample(Narrow, st.builds(Narrow, _floats)),
    Sample(Node, _nodes),
    Sample(WideNode, st.builds(WideNode, _floats, st.just(()))),
    Sample(Model, st.builds(Model, rate=_floats, names=st.just(["a"]))),
    Sample(SubModel, st.builds(SubModel, rate=_floats, extra=st.integers(-9, 9))),
    Sample(Link, st.builds(Link, _names, st.just("https://a.b/c"))),
    Sample(S3Bucket, st.builds(S3Bucket, _names, st.none() | _names)),
    Sample(S3Location, st.builds(S3Location, st.builds(S3Bucket, _names), _names)),
    Sample(UserId, _integers),
    Sample(Annotated[int, "metadata"], _integers),
    Sample(Literal["r", 1], st.sampled_from(["r", 1])),
    Sample(Literal[True, None, Color.RED], st.sampled_from([True, None, Color.RED])),
    Sample(Type[int], st.sampled_from([int, bool, Level])),
    Sample(type, st.sampled_from([int, str, Animal])),
    Sample(range, st.builds(range, st.integers(0, 5))),
    Sample(datetime.date, st.dates() | st.datetimes()),
    Sample(datetime.datetime, st.datetimes()),
    Sample(decimal.Decimal, st.decimals()),
    Sample(uuid.UUID, st.uuids()),
    Sample(pathlib.PurePath, st.just(pathlib.PurePosixPath("a"))),
    Sample(collections.abc.Hashable, _integers | _names),
]


def list_of(part: Sample) -> Sample:
    values = st.lists(part.values, max_size=3)
    return Sample(List[part.annotation], values, (part,), list_of)


def tuple_of(part: Sample) -> Sample:
    values = st.lists(part.values, max_size=3).map(tuple)
    return Sample(Tuple[part.annotation, ...], values, (part,), tuple_of)


def pair_of(first: Sample, second: Sample) -> Sample:
    annotation = Tuple[first.annotation, second.annotation]
    return Sample(annotation, st.tuples(first.values, second.values), (first, second), pair_of)


def set_of(part: Sample) -> Sample:
    values = st.lists(part.values.filter(_is_hashable), max_size=3).map(set)
    return Sample(Set[part.annotation], values, (part,), set_of)


def frozenset_of(part: Sample) -> Sample:
    values = st.lists(part.values.filter(_is_hashable), max_size=3).map(frozenset)
    return Sample(FrozenSet[part.annotation], values, (part,), frozenset_of)


def dict_of(key: Sample, item: Sample) -> Sample:
    # One item: that two keys become the same is the other exception to the promise.
    values = st.dictionaries(key.values.filter(_is_hashable), item.values, max_size=1)
    return Sample(Dict[key.annotation, item.annotation], values, (key, item), dict_of)


def ordered_dict_of(key: Sample, item: Sample) -> Sample:
    annotation = collections.OrderedDict[key.annotation, item.annotation]
    values = dict_of(key, item).values.map(collections.OrderedDict)
    return Sample(annotation, values, (key, item), ordered_dict_of)


def mapping_of(key: Sample, item: Sample) -> Sample:
    values = dict_of(key, item).values | ordered_dict_of(key, item).values
    annotation = Mapping[key.annotation, item.annotation]
    return Sample(annotation, values, (key, item), mapping_of)


def sequence_of(part: Sample) -> Sample:
    deques = st.lists(part.values, max_size=3).map(collections.deque)
    values = list_of(part).values | tuple_of(part).values | deques
    return Sample(Sequence[part.annotation], values, (part,), sequence_of)


def collection_of(part: Sample) -> Sample:
    keyed = dict_of(part, LEAVES[0]).values
    values = sequence_of(part).values | set_of(part).values | keyed
    return Sample(Collection[part.annotation], values, (part,), collection_of)


def iterable_of(part: Sample) -> Sample:
    return Sample(Iterable[part.annotation], collection_of(part).values, (part,), iterable_of)


def abstract_set_of(part: Sample) -> Sample:
    keys = dict_of(part, LEAVES[0]).values.map(lambda value: value.keys())
    values = set_of(part).values | frozenset_of(part).values | keys
    annotation = collections.abc.Set[part.annotation]
    return Sample(annotation, values, (part,), abstract_set_of)


def deque_of(part: Sample) -> Sample:
    values = st.lists(part.values, max_size=3).map(collections.deque)
    return Sample(collections.deque[part.annotation], values, (part,), deque_of)


def box_of(part: Sample) -> Sample:
    return Sample(Box[part.annotation], st.builds(Box, part.values), (part,), box_of)


def union_of(first: Sample, second: Sample) -> Sample:
    annotation = Union[first.annotation, second.annotation]
    return Sample(annotation, first.values | second.values, (first, second), union_of)


def optional_of(part: Sample) -> Sample:
    return Sample(Optional[part.annotation], part.values | st.none(), (part,), optional_of)


UNARY = [
    *(list_of, tuple_of, set_of, frozenset_of, deque_of, box_of, optional_of),
    *(sequence_of, collection_of, iterable_of, abstract_set_of),
]
BINARY = [pair_of, dict_of, ordered_dict_of, mapping_of, union_of]


@st.composite
def samples(draw: Any, depth: int = 2) -> Sample:
    """Any type."""
    choice = draw(st.integers(0, 5 if depth else 1))
    if choice < 2:
        return draw(st.sampled_from(LEAVES))
    if choice < 5:
        return draw(st.sampled_from(UNARY))(draw(samples(depth - 1)))
    return draw(st.sampled_from(BINARY))(draw(samples(depth - 1)), draw(samples(depth - 1)))


@st.composite
def relatives(draw: Any, sample: Sample) -> Sample:
    """A type that has something in common with another one, so that they may well fit."""
    choice = draw(st.integers(0, 8))
    if choice == 0:
        return draw(samples(1))
    if choice == 1:
        return optional_of(sample)
    if choice == 2:
        return union_of(draw(st.sampled_from(LEAVES)), sample)
    if not sample.parts:
        return sample if choice < 6 else draw(st.sampled_from(LEAVES))
    parts = [draw(relatives(part)) for part in sample.parts]
    makers = UNARY if len(parts) == 1 else BINARY
    return (sample.remake if choice < 6 else draw(st.sampled_from(makers)))(*parts)
