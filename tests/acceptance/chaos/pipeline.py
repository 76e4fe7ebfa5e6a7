"""The pipeline that faults strike: some hundred functions, of every shape.

``python -m tests.acceptance.chaos.pipeline inline 40 /tmp/marks`` prints its value. With ``ray``
some of its functions are standalone ones.
"""

import os
import sys
import time
from pathlib import Path

import sematic

_SECONDS = 0.004  # so short that the next one of a chain goes ahead where they execute apart
_SECONDS_APART = 0.2  # long enough for the tracker actor to be there
_LOST = sematic.RetrySettings(exceptions=(sematic.InfrastructureError,), retries=5)


@sematic.func
def increase(x: int) -> int:
    time.sleep(_SECONDS)
    return x + 1


@sematic.func(standalone=True, retry=_LOST)
def increase_apart(x: int) -> int:
    time.sleep(_SECONDS_APART)
    return x + 1


@sematic.func(retry=_LOST)
def hop(x: int) -> int:
    time.sleep(_SECONDS)
    return x + 1


@sematic.func(cache=True)
def cube(x: int) -> int:
    time.sleep(_SECONDS)
    return x**3


@sematic.func(retry=sematic.RetrySettings(exceptions=(ConnectionError,), retries=2))
def flaky(x: int, marks: str) -> int:
    """Fails until its mark is there, which it leaves when it fails."""
    time.sleep(_SECONDS)
    mark = Path(marks, str(x))
    if not mark.exists():
        mark.touch()
        raise ConnectionError("not the first time")
    return x


@sematic.func
def large(n: int) -> list[int]:
    """A value that needs a file."""
    time.sleep(_SECONDS)
    return list(range(n))


@sematic.func
def total(values: list[int]) -> int:
    return sum(values)


@sematic.func
def chain(x: int, n: int, apart: bool) -> int:
    for _ in range(n):
        x = increase_apart(x) if apart else increase(x)
    return x


@sematic.func
def hops(x: int, n: int, apart: bool) -> int:
    for _ in range(n):
        x = hop(x).set(standalone=apart)
    return x


@sematic.func
def fan_out(n: int, apart: bool) -> list[int]:
    return [increase_apart(i) if apart else increase(i) for i in range(n)]


@sematic.func
def nest(depth: int) -> int:
    return increase(0) if depth == 0 else increase(nest(depth - 1))


@sematic.func
def pipeline(n: int, apart: bool, marks: str) -> int:
    numbers = fan_out(n, apart)
    return total(
        [
            hops(chain(0, n // 4, apart), 4 * n, apart),
            total(numbers),
            total(increase.map(numbers)),
            nest(n // 8),
            *[cube(i % 4) for i in range(n // 4)],
            *[flaky(i, marks) for i in range(n // 8)],
            total(large(3000)),
        ]
    )


def expected(n: int) -> int:
    """The value, computed without sematic."""
    numbers = [i + 1 for i in range(n)]
    return sum(
        [
            n // 4 + 4 * n,
            sum(numbers),
            sum(x + 1 for x in numbers),
            n // 8 + 1,
            *[(i % 4) ** 3 for i in range(n // 4)],
            *range(n // 8),
            sum(range(3000)),
        ]
    )


def main() -> None:
    mode, n, marks = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    os.makedirs(marks, exist_ok=True)
    runner = sematic.LocalRunner(cache_namespace="chaos")
    print(runner.run(pipeline(n, mode == "ray", marks)))


if __name__ == "__main__":
    main()
