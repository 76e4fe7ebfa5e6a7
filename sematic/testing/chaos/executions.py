"""What was executed, as the executing processes themselves have noted it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a call, whatever the record says about it.

    Attributes:
        root_id: of the pipeline run.
        run_id: of the call's run.
        function: importable path.
        driver: number of the driver that had it executed; the first one is 1.
        pid: process that executed it: the driver's own, or a worker's.
        began_at: seconds since the epoch, UTC.
        ended_at: ``None`` where the process died in it, or it was interrupted.
        failed: whether it ended with an error.
    """

    root_id: str
    run_id: str
    function: str
    driver: int
    pid: int
    began_at: float
    ended_at: float | None = None
    failed: bool = False


def read_executions(log: Path) -> list[Execution]:
    """The executions that a log tells of, in the order in which they began."""
    try:
        text = log.read_text(encoding="utf-8")
    except FileNotFoundError:  # nothing has begun yet
        return []
    # The last one may be half-written at this moment.
    return _parse(line.split("\t") for line in text.split("\n")[:-1])


def _parse(lines: Iterable[list[str]]) -> list[Execution]:
    found: list[Execution] = []
    running: dict[tuple[str, str], int] = {}  # by process and run: the place in ``found``
    for kind, root_id, run_id, function, driver, pid, at in lines:
        key = (pid, run_id)
        if kind == "begin":
            running[key] = len(found)
            found.append(Execution(root_id, run_id, function, int(driver), int(pid), float(at)))
        else:
            place = running.pop(key)
            found[place] = replace(found[place], ended_at=float(at), failed=kind == "fail")
    return found
