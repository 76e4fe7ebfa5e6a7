import collections
import enum
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Callable,
    Counter,
    Dict,
    FrozenSet,
    Generic,
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

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from sematic.types import Unchecked, describe_type
from sematic.types.names import set_main_module_name

T = TypeVar("T")
UserId = NewType("UserId", int)
ROOT = pathlib.Path(__file__).parents[3]


class Color(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int


class Options(TypedDict):
    depth: int


@dataclass
class Box(Generic[T]):
    item: T

    class Inner:
        pass


@pytest.mark.parametrize(
    ("type_", "description"),
    [
        (int, "int"),
        (float, "float"),
        (None, "NoneType"),
        (type(None), "NoneType"),
        (object, "object"),
        (Unchecked, "object"),
        (Any, "Any"),
        (list, "list"),
        (List, "list"),
        (List[int], "list[int]"),
        (list[int], "list[int]"),
        (Dict[str, float], "dict[str, float]"),
        (Tuple[int, str], "tuple[int, str]"),
        (Tuple[int, ...], "tuple[int, ...]"),
        (Tuple[()], "tuple[()]"),
        (tuple[()], "tuple[()]"),
        (Tuple, "tuple"),
        (Set[int], "set[int]"),
        (FrozenSet[int], "frozenset[int]"),
        (Optional[int], "int | None"),
        (int | None, "int | None"),
        (Union[None, int], "None | int"),
        (Union[str, int], "str | int"),
        (List[Optional[int]], "list[int | None]"),
        (Literal["a"], "Literal['a']"),
        (
            Literal["a", 1, True, None, b"x", Color.RED],
            f"Literal['a', 1, True, None, b'x', {__name__}.Color.RED]",
        ),
        (Annotated[int, ["x"]], "int"),
        (List[Annotated[int, "x"]], "list[int]"),
        (UserId, f"{__name__}.UserId"),
        (Type[int], "type[int]"),
        (Sequence[int], "collections.abc.Sequence[int]"),
        (Mapping[str, int], "collections.abc.Mapping[str, int]"),
        (Counter[str], "collections.Counter[str]"),
        (collections.deque[int], "collections.deque[int]"),
        (pathlib.Path, "pathlib.Path"),
        (pd.DataFrame, "pandas.DataFrame"),
        (pd.Series, "pandas.Series"),
        (np.ndarray, "numpy.ndarray"),
        (Point, f"{__name__}.Point"),
        (Options, f"{__name__}.Options"),
        (Box, f"{__name__}.Box"),
        (Box[int], f"{__name__}.Box[int]"),
        (Box.Inner, f"{__name__}.Box.Inner"),
        (Callable[[int, str], None], "collections.abc.Callable[[int, str], NoneType]"),
        (T, "T"),
    ],
    ids=str,
)
def test_descriptions(type_, description):
    assert describe_type(type_) == description


@pytest.mark.parametrize(
    "array",
    [
        npt.NDArray[np.float64],
        np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        np.ndarray[tuple[Any, ...], np.dtype[np.float64]],
    ],
)
def test_arrays_have_one_description_in_all_versions_of_numpy(array):
    """What NDArray says of the shape depends on the version."""
    assert describe_type(array) == "numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.float64]]"


def test_parameters_of_any_generic_class_are_described():
    flat = np.ndarray[tuple[int], np.dtype[np.float64]]
    assert describe_type(flat) == "numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]"


def test_the_order_of_unions_is_the_one_of_declaration():
    assert describe_type(list[int | str]) == "list[int | str]"
    assert describe_type(list[str | int]) == "list[str | int]"


def test_classes_of_main_have_the_real_name_of_the_module():
    local = type("Local", (), {"__module__": "__main__"})
    try:
        set_main_module_name("train")
        assert describe_type(List[local]) == "list[train.Local]"
        set_main_module_name("driver")
        assert describe_type(List[local]) == "list[driver.Local]"
    finally:
        set_main_module_name(None)


def test_it_is_the_same_in_every_process():
    code = (
        "from typing import *\n"
        "from sematic.types import describe_type\n"
        "print(describe_type(Dict[str, Union[Set[int], Literal['b', 'a'], None, FrozenSet[str]]]))"
    )
    seen = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        seen.add(done.stdout.strip())
    assert seen == {"dict[str, set[int] | Literal['b', 'a'] | None | frozenset[str]]"}
