"""Single values, unions, errors and speed; containers and records have files of their own."""

import datetime
import decimal
import enum
import fractions
import math
import pathlib
import threading
import timeit
import typing
from typing import (
    Annotated,
    Any,
    Generic,
    List,
    Literal,
    NewType,
    Optional,
    Protocol,
    Type,
    TypeVar,
    Union,
)

import numpy as np
import pytest
from numpy.typing import NDArray

from sematic.errors import CastError
from sematic.types import cast, caster
from sematic.types.casting import Cast
from tests.naming import stable_id

UserId = NewType("UserId", int)
T = TypeVar("T")
Number = TypeVar("Number", int, str)
MOMENT = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
Bounded = TypeVar("Bounded", bound=int)


class Color(enum.Enum):
    RED = "r"
    ONE = 1


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Forgiving(enum.Enum):
    RED = "r"

    @classmethod
    def _missing_(cls, value):
        return cls.RED


class Animal:
    pass


class Dog(Animal):
    pass


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item


class Unchecked(Protocol):
    size: int


class Silent:
    def __repr__(self):
        raise RuntimeError("no")


def error(value, type_) -> str:
    with pytest.raises(CastError) as caught:
        cast(value, type_)
    return str(caught.value)


def is_cast(value, type_, expected) -> None:
    result = cast(value, type_)
    assert type(result) is type(expected)
    assert result == expected


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (3, int, 3),
        (3.0, int, 3),
        (-0.0, int, 0),
        (1e300, int, int(1e300)),
        ("3", int, 3),
        ("-12", int, -12),
        ("0", int, 0),
        (True, int, True),
        (Level.LOW, int, Level.LOW),
        (np.int64(3), int, 3),
        (np.uint8(3), int, 3),
        (np.float64(3), int, 3),
        (np.float32(3), int, 3),
        (3, float, 3.0),
        (True, float, 1.0),
        ("1.5", float, 1.5),
        ("-inf", float, -math.inf),
        ("1e3", float, 1000.0),
        (np.float64(1.5), float, 1.5),
        (np.float32(0.5), float, 0.5),
        (np.float16(0.5), float, 0.5),
        (np.int64(3), float, 3.0),
        (2**53 + 1, float, float(2**53)),
        (True, bool, True),
        (np.bool_(True), bool, True),
        ("a", str, "a"),
        (Word.YES, str, Word.YES),
        (np.str_("a"), str, "a"),
        (b"a", bytes, b"a"),
        (np.bytes_(b"a"), bytes, b"a"),
        (1j, complex, 1j),
        (None, None, None),
        (None, type(None), None),
        ("r", Color, Color.RED),
        (Color.RED, Color, Color.RED),
        (1, Color, Color.ONE),
        (3, Access, Access.READ | Access.WRITE),
        (1, Level, Level.LOW),
        ("r", Forgiving, Forgiving.RED),
        ("a", Literal["a", 1], "a"),
        (Color.RED, Literal[Color.RED], Color.RED),
        (int, Type[int], int),
        (bool, type[int], bool),
        (str, type[int | str], str),
        ("3", UserId, 3),
        (3.0, Annotated[int, ["unhashable"]], 3),
        ([3.0], list[Annotated[int, ["unhashable"]]], [3]),
        (MOMENT, datetime.date, MOMENT),
        (pathlib.PurePosixPath("a"), pathlib.PurePath, pathlib.PurePosixPath("a")),
        ("anything", T, "anything"),
        ("anything", Any, "anything"),
        (3.0, Bounded, 3),
        ("3", Number, "3"),
    ],
    ids=str,
)
def test_fits(value, type_, expected):
    is_cast(value, type_, expected)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        *((value, int) for value in ["abc", "", " 3", "3.0", "1_0", "+3", "007", "-0", "٣", 3.7]),
        *((value, int) for value in [math.nan, math.inf, None, [], b"3", 3j, np.float64(3.5)]),
        *((value, int) for value in [decimal.Decimal(3), fractions.Fraction(3), Word.YES]),
        *((value, int) for value in ["9" * 5000, np.array(3), np.bool_(True)]),
        *((value, float) for value in ["abc", "", None, [], b"1", 1j, decimal.Decimal(1)]),
        *((value, float) for value in [fractions.Fraction(1, 2), "1e999", 10**400, np.bool_(1)]),
        *((value, bool) for value in [0, 1, None, "False", [], np.int64(1), 1.0]),
        *((value, str) for value in [3, None, b"a", ["a"], pathlib.Path("a")]),
        *((value, bytes) for value in [3, "a", [1], bytearray(b"a")]),
        *((value, complex) for value in [1, 1.0, "1j"]),
        *((value, None) for value in [0, False, "", []]),
        *((value, Color) for value in ["RED", 1.0, True, None, []]),
        *((value, Literal["a", 1]) for value in ["b", True, 1.0, None, [], Word.YES]),
        *((value, Literal[True]) for value in [1, 1.0, False]),
        *((value, Type[int]) for value in [str, 3, None]),
        ("x", Forgiving),
        (Animal(), Dog),
        (3, Animal),
        ("a", pathlib.Path),
        ("2020-01-01", datetime.date),
        (1, decimal.Decimal),
    ],
    ids=stable_id,
)
def test_does_not_fit(value, type_):
    with pytest.raises(CastError, match=r"^Cannot cast "):
        cast(value, type_)


def test_nan_from_text_and_from_numpy():
    assert math.isnan(cast("nan", float))
    assert math.isnan(cast(np.float32("nan"), float))


def test_a_longdouble_must_be_a_float_exactly():
    is_cast(np.longdouble("0.5"), float, 0.5)
    if np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant:
        error(np.longdouble(1) / 3, float)


def test_instances_of_classes_are_returned_as_they_are():
    dog = Dog()
    assert cast(dog, Animal) is dog
    assert cast(dog, object) is dog
    unhashable = [1]
    assert cast(unhashable, object) is unhashable


def test_of_other_generic_classes_the_parameters_are_not_checked():
    whole = np.arange(3)
    assert cast(whole, NDArray[np.float64]) is whole
    box = Box("text")
    assert cast(box, Box[int]) is box
    with pytest.raises(CastError):
        cast([1.0], NDArray[np.float64])


def test_a_protocol_that_cannot_be_checked_takes_anything():
    assert cast(3, Unchecked) == 3


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [
        ("abc", int, "Cannot cast 'abc' to <class 'int'>"),
        (3, str, "Cannot cast 3 to <class 'str'>"),
        (3, None, "Cannot cast 3 to None"),
        ("RED", Color, "Cannot cast 'RED' to <enum 'Color'>"),
        (
            "abc",
            Optional[int],
            "Cannot cast 'abc' to typing.Optional[int]: 'abc' does not match any of "
            "(<class 'int'>, <class 'NoneType'>)",
        ),
        (
            [1, "x"],
            list[int],
            "Cannot cast [1, 'x'] to list[int]: Cannot cast 'x' to <class 'int'>",
        ),
        (
            ["x"],
            list[int] | None,
            "Cannot cast ['x'] to list[int] | None: ['x'] does not match any of (list[int], "
            "<class 'NoneType'>): Cannot cast ['x'] to list[int]: Cannot cast 'x' to <class 'int'>",
        ),
    ],
)
def test_messages(value, type_, message):
    assert error(value, type_) == message


def test_errors_are_type_errors_without_our_own_context():
    with pytest.raises(TypeError) as caught:
        cast([["x"]], list[list[int]])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_long_values_are_cut():
    assert error("a" * 10_000, int) == f"Cannot cast '{'a' * 196}... to <class 'int'>"
    assert len(error(list(range(10**6)), str)) < 300
    assert len(error({"k": "a" * 10**6}, int)) < 300


def test_a_repr_that_raises_does_not_hide_the_error():
    assert error(Silent(), int) == "Cannot cast <Silent object whose repr failed> to <class 'int'>"
    assert "Cannot cast [<Silent object whose repr failed>] to" in error([Silent()], list[int])


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (1.5, Union[int, float], 1.5),
        (3.0, Union[int, float], 3.0),
        (3, Union[float, int], 3),
        (True, Union[float, int], True),
        ("3", Union[int, str], "3"),
        ("3", Union[int, float], 3),
        ("1.5", Union[int, float], 1.5),
        (np.float64(3), Union[int, float], 3.0),
        (np.float32(3), Union[int, float], 3.0),
        (np.int64(3), Union[float, int], 3),
        (None, Optional[int], None),
        (3.0, Optional[int], 3),
        ([1], Union[List[float], List[int]], [1]),
        ([1, "a"], Union[List[int], List[Union[int, str]]], [1, "a"]),
        ((1,), Union[List[int], typing.Tuple[int, ...]], (1,)),
        ({1}, Union[List[int], int], [1]),
        ("r", Union[Color, str], "r"),
        ("r", Union[Color, int], Color.RED),
        (Level.LOW, Union[int, Level], Level.LOW),
        (1, Union[Literal[1], str], 1),
        ("x", Union[int, object], "x"),
        (3, int | str | None, 3),
    ],
    ids=str,
)
def test_unions_take_what_fits_as_it_is_first(value, type_, expected):
    is_cast(value, type_, expected)


def test_unions_convert_in_the_order_of_declaration():
    is_cast("1", Union[int, float], 1)
    is_cast("1", Union[float, int], 1.0)
    is_cast([1], Union[typing.Tuple[int, ...], typing.Set[int]], (1,))
    is_cast([1], Union[typing.Set[int], typing.Tuple[int, ...]], {1})


def test_a_caster_is_compiled_once():
    assert caster(list[int]) is caster(list[int])
    assert caster(Annotated[int, []]) is caster(int)


def test_the_order_of_unions_is_told_apart_though_python_takes_them_for_equal():
    assert list[int | float] == list[float | int]
    is_cast(["1"], list[int | float], [1])
    is_cast(["1"], list[float | int], [1.0])
    assert type(cast(["1"], list[float | int])[0]) is float


def test_casters_can_be_made_in_several_threads_at_once():
    types = [List[typing.Tuple[int, Optional[Color], List[float]]], typing.Dict[str, List[Word]]]
    casters: list[Cast] = []
    barrier = threading.Barrier(8)

    def compile_all():
        barrier.wait()
        casters.extend(caster(type_) for type_ in types)

    threads = [threading.Thread(target=compile_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(casters) == 16
    assert all(cast_one([]) == [] for cast_one in casters if cast_one is casters[0])


def test_an_int_is_cast_in_well_under_a_microsecond():
    cast_int = caster(int)
    best = min(timeit.repeat(lambda: cast_int(3), number=10_000, repeat=5)) / 10_000
    assert best < 1e-6


def test_a_list_of_ints_costs_little_more_than_one_pass():
    values = list(range(100_000))
    cast_list = caster(list[int])
    ours = min(timeit.repeat(lambda: cast_list(values), number=1, repeat=9))
    one_pass = min(timeit.repeat(lambda: [value + 0 for value in values], number=1, repeat=9))
    assert ours < 5 * one_pass
