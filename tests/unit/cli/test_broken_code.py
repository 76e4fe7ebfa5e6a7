"""Commands that need a user's module, where that cannot be imported any more."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.unit.cli import pipelines

Cli = Callable[..., Result]
_FLOW = """\
import sematic

@sematic.func
def broken_flow(x: int) -> int:
    return x
"""


@pytest.fixture
def break_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Adds a line to a module of which a pipeline run is recorded; returns the id of that."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "breaking.py"
    file.write_text(_FLOW)
    run_id = pipelines.run(importlib.import_module("breaking").broken_flow(1))

    def break_it(line: str) -> str:
        file.write_text(_FLOW + line)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "breaking")
        return run_id

    return break_it


_BROKEN = [
    ("def (", "its import fails with SyntaxError: invalid syntax (line 6 of {file})."),
    (
        "raise RuntimeError('at import\\nand more')",
        "its import fails with RuntimeError: at import (line 6 of {file}).",
    ),
    (
        "import sys; sys.exit(7)",
        "its import ends the process, with SystemExit: 7 (line 6 of {file}).",
    ),
    ("import no_such_module", "No module named 'no_such_module'."),
    ("from math import nope", "cannot import name 'nope' from 'math' ("),
]


@pytest.mark.parametrize(("line", "problem"), _BROKEN)
def test_one_line_says_what_is_wrong(
    sematic_cli: Cli,
    break_flow: Callable[[str], str],
    tmp_path: Path,
    line: str,
    problem: str,
) -> None:
    run_id = break_flow(line)
    told = f"Error: Unable to find function breaking.broken_flow: {problem}"
    told = told.format(file=tmp_path / "breaking.py")
    for command in (["rerun", run_id], ["rerun", run_id, "--dry-run"], ["repro", run_id]):
        result = sematic_cli(*command)
        assert result.exit_code == 1
        assert result.stderr.startswith(told)
        assert len(result.stderr.splitlines()) == 1
        advice = "Its code as it was:" if command[0] == "repro" else "Mend that and call this again"
        assert advice in result.stderr
        assert "console" not in result.stderr


def test_more_is_shown_where_it_is_asked_for(
    sematic_cli: Cli, break_flow: Callable[[str], str]
) -> None:
    run_id = break_flow("1 / 0")
    for command in ("rerun", "repro"):
        told = sematic_cli("--verbose", command, run_id).stderr.splitlines()
        assert told[0] == "Traceback (most recent call last):"
        assert told[1].endswith('breaking.py", line 6, in <module>')
        assert "    1 / 0" in told
        assert "ZeroDivisionError: division by zero" in told
