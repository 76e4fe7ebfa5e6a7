"""The pipelines that are measured: trivial functions in four shapes, ``size`` of them in all."""

from typing import Any

import sematic


@sematic.func
def increase(x: int) -> int:
    """Trivial on purpose: what is measured is what is around it."""
    return x + 1


@sematic.func
def chain(size: int) -> int:
    """Each function waits for the one before."""
    x = 0
    for _ in range(size - 1):
        x = increase(x)
    return x


@sematic.func
def fan_out(size: int) -> list[int]:
    """No function waits for another."""
    return [increase(i) for i in range(size - 1)]


@sematic.func
def nest(size: int) -> int:
    """Each function is nested in the one before."""
    return 0 if size == 1 else nest(size - 1)


@sematic.func
def branch(size: int) -> list[int]:
    """A tree: a function expands to two trees of half the size, down to single functions."""
    if size <= 4:
        return [increase(i) for i in range(size - 1)]
    left = (size - 2) // 2
    both: list[int] = join(branch(left), branch(size - 2 - left))
    return both


@sematic.func
def join(left: list[int], right: list[int]) -> list[int]:
    """The sums of two trees: as short as they are, so that lists do not grow on their way."""
    return [sum(left), sum(right)]


SHAPES: dict[str, sematic.Function[..., Any]] = {
    "chain": chain,
    "fan-out": fan_out,
    "nested": nest,
    "tree": branch,
}
"""By name."""
