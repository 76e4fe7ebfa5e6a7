"""Pipelines for tests of the command line."""

from contextlib import suppress
from dataclasses import dataclass, field

import sematic
from sematic.future import Future


@dataclass(frozen=True)
class Config:
    """A value that is a class."""

    rate: float = 0.5
    names: list[str] = field(default_factory=lambda: ["a", "b"])


@sematic.func
def add(a: int, b: int) -> int:
    print(f"adding {a} and {b}")
    return a + b


@sematic.func
def total(numbers: list[int]) -> int:
    return sum(numbers)


@sematic.func
def add_up(count: int, config: Config) -> int:
    print("adding up")
    return total([add(number, 1) for number in range(count)])


@sematic.func
def divide(a: int, b: int) -> float:
    print("about to divide")
    return a / b


@sematic.func
def broken() -> float:
    return divide(add(1, 2), 0)


@sematic.func(cache=True)
def remember(x: int) -> int:
    return x


@sematic.func
def remembering(x: int) -> int:
    return remember(x)


@sematic.func
def greeting() -> str:
    return "hello\nworld"


@sematic.func
def data() -> bytes:
    return bytes(range(256)) * 400


def run(future: Future) -> str:
    """Run a pipeline, show nothing, and return its id."""
    with suppress(sematic.PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    return future.id
