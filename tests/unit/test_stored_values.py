"""What cannot be stored: the error names the function, and the argument."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import sematic
from sematic import LocalRunner, Runner, SilentRunner
from sematic.errors import UnserializableValueError

RUNNERS = [SilentRunner, lambda: LocalRunner(progress="off")]


@dataclass
class Config:
    rate: float = 0.5

    @property
    def lock(self) -> object:
        return threading.Lock()


@dataclass
class Guarded:
    lock: object = field(default_factory=threading.Lock)


@sematic.func
def config() -> Config:
    return Config()


@sematic.func
def use(rate: float, guard: object) -> float:
    return rate


@sematic.func
def make_guard() -> object:
    return Guarded()


@sematic.func
def guard_and_future() -> object:
    return [config(), Guarded()]


@sematic.func
def computed_output() -> object:
    return config().lock


@sematic.func
def wrong_argument() -> float:
    return use(0.5, Guarded())


@sematic.func
def wrong_part_of_an_argument() -> float:
    return use(0.5, [config(), Guarded()])


@sematic.func
def computed_argument() -> float:
    return use(0.5, config().lock)


PIPELINES: dict[Any, str] = {
    make_guard: f"The output of '{__name__}.make_guard'",
    guard_and_future: f"The output of '{__name__}.guard_and_future'",
    computed_output: f"The output of '{__name__}.computed_output'",
    wrong_argument: f"Argument 'guard' of '{__name__}.use'",
    wrong_part_of_an_argument: f"Argument 'guard' of '{__name__}.use'",
    computed_argument: f"Argument 'guard' of '{__name__}.use'",
}


@pytest.mark.parametrize("build", RUNNERS)
@pytest.mark.parametrize("pipeline", PIPELINES, ids=repr)
def test_the_error_names_whose_value_it_is(build: Callable[[], Runner], pipeline) -> None:
    with pytest.raises(sematic.PipelineRunError) as caught:
        build().run(pipeline())
    error = caught.value.__cause__
    assert isinstance(error, UnserializableValueError)
    assert str(error).startswith(PIPELINES[pipeline] + ": ")
    assert "lock" in str(error)


@pytest.mark.parametrize("build", RUNNERS)
def test_an_argument_of_the_root(build: Callable[[], Runner]) -> None:
    with pytest.raises(UnserializableValueError, match=f"^Argument 'guard' of '{__name__}.use': "):
        build().run(use(0.5, Guarded()))
