import datetime
import decimal
import itertools
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Literal, Optional, Set, Tuple, Union

import numpy as np
import pandas as pd
import pytest

from sematic.future import OPERATORS
from sematic.types import Unchecked, can_cast_type, cast
from sematic.types.selection import operation_type


@dataclass
class Config:
    rate: float


UNARY = ("neg", "pos", "abs", "invert", "round", "floor", "ceil", "trunc")
BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift"),
    "round",
    *("and_", "or_", "xor", "lt", "le", "gt", "ge", "eq", "ne"),
)
TIME = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
SAMPLES = [
    (bool, True),
    (int, 3),
    (float, 2.5),
    (str, "a"),
    (bytes, b"a"),
    (type(None), None),
    (Literal[2], 2),
    (Optional[int], 2),
    (List[int], [1]),
    (List[str], ["a"]),
    (list, [None]),
    (Tuple[int, str], (1, "a")),
    (Tuple[float, ...], (1.5,)),
    (Set[int], {1}),
    (FrozenSet[str], frozenset("a")),
    (Dict[str, int], {"a": 1}),
    (Dict[int, int], {1: 1}),
    (datetime.datetime, TIME),
    (datetime.date, TIME.date()),
    (datetime.timedelta, datetime.timedelta(1)),
    (decimal.Decimal, decimal.Decimal(2)),
    (Config, Config(1.0)),
    (np.ndarray, np.array([1, 2])),
]
ALL = [
    *((name, (sample,)) for name in UNARY for sample in SAMPLES),
    *((name, pair) for name in BINARY for pair in itertools.product(SAMPLES, SAMPLES)),
]


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
def test_what_python_gives_is_of_the_type_that_was_told():
    checked = 0
    for name, operands in ALL:
        type_ = operation_type(name, *(sample[0] for sample in operands))
        try:
            result = OPERATORS[name](*(sample[1] for sample in operands))
        except TypeError:
            continue
        assert repr(cast(result, type_)) == repr(result), (name, operands)
        checked += type_ is not Unchecked
    assert checked > 500


@pytest.mark.parametrize(
    ("name", "operands", "expected"),
    [
        ("add", (int, int), int),
        ("add", (int, float), float),
        ("sub", (bool, bool), int),
        ("truediv", (int, int), float),
        ("divmod", (int, bool), tuple[int, int]),
        ("divmod", (int, float), tuple[float, float]),
        ("round", (float,), int),
        ("round", (float, int), float),
        ("round", (int, int), int),
        ("floor", (float,), int),
        ("floor", (decimal.Decimal,), Unchecked),
        ("pow", (int, int, int), Unchecked),
        ("floordiv", (int, int), int),
        ("mod", (float, int), float),
        ("pow", (int, int), Unchecked),
        ("neg", (bool,), int),
        ("invert", (int,), int),
        ("invert", (float,), Unchecked),
        ("and_", (bool, bool), bool),
        ("or_", (bool, int), int),
        ("lshift", (int, int), int),
        ("add", (str, str), str),
        ("mul", (int, str), str),
        ("mod", (str, object), str),
        ("add", (str, int), Unchecked),
        ("add", (List[int], List[int]), list[int]),
        ("add", (List[int], List[str]), list[Union[int, str]]),
        ("mul", (List[int], int), list[int]),
        ("add", (Tuple[int], Tuple[str]), tuple[int, str]),
        ("add", (Tuple[int, ...], Tuple[int]), tuple[int, ...]),
        ("or_", (Set[int], Set[str]), set[Union[int, str]]),
        ("sub", (Set[int], Set[str]), set[int]),
        ("or_", (Dict[str, int], Dict[str, float]), dict[str, Union[int, float]]),
        ("sub", (datetime.datetime, datetime.datetime), datetime.timedelta),
        ("add", (datetime.date, datetime.timedelta), datetime.date),
        ("lt", (int, float), bool),
        ("eq", (Optional[int], str), bool),
        ("eq", (Config, Config), bool),
        ("eq", (np.ndarray, int), Unchecked),
        ("gt", (int, pd.DataFrame), Unchecked),
        ("eq", (object, int), Unchecked),
        ("add", (Unchecked, int), Unchecked),
        ("add", (Literal[1], Literal[2]), int),
        ("matmul", (int, int), Unchecked),
    ],
    ids=str,
)
def test_operation_type(name, operands, expected):
    assert operation_type(name, *operands) == expected


def test_constants_without_element_types_leave_the_check_to_the_value():
    type_ = operation_type("add", List[int], list)
    assert can_cast_type(type_, List[int]) == (True, None)
    assert can_cast_type(type_, int)[0] is False
