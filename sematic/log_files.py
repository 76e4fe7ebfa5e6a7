"""Where the output of runs is kept: one file per attempt, made with the first byte."""

from pathlib import Path


def log_path(directory: Path, root_id: str, run_id: str, attempt: int) -> Path:
    """The file of an attempt's output: bytes as they were written, stdout and stderr together."""
    return directory / root_id / f"{run_id}-{attempt}.log"


def has_log(directory: Path, root_id: str, run_id: str) -> bool:
    """Whether a run has printed anything, in whatever attempt."""
    return any((directory / root_id).glob(f"{run_id}-*.log"))
