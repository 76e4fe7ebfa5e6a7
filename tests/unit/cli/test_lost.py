"""What commands show of a pipeline run whose process was killed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from sematic.log_files import log_path
from tests.recorded import execute
from tests.unit.cli.conftest import iter_ids

Cli = Callable[..., Result]


def test_runs(sematic_cli: Cli, lost_id: str) -> None:
    line = sematic_cli("runs", "--status", "lost").stdout.splitlines()[1]
    assert line.split()[:5] == [lost_id, "pipeline", "!", "DRIVER", "LOST"]
    assert line.endswith("3 unfinished")
    (row,) = json.loads(sematic_cli("runs", "--json").stdout)
    assert (row["status"], row["driver_lost"]) == ("RUNNING", True)


def test_show(sematic_cli: Cli, lost_id: str) -> None:
    output = sematic_cli("show", lost_id).stdout
    assert output.startswith("! pipeline  DRIVER LOST after ")
    assert ", which drove it, is gone; last heard of " in output
    assert "running" not in output
    assert [line.split()[-1] for line in output.splitlines()[-3:]] == ["unfinished"] * 3


@pytest.mark.parametrize("command", [("cancel",), ("clean", "--yes")])
def test_how_long_it_took_is_not_known_when_it_was_ended_later(
    sematic_cli: Cli, lost_id: str, command: tuple[str, ...]
) -> None:
    """Not as long as it was lost: that may be days."""
    done = [lost_id] if command == ("cancel",) else []
    assert sematic_cli(*command, *done).exit_code == 0
    headline, *lines = sematic_cli("show", lost_id).stdout.splitlines()
    assert headline.split()[1:] == ["pipeline", headline.split()[-1]]
    assert not [line for line in lines[-3:] if " s " in f"{line} " or " ms" in line]
    (row,) = sematic_cli("runs").stdout.splitlines()[1:]
    assert row.split()[7].startswith(("failed", "canceled")), "a time is in between"
    for id_ in iter_ids("\n".join(lines[-3:])):
        assert " in " not in sematic_cli("show", id_).stdout.splitlines()[0]


def test_of_how_many_drivers_the_time_is(
    sematic_cli: Cli, complete_id: str, config_directory: Path
) -> None:
    assert "  drivers " not in sematic_cli("show", complete_id).stdout
    execute(f"sqlite:///{config_directory}/sematic.db", "UPDATE pipeline_runs SET epoch = 3")
    assert "  drivers    3, one after the other\n" in sematic_cli("show", complete_id).stdout


@pytest.fixture
def begun_id(lost_id: str, config_directory: Path) -> str:
    """The id of a pipeline run of whose driver nothing came but that it began."""
    url = f"sqlite:///{config_directory}/sematic.db"
    for table in ("runs", "events"):
        execute(url, f"DELETE FROM {table}")
    execute(url, "UPDATE pipeline_runs SET next_seq = 0")
    return lost_id


def test_one_of_a_console_is_resumed_there(sematic_cli: Cli, lost_id: str) -> None:
    result = sematic_cli("resume", lost_id)
    assert result.exit_code == 1
    assert f"there, write LocalRunner(resume='{lost_id[:8]}').run(<the same" in result.stderr


class TestOneOfWhichNothingIsRecorded:
    def test_runs_and_show(self, sematic_cli: Cli, begun_id: str) -> None:
        line = sematic_cli("runs").stdout.splitlines()[1]
        assert line.split()[:5] == [begun_id, "pipeline", "!", "DRIVER", "LOST"]
        output = sematic_cli("show", begun_id).stdout
        assert output.startswith("! pipeline  DRIVER LOST after ")
        assert ", which drove it, is gone; nothing was recorded of it, so run it again" in output
        assert "sematic resume" not in output

    def test_resume(self, sematic_cli: Cli, begun_id: str) -> None:
        result = sematic_cli("resume", begun_id)
        assert result.exit_code == 1
        assert "It counts as FAILED now; run the pipeline again." in result.stderr
        output = sematic_cli("show", begun_id).stdout
        assert output.startswith("✗ pipeline  FAILED\n")
        assert "is gone; nothing was recorded of it, so run it again" in output

    def test_logs(self, sematic_cli: Cli, begun_id: str, config_directory: Path) -> None:
        assert sematic_cli("logs", begun_id).stderr.endswith(" printed nothing.\n")
        log = log_path(config_directory / "logs", begun_id, "ab" * 16, 1)
        log.parent.mkdir(parents=True)
        log.write_text("something")
        result = sematic_cli("logs", begun_id)
        assert result.exit_code == 0
        assert result.stderr.startswith(f"No run of pipeline {begun_id[:8]} was recorded.")
        assert result.stderr.endswith(f" is in {log.parent}\n")

    def test_cancel(self, sematic_cli: Cli, begun_id: str) -> None:
        assert sematic_cli("cancel", begun_id).exit_code == 0
        output = sematic_cli("show", begun_id).stdout
        assert output.startswith("– pipeline  CANCELED\n")
        assert ", which drove it, is gone. Nothing was recorded of it." in output

    def test_clean(self, sematic_cli: Cli, begun_id: str) -> None:
        assert "nothing was recorded of it, so run it again" in sematic_cli("clean", "--yes").stdout
        (row,) = json.loads(sematic_cli("runs", "--json").stdout)
        assert (row["status"], row["runs"]) == ("FAILED", {})

    @pytest.mark.parametrize("command", ["why", "rerun", "repro"])
    def test_what_is_about_its_runs(self, sematic_cli: Cli, begun_id: str, command: str) -> None:
        result = sematic_cli(command, begun_id)
        assert result.exit_code == 1
        told = f"Nothing was recorded of pipeline run {begun_id[:8]} (pipeline) before its driver"
        assert f"{told} was lost, so run it again." in result.stderr
