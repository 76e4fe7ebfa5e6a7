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


@dataclass
class Config:
    rate: float
    inner: Config | None = None
    layers: List[int] | None = None


@sematic.func
def build(rate: float) -> Config:
    return Config(rate, layers=[1])


@sematic.func
def first(config: Config, names: list[str | None]) -> Optional[Config]:
    return config if names else None


@sematic.func
def nothing() -> None:
    pass


@sematic.func
def pipeline(rate: float, names: Dict[str, int]) -> Optional[Config]:
    return first(build(rate), list(names))


def test_annotations_are_types() -> None:
    assert build.input_types == {"rate": float}
    assert build.output_type is Config
    assert first.input_types == {"config": Config, "names": list[str | None]}
    assert first.output_type == Optional[Config]
    assert nothing.output_type is type(None)


def test_they_run() -> None:
    assert SilentRunner().run(pipeline(0.5, {"a": 1})) == Config(0.5, layers=[1])
    assert SilentRunner().run(pipeline(0.5, {})) is None


def test_values_are_checked() -> None:
    with pytest.raises(CastError, match="argument 'names'"):
        pipeline(0.5, {"a": "b"})  # type: ignore[dict-item]
    with pytest.raises(CastError, match="argument 'config'"):
        first(build, [])  # type: ignore[arg-type]


def test_fields_of_futures_have_their_types() -> None:
    assert build(1).rate._type is float
    with pytest.raises(CastError):
        build(build(1).layers)


def test_a_class_of_the_function_around() -> None:
    @dataclass
    class Local:
        value: int

    @sematic.func
    def make(value: int) -> Local:
        return Local(value)

    @sematic.func
    def read(local: Local) -> int:
        return local.value

    @sematic.func
    def both() -> int:
        return read(make(3))

    assert make.output_type is Local
    assert SilentRunner().run(both()) == 3


def test_a_class_that_is_defined_after_the_function_is_refused() -> None:
    def early(x: Late) -> None: ...

    with pytest.raises(InvalidFunctionError, match="Define or import what it names before the"):
        sematic.func(early)

    class Late:
        pass

    assert sematic.func(early).input_types == {"x": Late}


def test_a_class_that_is_there_for_type_checkers_only_is_refused() -> None:
    def f(x: Decimal) -> None: ...

    with pytest.raises(InvalidFunctionError, match="not only under `if TYPE_CHECKING:`"):
        sematic.func(f)


def test_missing_return_annotations_are_found_here_too() -> None:
    def f(x: int):
        return x

    with pytest.raises(InvalidFunctionError, match="has no return annotation"):
        sematic.func(f)
