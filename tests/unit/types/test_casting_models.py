"""Instances of pydantic models are looked into, as pydantic does not."""

import enum
from collections.abc import Callable, Iterable
from datetime import date
from typing import Annotated, Any, Generic, Optional, TypeVar

import pydantic
import pytest

from sematic.errors import CastError
from sematic.types import cast

T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"


class Inner(pydantic.BaseModel):
    number: int = 0


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    rate: float
    names: list[str] = []
    inner: Inner = Inner()
    color: Color = Color.RED
    maybe: Optional[dict[str, int]] = None


class SubModel(Model):
    extra_field: int = 0


class Tree(pydantic.BaseModel):
    children: "list[Tree]" = []


class Box(pydantic.BaseModel, Generic[T]):
    item: T


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)

    items: list[int]
    _note: str = pydantic.PrivateAttr("")


def _assigned(model: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(model, name, value)
    return model


def _appended() -> Model:
    model = Model(rate=1.0)
    model.names.append(3)  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Model.model_construct(rate="fast"), "rate"),
        (_assigned(Model(rate=1.0), rate="fast"), "rate"),
        (_assigned(Model(rate=1.0), color="red"), "color"),
        (_assigned(Model(rate=1.0), maybe={"a": "b"}), "maybe"),
        (_assigned(SubModel(rate=1.0), extra_field="x"), "extra_field"),
        (_appended(), "names"),
        (Model(rate=1.0, inner=Inner.model_construct(number="x")), "number"),
        (Tree.model_construct(children=[Tree(), 3]), "children"),
        (Box[int].model_construct(item="x"), "item"),
        (Numbers.model_construct(["x"]), "root"),
    ],
)
def test_an_instance_with_a_wrong_field_does_not_pass(value: Any, field: str) -> None:
    with pytest.raises(CastError, match=f"Cannot cast field '{field}' of"):
        cast(value, type(value))


def test_an_instance_without_a_field_does_not_pass() -> None:
    with pytest.raises(CastError, match="Field 'rate' is missing"):
        cast(Model.model_construct(), Model)


def test_the_subclass_of_an_instance_counts() -> None:
    value = _assigned(SubModel(rate=1.0), extra_field="x")
    with pytest.raises(CastError, match="extra_field"):
        cast(value, Model)
    assert type(cast(SubModel(rate=1.0), Model)) is SubModel


def test_fields_are_cast_in_a_copy_with_all_else_as_it_was() -> None:
    value = Frozen.model_construct(items=(1, 2))
    value._note = "private"
    result = cast(value, Frozen)
    assert (result.items, value.items, result._note) == ([1, 2], (1, 2), "private")
    result = cast(Model(rate=0.5, other=3), Model)
    assert result == Model(rate=0.5, other=3)
    assert result.model_fields_set == {"rate", "other"}
    assert result.model_extra == {"other": 3}


class Lenient(pydantic.BaseModel):
    """What pydantic makes of these is nothing that the annotations say, or nobody's business."""

    model_config = pydantic.ConfigDict(use_enum_values=True)

    color: Color = Color.RED
    day: pydantic.PastDate = date(2020, 1, 1)
    url: pydantic.HttpUrl = pydantic.HttpUrl("https://example.com")
    numbers: pydantic.Json[list[int]] = []
    text: Annotated[int, pydantic.AfterValidator(str)] = 1
    anything: Any = None
    function: Callable[[int], int] = abs
    stream: Iterable[int] = ()
    count: str = None
    half: float = 1
    own: int = 0
    late: int = 0

    @pydantic.field_validator("own", mode="wrap")
    @classmethod
    def decide(cls, value: Any, handler: Any) -> Any:
        return str(value)

    @pydantic.field_validator("late", mode="before")
    @classmethod
    def measure(cls, value: str) -> int:
        return len(value)


def test_instances_that_pydantic_made_pass() -> None:
    given = {"color": "r", "day": "2020-01-01", "url": "https://a.example", "numbers": "[1]"}
    value = Lenient(**given, text="3", stream=[1], own=3, late="abc", function=len)
    assert cast(value, Lenient) is value
    assert cast(Lenient(), Lenient) == Lenient()
    assert cast(Box(item="anything"), Box) == Box(item="anything")
