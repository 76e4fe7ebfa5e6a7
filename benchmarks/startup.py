"""What starting costs: the import, and a hello-world script from start to exit."""

import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_ROUNDS = 9
_IMPORT = """
import time
start = time.perf_counter()
import sematic
print(time.perf_counter() - start)
"""
_HELLO = """
import sematic

@sematic.func
def hello(name: str) -> str:
    return "Hello, " + name

@sematic.func
def pipeline(name: str) -> str:
    return hello(name)

if __name__ == "__main__":
    print(sematic.{runner}().run(pipeline("world")))
"""


def measure() -> Iterator[Row]:
    """The rows of the table. Modules are compiled and in the disk cache: each part runs before."""
    with temporary_record() as directory:
        yield _row("import sematic", 0.3, _median(lambda: float(_run("-c", _IMPORT))))
        for runner, most in (("LocalRunner", 1.0), ("SilentRunner", None)):
            script = Path(directory.parent, f"{runner}.py")
            script.write_text(_HELLO.format(runner=runner), encoding="utf-8")
            taken = _median(functools.partial(_time_script, script))
            yield _row(f"hello world with {runner}, start to exit", most, taken)


def _row(what: str, most: float | None, taken: float) -> Row:
    if most is None:
        return Row(what, f"{taken:.3f} s")
    return Row(f"{what}: under {most} s", f"{taken:.3f} s", taken < most)


def _median(measure_once: Callable[[], float]) -> float:
    measure_once()
    return statistics.median(measure_once() for _ in range(_ROUNDS))


def _time_script(script: Path) -> float:
    start = time.perf_counter()
    assert _run(str(script)) == "Hello, world\n"
    return time.perf_counter() - start


def _run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    print_table(measure())
