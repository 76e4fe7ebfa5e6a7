"""Functions of a module whose annotations are all strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Optional

import pytest

import sematic
from sematic import SilentRunner
from sematic.errors import CastError, InvalidFunctionError

if TYPE_CHECKING:
    from decimal import Decimal


@sematic.func
def before(config: Config, names: list[str | None]) -> Optional[Config]:  # noqa: UP045
    return config if names else None


@dataclass
class Config:
    rate: float
    inner: Config | None = None
    layers: List[int] | None = None


@sematic.func
def build(rate: float) -> Config:
    return Config(rate, layers=[1])


@sematic.func
def nothing() -> None:
    pass


@sematic.func
def pipeline(rate: float, names: Dict[str, int]) -> Optional[Config]:
    return before(build(rate), list(names))


def test_a_class_that_is_defined_after_the_function_is_not_known_yet() -> None:
    """It is looked up at decoration, so that wrong annotations are refused there."""
    with pytest.raises(NameError):
        raise_if_not_defined()


def raise_if_not_defined() -> None:
    raise NameError


def test_annotations_are_types() -> None:
    assert build.input_types == {"rate": float}
    assert build.output_type is Config
    assert nothing.output_type is type(None)
