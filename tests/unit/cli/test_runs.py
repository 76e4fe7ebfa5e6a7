"""``sematic runs``."""

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import sematic
from tests.acceptance.programs import ROOT
from tests.terminal import Terminal
from tests.unit.cli import pipelines
from tests.unit.cli.conftest import iter_ids

Cli = Callable[..., Result]


@sematic.func(retry=sematic.RetrySettings(exceptions=(ValueError,), retries=1))
def fail(i: int) -> int:
    raise ValueError(f"no luck {i}")


@sematic.func
def many_fail() -> list[int]:
    return [fail(i) for i in range(5)]


PROGRAM = "from sematic.cli import main; main(prog_name='sematic')"


def test_without_a_record_it_says_what_to_do(sematic_cli: Cli, config_directory: Path) -> None:
    result = sematic_cli("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("No runs yet. Run a pipeline")
    assert "sematic run examples/add" in result.stderr
    assert not config_directory.exists()


def test_table_in_a_pipe(sematic_cli: Cli, complete_id: str, failed_id: str) -> None:
    title, failed, complete = sematic_cli("runs").stdout.splitlines()
    assert title.split() == ["ID", "NAME", "STATUS", "STARTED", "TOOK", "RUNS"]
    assert failed.split()[:4] == [failed_id, "broken", "✗", "FAILED"]
    assert failed.endswith("1 done, 1 failed, 1 nested failed")
    assert complete.split()[:4] == [complete_id, "add_up", "✓", "COMPLETE"]
    assert complete.endswith("4 done")
    assert "\x1b" not in failed


def test_limit_status_and_name(sematic_cli: Cli, complete_id: str, failed_id: str) -> None:
    def ids(*options: str) -> list[str]:
        return [line.split()[0] for line in sematic_cli("runs", *options).stdout.splitlines()[1:]]

    assert ids("--limit", "1") == [failed_id]
    assert ids("--status", "complete") == [complete_id]
    assert ids("--status", "complete", "--status", "failed") == [failed_id, complete_id]
    assert ids("--name", "ADD") == [complete_id]
    assert ids("--status", "lost") == []
    assert sematic_cli("runs", "--status", "lost").stderr.startswith("No pipeline run is like that")
    assert sematic_cli("runs", "--status", "odd").exit_code == 2


def test_json(sematic_cli: Cli, complete_id: str, failed_id: str) -> None:
    failed, complete = json.loads(sematic_cli("runs", "--json").stdout)
    assert (failed["id"], failed["status"]) == (failed_id, "FAILED")
    assert failed["reason"] == "division by zero"
    *_, divide_id = iter_ids(sematic_cli("show", failed_id).stdout)
    assert failed["error"] == {
        "type": "builtins.ZeroDivisionError",
        "message": "division by zero",
        "run_id": divide_id,
        "run_name": "divide",
    }
    assert (complete["id"], complete["name"]) == (complete_id, "add_up")
    assert complete["function"] == f"{pipelines.__name__}.add_up"
    assert complete["runs"] == {"RESOLVED": 4}
    assert not complete["driver_lost"]
    assert complete["created_at"] < complete["ended_at"]
    assert (complete["error"], complete["reason"]) == (None, None)
    assert complete["driver"] == {"host": socket.gethostname(), "pid": os.getpid()}
    assert json.loads(sematic_cli("runs", "--json", "--name", "nothing").stdout) == []


def test_json_has_every_key_that_is_promised(
    sematic_cli: Cli, complete_id: str, failed_id: str, lost_id: str
) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    table = page.partition("## JSON")[2].partition("##")[0]
    promised = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    for run in json.loads(sematic_cli("runs", "--json").stdout):
        assert list(run) == promised


def test_the_error_is_that_of_the_run_that_failed_first(sematic_cli: Cli) -> None:
    """As in the exception that the script sees, however many fail after it."""
    with pytest.raises(sematic.PipelineRunError) as caught:
        sematic.LocalRunner(progress="off").run(many_fail())
    (run,) = json.loads(sematic_cli("runs", "--json").stdout)
    assert run["error"]["run_id"] == caught.value.run_id
    assert run["error"]["message"] == run["reason"] == str(caught.value.__cause__)


def test_on_a_terminal(complete_id: str) -> None:
    terminal = Terminal(["-c", PROGRAM, "runs"], columns=80)
    assert terminal.wait() == 0
    _, line = terminal.screen.lines
    assert line.split()[:4] == [complete_id[:8], "add_up", "✓", "COMPLETE"]
    assert "\x1b[32m" in terminal.written  # green


def test_on_a_narrow_terminal(complete_id: str) -> None:
    terminal = Terminal(["-c", PROGRAM, "runs"], columns=34)
    assert terminal.wait() == 0
    assert [line.split() for line in terminal.screen.lines] == [
        ["ID", "NAME", "STATUS"],
        [complete_id[:8], "add_up", "✓", "COMPLETE"],
    ]


def test_without_unicode(complete_id: str, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    terminal = Terminal([*sys.flags.utf8_mode * ["-X", "utf8=0"], "-c", PROGRAM, "runs"])
    assert terminal.wait() == 0
    assert "+ COMPLETE" in terminal.screen.lines[1]
