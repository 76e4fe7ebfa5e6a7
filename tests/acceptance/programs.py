"""Python programs that run in processes of their own, as users start them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SECONDS = 600


def run_python(*arguments: str, cwd: Path | None = None, code: int = 0) -> str:
    """What ``python`` with these arguments prints; it must end with this exit code."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def run_sematic(*arguments: str, cwd: Path | None = None, code: int = 0) -> str:
    """What the command line prints."""
    program = "from sematic.cli import main; main()"
    return run_python("-c", program, *arguments, cwd=cwd, code=code)


def _environment() -> dict[str, str]:
    """The test's environment, in which this clone is importable from everywhere."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
