"""How long it takes to cancel standalone functions: from the request to the end of the run.

By then their processes have ended, and so has the Ray that was started for them.
"""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table
from sematic.tracking.processes import start_time

_CALLS = 20
_MOST_SECONDS = 3.0
_SMALL = sematic.ResourceRequirements(
    kubernetes=sematic.KubernetesResourceRequirements(requests={"cpu": "50m"})
)


@sematic.func(standalone=True, resource_requirements=_SMALL)
def sleep(kind: str, directory: str) -> int:
    """Leaves its process id as the name of a file, and sleeps."""
    Path(directory, str(os.getpid())).touch()
    if kind == "asleep in C code":
        time.sleep(600)
    if kind == "in C code that nothing reaches":
        os.system("sleep 600")
    while True:
        time.sleep(0.01)


@sematic.func
def sleepers(kind: str, directory: str) -> list[int]:
    """All at the same time."""
    return [sleep(kind, directory) for _ in range(_CALLS)]


def measure() -> Iterator[Row]:
    """One row for each way to be busy."""
    with temporary_record():
        for kind in ("asleep in Python", "asleep in C code", "in C code that nothing reaches"):
            yield _measure(kind)


def _measure(kind: str) -> Row:
    with tempfile.TemporaryDirectory() as directory:
        requested: list[float] = []
        thread = threading.Thread(target=_cancel, args=(directory, requested), daemon=True)
        thread.start()
        try:
            sematic.LocalRunner().run(sleepers(kind, directory))
        except sematic.CancellationError:
            seconds = time.perf_counter() - requested[0]
        left = sum(start_time(int(pid)) is not None for pid in os.listdir(directory))
    asked = f"cancel of {_CALLS} running, {kind}: {_MOST_SECONDS:g} s"
    return Row(
        asked, f"{seconds:.2f} s, {left} processes left", seconds < _MOST_SECONDS and not left
    )


def _cancel(directory: str, requested: list[float]) -> None:
    """Once all of them execute."""
    while len(os.listdir(directory)) < _CALLS:
        time.sleep(0.05)
    time.sleep(0.5)
    requested.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    print_table(measure())
