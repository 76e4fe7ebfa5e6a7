"""A script whose functions and classes are in ``__main__``: no worker can import them."""

import enum
import json
import sys
import traceback
from dataclasses import dataclass
from typing import Any

import sematic
from sematic.ray_backend.cluster import LocalRay


@dataclass
class Config:
    size: int
    names: "list[str]"


class Colour(enum.Enum):
    RED = 1


class Plain:
    """Without annotations, so that it travels as a pickle."""

    def __init__(self, number: int) -> None:
        self.number = number


class ScriptError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


OFFSET = 100


@sematic.func(standalone=True)
def change(config: "Config") -> "Config":
    assert type(config) is Config
    return Config(config.size + OFFSET, [*config.names, sematic.context().run_id])


@sematic.func(standalone=True)
def paint(colour: Colour, plain: Plain) -> Plain:
    assert isinstance(plain, Plain)
    assert colour is Colour.RED
    return Plain(plain.number + 1)


@sematic.func(standalone=True)
def keep(plain: Plain) -> Plain:
    return plain


@sematic.func(standalone=True)
def fibonacci(n: int) -> int:
    return n if n < 2 else add(fibonacci(n - 1), fibonacci(n - 2))


@sematic.func(standalone=True)
def add(a: int, b: int) -> int:
    return a + b


@sematic.func(standalone=True)
def is_even(n: int) -> bool:
    return True if n == 0 else is_odd(n - 1)


@sematic.func(standalone=True)
def is_odd(n: int) -> bool:
    return False if n == 0 else is_even(n - 1)


@sematic.func(standalone=True)
def listed(n: int) -> list[int]:
    return list(range(n))


@sematic.func(standalone=True)
def mapped(n: int) -> list[int]:
    return add.map(listed(n), b=1)


@sematic.func(standalone=True)
def fail(code: int) -> int:
    raise ScriptError(code)


@sematic.func(standalone=True)
def nested(config: Config) -> Config:
    return change(change(config))


CELL = """
import sematic

class Cell:
    def __init__(self, text: str) -> None:
        self.text = text

@sematic.func(standalone=True)
def upper(cell: Cell) -> Cell:
    return Cell(cell.text.upper())

@sematic.func(standalone=True)
def cell_pipeline(cell: "Cell") -> "Cell":
    return upper(cell)
"""


def main() -> None:
    run = sematic.LocalRunner(progress="off").run
    found: dict[str, Any] = {}
    config = run(nested(Config(1, ["a"])))
    found["dataclass"] = [type(config) is Config, config.size, len(config.names)]
    plain = run(keep(Plain(1)))
    found["class"] = [type(plain) is Plain, plain.number]
    painted = run(paint(Colour.RED, Plain(1)))
    found["enum and class"] = [type(painted) is Plain, painted.number]
    found["recursion"] = run(fibonacci(4))
    found["mutual recursion"] = run(is_even(5))
    found["map"] = run(mapped(3))
    try:
        run(fail(7))
    except sematic.PipelineRunError as error:
        cause = error.__cause__
        found["exception"] = [type(cause) is ScriptError, getattr(cause, "code", None)]
        found["traceback"] = "".join(traceback.format_exception(error))
    exec(compile(CELL, "<cell 1>", "exec"), sys.modules["__main__"].__dict__)
    cell = run(sys.modules["__main__"].cell_pipeline(sys.modules["__main__"].Cell("x")))
    found["notebook cell"] = [type(cell) is sys.modules["__main__"].Cell, cell.text]
    found["path"] = change.path
    print(json.dumps(found))


if __name__ == "__main__":
    session = LocalRay()
    session.enter()
    try:
        main()
    finally:
        session.leave()
