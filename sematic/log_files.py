"""Where the output of runs is kept: one file per attempt, made with the first byte."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"([0-9a-f]{32})-([0-9]+)\.log")
_PARTING = (
    b"==> The driver was lost before this execution was recorded; what follows, if anything does, "
    b"is of the next one. <==\n"
)


def log_path(directory: Path, root_id: str, run_id: str, attempt: int) -> Path:
    """The file of an attempt's output: bytes as they were written, stdout and stderr together."""
    return directory / root_id / f"{run_id}-{attempt}.log"


def find_logs(directory: Path) -> list[tuple[str, int, Path]]:
    """The logs in the directory of one pipeline run: of which run and attempt, and where."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:  # nothing was printed yet
        return []
    found = [(name, _NAME.fullmatch(name)) for name in names]
    return [(of[1], int(of[2]), directory / name) for name, of in found if of]


def part_executions(logs: Iterable[Path]) -> None:
    """Add a line to logs: what is printed from now on is of another execution of that attempt."""
    for path in logs:
        with open(path, "r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                file.write((b"" if file.read(1) == b"\n" else b"\n") + _PARTING)


def has_log(directory: Path, root_id: str, run_id: str) -> bool:
    """Whether a run has printed anything, in whatever attempt."""
    return any((directory / root_id).glob(f"{run_id}-*.log"))
