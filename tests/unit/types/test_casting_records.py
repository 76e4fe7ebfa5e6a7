import dataclasses
import functools
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import (
    Any,
    Callable,
    ClassVar,
    Generic,
    List,
    NamedTuple,
    Optional,
    Tuple,
    TypedDict,
    TypeVar,
    Union,
)

import pydantic
import pytest
from typing_extensions import NotRequired, Required

from sematic.errors import CastError
from sematic.types import can_cast_type, cast
from sematic.types.annotations import validate_annotation

T = TypeVar("T")
ROOT = Path(__file__).parents[3]


@dataclass
class Config:
    rate: float
    depth: int = 3
    names: List[str] = field(default_factory=list)


@dataclass
class SubConfig(Config):
    extra: "Optional[int]" = None


@dataclass(frozen=True)
class Frozen:
    rate: float
    names: Tuple[str, ...] = ()


@dataclass(slots=True)
class Slotted:
    rate: float


@dataclass(frozen=True, slots=True)
class FrozenSlotted:
    rate: float


@dataclass
class Other:
    rate: int
    depth: str
    names: Tuple[str, ...]
    more: int = 0


@dataclass
class Checked:
    rate: float
    scale: InitVar[int] = 1
    scaled: float = field(init=False)
    unset: int = field(init=False)
    limit: ClassVar[int] = 10

    def __post_init__(self, scale):
        if self.rate > self.limit:
            raise ValueError(f"{self.rate} is too much")
        self.scaled = self.rate * scale


@dataclass
class Lenient:
    anything: Any
    callback: Callable[[int], int]
    bare: list
    nowhere: "Nowhere"  # noqa: F821  as if it were imported for type checkers only


@dataclass
class Node:
    value: float
    children: "List[Node]" = field(default_factory=list)
    parent: "Optional[Node]" = None


@dataclass
class Box(Generic[T]):
    item: T
    items: List[T] = field(default_factory=list)


@dataclass
class IntBox(Box[int]):
    pass


@dataclass
class Narrowed(Config):
    rate: int  # type: ignore[assignment]


@dataclass
class Undone(Config):
    rate: str  # type: ignore[assignment]


class Point(NamedTuple):
    x: int
    y: "float" = 0.0


class SubPoint(Point):
    pass


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


class LooseOptions(TypedDict, total=False):
    depth: Required[int]
    name: "str"


class Model(pydantic.BaseModel):
    rate: float
    names: List[str] = []


class SubModel(Model):
    extra: int = 0


def error(value, type_) -> str:
    with pytest.raises(CastError) as caught:
        cast(value, type_)
    return str(caught.value)


@pytest.mark.parametrize(
    "value",
    [Config(0.5, 3, []), Frozen(0.5, ("a",)), Slotted(0.5), FrozenSlotted(0.5), IntBox(1)],
)
def test_an_instance_that_fits_is_equal_and_of_its_class(value):
    result = cast(value, type(value))
    assert result == value
    assert type(result) is type(value)


def test_an_instance_none_of_whose_fields_change_is_returned_as_it_is():
    for value in [Frozen(0.5, ("a",)), Slotted(0.5), FrozenSlotted(0.5)]:
        assert cast(value, type(value)) is value


@pytest.mark.parametrize("cls", [Frozen, Slotted, FrozenSlotted])
def test_fields_are_cast_in_a_copy(cls):
    value = cls(1)
    result = cast(value, cls)
    assert result == cls(1.0)
    assert type(result.rate) is float
    assert type(value.rate) is int


def test_the_callers_containers_in_fields_are_not_shared():
    value = Config(0.5, names=["a"])
    result = cast(value, Config)
    assert result.names == ["a"]
    assert result.names is not value.names


@pytest.mark.parametrize("cls", [Config, Frozen, Slotted, FrozenSlotted])
def test_a_wrong_field_does_not_pass(cls):
    value = cls("abc")
    assert error(value, cls) == (
        f"Cannot cast field 'rate' of {value!r} to {cls!r}: Cannot cast 'abc' to <class 'float'>"
    )
    with pytest.raises(CastError):
        cast([value], List[cls])
    with pytest.raises(CastError):
        cast(value, Optional[cls])


def test_a_field_that_is_gone():
    value = Config(0.5)
    del value.rate
    assert error(value, Config).endswith("Field 'rate' is missing")


def test_subclasses_are_kept_with_the_fields_of_their_own():
    result = cast(SubConfig(1, extra=2), Config)
    assert type(result) is SubConfig
    assert dataclasses.asdict(result) == {"rate": 1.0, "depth": 3, "names": [], "extra": 2}
    assert "Cannot cast field 'extra'" in error(SubConfig(0.5, extra="x"), Config)


def test_subclasses_that_change_the_type_of_a_field():
    result = cast(Narrowed(1), Config)
    assert type(result) is Narrowed
    assert type(result.rate) is int
    assert "Cannot cast field 'rate'" in error(Undone("abc"), Config)


def test_mappings_become_dataclasses_with_defaults():
    assert cast({"rate": "0.5"}, Config) == Config(0.5)
    assert cast({"rate": 1, "names": ("a",)}, Config) == Config(1.0, 3, ["a"])
    assert cast({"rate": 1}, Frozen) == Frozen(1.0)
    assert cast({"value": 1, "children": [{"value": 2}]}, Node) == Node(1.0, [Node(2.0)])
    assert cast([{"rate": 1}], List[Union[int, Frozen]]) == [Frozen(1.0)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"depth": 1}, "Cannot cast {'depth': 1} to {cls}: Field 'rate' is missing"),
        (
            {"rate": 1, "dept": 1},
            "Cannot cast {'rate': 1, 'dept': 1} to {cls}: There is no field 'dept'",
        ),
        (
            {"rate": "x"},
            "Cannot cast field 'rate' of {'rate': 'x'} to {cls}: "
            "Cannot cast 'x' to <class 'float'>",
        ),
        (3, "Cannot cast 3 to {cls}"),
        ([("rate", 1)], "Cannot cast [('rate', 1)] to {cls}"),
        (None, "Cannot cast None to {cls}"),
    ],
)
def test_what_is_no_dataclass(value, message):
    assert error(value, Config) == message.replace("{cls}", repr(Config))


def test_another_dataclass_with_all_the_fields():
    assert cast(Other(1, "2", ("a",)), Config) == Config(1.0, 2, ["a"])
    assert "Field 'depth' is missing" in error(Frozen(0.5), Config)


def test_what_the_class_itself_does():
    value = cast({"rate": 2, "scale": 3}, Checked)
    assert (value.rate, value.scaled) == (2.0, 6.0)
    assert not hasattr(cast(value, Checked), "unset")
    assert cast(value, Checked).scaled == 6.0
    value.unset = "x"
    assert "Cannot cast field 'unset'" in error(value, Checked)
    assert error({"rate": 11}, Checked).endswith("ValueError: 11.0 is too much")
    assert "There is no field 'scaled'" in error({"rate": 1, "scaled": 1.0}, Checked)


def test_fields_that_cannot_be_checked_take_anything():
    value = Lenient(1, len, [1, "a"], object())
    assert cast(value, Lenient).nowhere is value.nowhere
    assert "Cannot cast field 'callback'" in error(Lenient(1, 2, [], 3), Lenient)
    assert "Cannot cast field 'bare'" in error(Lenient(1, len, "a", 3), Lenient)


def test_fields_may_name_classes_that_are_defined_later():
    @dataclass
    class Outer:
        inner: "Inner"

    def use():
        return cast(Outer(Inner(1)), Outer)

    @dataclass
    class Inner:
        rate: float

    assert type(use().inner.rate) is float


def test_generic_dataclasses():
    assert cast(Box("1", ["2"]), Box[int]) == Box(1, [2])
    assert cast(Box("1"), Box) == Box("1")
    assert cast(IntBox(1.0), Box[int]) == IntBox(1)
    assert cast({"item": [1.0]}, Box[List[int]]) == Box([1])
    assert "Cannot cast field 'item'" in error(IntBox("x"), IntBox)
    assert "Cannot cast 'x' to <class 'int'>" in error(Box(1, ["x"]), Box[int])


def test_recursive_values():
    node = Node(1, [Node(2, [Node(3)])])
    assert cast(node, Node).children[0].children[0].value == 3.0
    chain = functools.reduce(lambda inner, _: Node(1.0, [inner]), range(50), Node(1.0))
    assert cast(chain, Node) == chain


def test_values_that_contain_themselves():
    node = Node(1.0)
    node.children.append(node)
    assert error(node, Node).endswith("it is nested too deeply, or contains itself")
    assert error([node], List[Node]).endswith("it is nested too deeply, or contains itself")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs the type statement of Python 3.12")
def test_recursive_aliases():
    names = {}
    exec("type Json = int | None | list[Json] | dict[str, Json]", names)
    json = names["Json"]
    result = cast({"a": [1, None, {"b": 2.0}]}, json)
    assert result == {"a": [1, None, {"b": 2}]}
    assert type(result["a"][2]["b"]) is int
    assert "does not match any of" in error({"a": [1, {"b": "x"}]}, json)
    validate_annotation(json)
    assert can_cast_type(list[json], json) == (True, None)
    assert can_cast_type(list[float], json)[0] is False


def test_named_tuples():
    result = cast(Point(1.0, 2), Point)
    assert result == Point(1, 2.0)
    assert type(result) is Point
    assert type(cast(SubPoint(1.0), Point)) is SubPoint
    unchanged = Point(1, 2.0)
    assert cast(unchanged, Point) is unchanged
    assert "Cannot cast field 'x' of Point(x='a', y=0.0)" in error(Point("a"), Point)
    assert error((1, 2.0), Point) == f"Cannot cast (1, 2.0) to {Point!r}"
    assert cast(Point(1, 2.0), Union[Tuple[int, float], Point]) == unchanged
    assert type(cast(Point(1, 2.0), Union[Tuple[int, float], Point])) is Point


@pytest.mark.parametrize("type_", [Options, LooseOptions])
def test_typed_dicts(type_):
    value = {"depth": "3", "other": [1]}
    assert cast(value, type_) == {"depth": 3, "other": [1]}
    assert value["depth"] == "3"
    assert cast({"depth": 1, "name": "a"}, type_) == {"depth": 1, "name": "a"}
    assert "Field 'depth' is missing" in error({"name": "a"}, type_)
    assert "Cannot cast field 'name'" in error({"depth": 1, "name": 2}, type_)
    assert "3 is no name of a field" in error({"depth": 1, 3: 2}, type_)
    assert "[] is not a mapping" in error([], type_)


def test_pydantic_models():
    model = Model(rate=0.5)
    assert cast(model, Model) == model
    sub = SubModel(rate=0.5)
    assert cast(sub, Model) == sub
    assert cast({"rate": 0.5, "names": ["a"]}, Model) == Model(rate=0.5, names=["a"])
    assert cast([{"rate": 0.5}], List[Optional[Model]]) == [model]
    assert error({"rate": "0.5"}, Model).endswith("rate: Input should be a valid number")
    assert error({}, Model).endswith("rate: Field required")
    assert error(3, Model) == f"Cannot cast 3 to {Model!r}"
    assert "Cannot cast" in error(model, SubModel)


def test_pydantic_is_not_imported():
    code = (
        "import sys, dataclasses\n"
        "from typing import *\n"
        "from sematic.types import cast, can_cast_type, describe_type\n"
        "A = dataclasses.make_dataclass('A', [('a', int)])\n"
        "cast({'a': 1}, A); cast([1], List[float]); can_cast_type(A, List[int])\n"
        "describe_type(Optional[A])\n"
        "heavy = {'pydantic', 'numpy', 'pandas', 'ray', 'pyarrow', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"


def test_any_mapping_becomes_a_dataclass():
    class Settings(Mapping):
        def __getitem__(self, key):
            return {"rate": 1}[key]

        def __iter__(self):
            return iter(["rate"])

        def __len__(self):
            return 1

    assert cast(Settings(), Config) == Config(1.0)
