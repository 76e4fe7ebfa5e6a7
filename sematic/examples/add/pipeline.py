"""Sums of sums: futures are passed on, taken apart, calculated with and mapped over."""

from dataclasses import dataclass

import sematic


@dataclass(frozen=True)
class Summary:
    """What the pipeline found out about three numbers."""

    total: float
    mean: float
    quotient: int
    remainder: int
    squares: list[int]


@sematic.func
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@sematic.func
def add3(a: float, b: float, c: float) -> float:
    """Add three numbers: a pipeline of its own, that others use like any function."""
    return add(add(a, b), c)


@sematic.func
def divide(a: int, b: int) -> tuple[int, int]:
    """The quotient and the remainder."""
    return divmod(a, b)


@sematic.func
def count_up_to(n: int) -> list[int]:
    """A list whose length nobody knows before the pipeline runs."""
    return list(range(1, n + 1))


@sematic.func
def square(x: int) -> int:
    """The square of a number."""
    return x * x


@sematic.func
def pipeline(a: int, b: int, c: int) -> Summary:
    """Summarise three numbers."""
    total = add3(a, b, c)  # nested: this one call becomes three
    quotient, remainder = divide(a * b, c)  # a future of a tuple is unpacked
    return Summary(
        total=total,
        mean=total / 3,  # arithmetic with futures
        quotient=quotient,
        remainder=remainder,
        squares=square.map(count_up_to(remainder)),  # as many calls as the list has elements
    )
