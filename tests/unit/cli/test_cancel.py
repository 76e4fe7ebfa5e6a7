"""``sematic cancel`` and ``sematic clean``."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from sematic.cli import cancel as module
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.queries import Queries, open_queries
from tests.driver import Driver
from tests.recorded import execute
from tests.terminal import Terminal

Cli = Callable[..., Result]


@pytest.fixture
def url(config_directory: Path) -> str:
    return f"sqlite:///{config_directory}/sematic.db"


def at_a_terminal(*arguments: str, columns: int = 160) -> Terminal:
    program = f"from sematic.cli import main; main({[*arguments]!r})"
    return Terminal(program, columns=columns)


def look(url: str) -> Queries:
    return open_queries(url)


@pytest.fixture
def deaf(driver: Driver, config_directory: Path, url: str) -> Driver:
    """One that is stopped, so that it cannot hear, and is not lost for a long while."""
    driver.stop(config_directory / "sematic.db")
    execute(url, "UPDATE pipeline_runs SET lease_seconds = 1000")
    return driver


class TestCancel:
    def test_it_returns_when_nothing_is_left(
        self, sematic_cli: Cli, driver: Driver, url: str
    ) -> None:
        began = time.monotonic()
        result = sematic_cli("cancel", driver.run_id[:8], "--reason", "Wrong data.")
        assert (result.exit_code, result.stdout) == (
            0,
            "Pipeline run was canceled successfully.\n",
        )
        assert time.monotonic() - began < 60  # it would go on for two minutes
        assert result.stderr.startswith(f"Waiting for process {driver.process.pid} on ")
        assert len(result.stderr.splitlines()) == 1
        row = look(url).pipeline_run(driver.run_id)
        assert (row.status, row.reason) == (PipelineRunStatus.CANCELED, "Wrong data.")
        assert driver.process.wait(60) != 0

    def test_a_nested_run_means_its_pipeline_run(
        self, sematic_cli: Cli, driver: Driver, url: str
    ) -> None:
        assert sematic_cli("cancel", driver.nested_id, "--yes").exit_code == 0
        assert {run.state for run in look(url).runs(driver.run_id)} == {RunState.CANCELED}

    def test_when_functions_executed_and_when_they_were_cancelled(
        self, sematic_cli: Cli, driver: Driver, url: str
    ) -> None:
        assert sematic_cli("cancel", driver.run_id, "--yes").exit_code == 0
        pipeline, wait = look(url).runs(driver.run_id)
        for run in (pipeline, wait):
            assert run.started_at is not None
            assert run.ended_at is not None
            assert run.canceled_at is not None
            assert run.started_at <= run.ended_at <= run.canceled_at
        assert pipeline.ended_at < wait.started_at  # it had returned the future of the other one
        shown = sematic_cli("show", driver.nested_id).stdout
        assert shown.startswith("– wait  CANCELED in ")
        assert "\n  canceled" in shown

    def test_one_whose_driver_is_lost(self, sematic_cli: Cli, lost_id: str, url: str) -> None:
        """Its functions were those of a script that is not here: no code is needed."""
        result = sematic_cli("cancel", lost_id)
        assert (result.exit_code, result.stderr) == (0, "")
        row = look(url).pipeline_run(lost_id)
        assert row.status is PipelineRunStatus.CANCELED
        assert row.reason is not None
        assert ", which drove it, is gone." in row.reason
        assert sematic_cli("show", lost_id).stdout.startswith("– pipeline  CANCELED\n")

    def test_one_that_has_ended(
        self, sematic_cli: Cli, complete_id: str, failed_id: str, lost_id: str
    ) -> None:
        result = sematic_cli("cancel", complete_id)
        assert result.exit_code == 1
        assert result.stderr == f"Error: Pipeline run {complete_id[:8]} has ended COMPLETE.\n"
        assert "has ended FAILED: division by zero" in sematic_cli("cancel", failed_id).stderr
        sematic_cli("cancel", lost_id)
        assert "has ended CANCELED: Canceled by" in sematic_cli("cancel", lost_id).stderr

    def test_one_that_is_not_there(self, sematic_cli: Cli, complete_id: str) -> None:
        result = sematic_cli("cancel", "nope")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: No run has an id that starts with 'nope'.\n"

    def test_one_that_ends_before_it_hears(
        self, sematic_cli: Cli, deaf: Driver, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def end(_: float) -> None:
            execute(url, "UPDATE pipeline_runs SET status = 'COMPLETE', ended_at = 5")

        monkeypatch.setattr(module.time, "sleep", end)
        result = sematic_cli("cancel", deaf.run_id)
        assert result.exit_code == 1
        assert "could not be cancelled any more: it has ended COMPLETE." in result.stderr

    def test_a_driver_that_does_not_answer(
        self, sematic_cli: Cli, deaf: Driver, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_MOST_SECONDS", 0.5)
        result = sematic_cli("cancel", deaf.run_id)
        assert result.exit_code == 1
        assert "has not ended within " in result.stderr
        assert f"sematic show {deaf.run_id[:8]}" in result.stderr
        execute(url, "UPDATE pipeline_runs SET heartbeat_at = 5")
        assert sematic_cli("cancel", deaf.run_id).exit_code == 0
        row = look(url).pipeline_run(deaf.run_id)
        assert row.reason is not None
        assert "shows no sign of life any more." in row.reason
        deaf.process.send_signal(signal.SIGCONT)  # it finds itself fenced, and leaves
        assert deaf.process.wait(60) != 0
        assert look(url).pipeline_run(deaf.run_id).reason == row.reason

    @pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
    def test_at_a_terminal_it_asks(self, driver: Driver, url: str, answer: str, code: int) -> None:
        terminal = at_a_terminal("cancel", driver.run_id)
        terminal.wait_for("all runs in the pipeline will be cancelled. Proceed? [y/N]")
        terminal.type(answer)
        assert terminal.wait() == code
        expected = PipelineRunStatus.RUNNING if code else PipelineRunStatus.CANCELED
        assert look(url).pipeline_run(driver.run_id).status is expected

    def test_at_a_terminal_it_need_not_ask(self, driver: Driver) -> None:
        terminal = at_a_terminal("cancel", "-y", driver.run_id)
        assert terminal.wait() == 0
        assert terminal.screen.lines == ["Pipeline run was canceled successfully."]
        assert f"Waiting for process {driver.process.pid} on " in terminal.written
        assert "(1 running, 1 expanded)" in terminal.written

    def test_in_a_narrow_terminal_it_leaves_no_half_of_a_line(self, driver: Driver) -> None:
        terminal = at_a_terminal("cancel", driver.run_id, "--yes", columns=45)
        assert terminal.wait() == 0
        assert "Waiting for process " in terminal.written
        assert terminal.screen.lines == ["Pipeline run was canceled successfully."]


class TestClean:
    def test_every_lost_pipeline_run_is_ended(
        self, sematic_cli: Cli, lost_id: str, complete_id: str, driver: Driver, url: str
    ) -> None:
        result = sematic_cli("clean", "--yes")
        assert (result.exit_code, result.stderr) == (0, "")
        (line,) = result.stdout.splitlines()
        assert line.split()[:4] == [lost_id, "pipeline", "✗", "FAILED"]
        assert "driver lost: process " in line
        statuses = {row.root_id: row.status.value for row in look(url).pipeline_runs()}
        assert statuses == {lost_id: "FAILED", complete_id: "COMPLETE", driver.run_id: "RUNNING"}
        states = [run.state.value for run in look(url).runs(lost_id)]
        assert states == ["NESTED_FAILED", "FAILED", "CANCELED"]

    def test_what_it_would_do(self, sematic_cli: Cli, lost_id: str, url: str) -> None:
        result = sematic_cli("clean", "--dry-run")
        assert (result.exit_code, result.stderr) == (0, "1 pipeline run to be ended.\n")
        assert result.stdout.split()[:5] == [lost_id, "pipeline", "!", "DRIVER", "LOST"]
        assert ", which drove it, is gone" in result.stdout
        assert look(url).pipeline_run(lost_id).driver_lost

    def test_where_nobody_can_be_asked_it_does_nothing(
        self, sematic_cli: Cli, lost_id: str, url: str
    ) -> None:
        result = sematic_cli("clean")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: 1 pipeline run would be ended, and could not be resumed any more. To do it: "
            "sematic clean --yes. To list them: sematic clean --dry-run\n"
        )
        assert look(url).pipeline_run(lost_id).driver_lost

    @pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
    def test_at_a_terminal_it_asks(self, lost_id: str, url: str, answer: str, code: int) -> None:
        terminal = at_a_terminal("clean")
        terminal.wait_for("End 1 pipeline run? What is ended cannot be resumed. [y/N]")
        assert terminal.screen.lines[0].startswith(f"{lost_id[:8]}  pipeline  ! DRIVER LOST")
        terminal.type(answer)
        assert terminal.wait() == code
        assert look(url).pipeline_run(lost_id).driver_lost is bool(code)
        assert (terminal.screen.lines[-1] == "Aborted!") is bool(code)

    def test_nothing_to_do(self, sematic_cli: Cli, complete_id: str) -> None:
        result = sematic_cli("clean")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "Every pipeline run has ended" in result.stderr

    def test_one_that_cannot_be_ended_does_not_keep_the_others(
        self, sematic_cli: Cli, lost_id: str, driver: Driver, url: str
    ) -> None:
        driver.kill()
        execute(url, f"UPDATE events SET kind = 'Teleported' WHERE root_id = '{driver.run_id}'")
        result = sematic_cli("clean", "-y")
        assert result.exit_code == 1
        assert f"Pipeline run {driver.run_id} could not be ended: " in result.stderr
        assert look(url).pipeline_run(lost_id).status is PipelineRunStatus.FAILED

    def test_an_empty_record(self, sematic_cli: Cli, config_directory: Path) -> None:
        assert sematic_cli("clean").exit_code == 0
        assert not config_directory.exists()
