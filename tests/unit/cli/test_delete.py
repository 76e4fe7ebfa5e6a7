"""``sematic delete``: what goes, what stays."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import sematic
from sematic.client import get_artifact_value, open_record
from sematic.errors import RecordError
from sematic.tracking.deleting import delete_pipeline_run
from sematic.tracking.reading import reading
from tests.driver import Driver
from tests.recorded import execute
from tests.terminal import Terminal
from tests.unit.cli import pipelines

Cli = Callable[..., Result]
TABLES = ("pipeline_runs", "runs", "run_inputs", "attempts", "events", "expression_constants")


@pytest.fixture
def url(config_directory: Path) -> str:
    return f"sqlite:///{config_directory}/sematic.db"


_attempts: list[int] = []


@sematic.func(retry=sematic.RetrySettings((ValueError,), retries=1))
def twice(x: int) -> list[int]:
    _attempts.append(1)
    if len(_attempts) == 1:
        raise ValueError("no luck")
    return [1]


@sematic.func
def tried() -> list[list[int]]:
    return [twice(1), [2]]


def run(future: sematic.Future, *, days_ago: float = 0.0, namespace: str | None = None) -> str:
    sematic.LocalRunner(namespace, progress="off").run(future)
    if days_ago:
        url = f"sqlite:///{_directory()}/sematic.db"
        ended_at = time.time() - days_ago * 86400
        execute(
            url,
            f"UPDATE pipeline_runs SET ended_at = {ended_at} WHERE root_id = '{future.id}'",
        )
    return future.id


def _directory() -> Path:
    from sematic.settings import config_directory

    return config_directory()


def count_rows(url: str) -> dict[str, int]:
    with reading(url) as ask:
        return {t: next(iter(ask(f"SELECT COUNT(*) FROM {t}", [])))[0] for t in TABLES}


class TestOne:
    def test_nothing_of_it_is_left_and_all_of_the_others(
        self, sematic_cli: Cli, url: str, complete_id: str, config_directory: Path
    ) -> None:
        before = count_rows(url)
        _attempts.clear()
        run_id = run(tried())
        output = open_record().run(run_id).output_id
        after = count_rows(url)
        assert [table for table in TABLES if after[table] <= before[table]] == []
        result = sematic_cli("delete", run_id[:12], "--yes")
        assert result.exit_code == 0
        listed, told = result.stdout.splitlines()
        assert listed.split() == [
            *(run_id, "tried", "✓", "COMPLETE", "ended", "just", "now", "2", "runs")
        ]
        assert told == "Deleted 1 pipeline run."
        assert count_rows(url) == before
        assert sematic_cli("show", run_id).exit_code == 1
        assert get_artifact_value(str(output)) == [[1], [2]]
        logs = {path.name for path in (config_directory / "logs").iterdir()}
        assert logs == {complete_id}

    def test_its_logs_go_too(
        self, sematic_cli: Cli, complete_id: str, config_directory: Path
    ) -> None:
        assert (config_directory / "logs" / complete_id).is_dir()
        assert sematic_cli("delete", complete_id, "--yes").exit_code == 0
        assert not (config_directory / "logs" / complete_id).exists()

    def test_several(self, sematic_cli: Cli, complete_id: str, failed_id: str) -> None:
        result = sematic_cli("delete", complete_id, failed_id, "--yes")
        assert result.stdout.endswith("\nDeleted 2 pipeline runs.\n")
        assert open_record().pipeline_runs() == ()

    def test_one_that_is_named_twice(self, sematic_cli: Cli, complete_id: str) -> None:
        output = sematic_cli("delete", complete_id, complete_id[:10], "--yes").stdout
        assert output.splitlines()[-1] == "Deleted 1 pipeline run."

    def test_one_that_somebody_else_deletes_meanwhile(self, url: str, complete_id: str) -> None:
        for _ in range(2):
            delete_pipeline_run(url, complete_id)
        assert open_record().pipeline_runs() == ()

    def test_a_cached_output_that_another_run_names_is_still_found(self, sematic_cli: Cli) -> None:
        first = run(pipelines.remembering(1), namespace="n")
        served = run(pipelines.remembering(1), namespace="n")
        assert sematic_cli("delete", first, "--yes").exit_code == 0
        third = run(pipelines.remembering(1), namespace="n")
        *_, nested = open_record().runs(third)
        assert nested.original_run_id
        assert "deleted since, computed it" in sematic_cli("why", nested.id).stdout
        for run_id in (served, third):
            assert sematic_cli("show", run_id).exit_code == 0

    def test_a_rerun_can_be_rerun_though_its_original_is_gone(self, sematic_cli: Cli) -> None:
        first = run(pipelines.add_up(2, pipelines.Config()))
        total = next(r.id for r in open_record().runs(first) if r.name == "total")
        future = pipelines.add_up(2, pipelines.Config())
        sematic.LocalRunner(rerun_from=total, progress="off").run(future)
        sematic_cli("delete", first, "--yes")
        assert sematic_cli("rerun", future.id, "--from", "total").exit_code == 0

    def test_one_that_has_not_ended(
        self, sematic_cli: Cli, driver: Driver, url: str, lost_id: str
    ) -> None:
        goes_on = sematic_cli("delete", driver.run_id)
        assert goes_on.exit_code == 1
        assert "has not ended: it goes on. To end it: sematic cancel" in goes_on.stderr
        lost = sematic_cli("delete", lost_id)
        assert "has not ended: it can still be resumed." in lost.stderr
        with pytest.raises(RecordError, match="has not ended"):
            delete_pipeline_run(url, lost_id)
        assert len(open_record().runs(lost_id)) == 3

    def test_a_nested_run(self, sematic_cli: Cli, complete_id: str) -> None:
        nested = open_record().runs(complete_id)[1].id
        result = sematic_cli("delete", nested)
        assert result.exit_code == 1
        assert f"deleted with it only: sematic delete {complete_id[:8]}" in result.stderr

    def test_where_nobody_can_be_asked_it_does_nothing(
        self, sematic_cli: Cli, complete_id: str
    ) -> None:
        result = sematic_cli("delete", complete_id)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: 1 pipeline run would be deleted, with logs, which cannot be undone. To do it, "
            "say --yes; to list what would be deleted, --dry-run.\n"
        )
        assert len(open_record().pipeline_runs()) == 1

    @pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
    def test_at_a_terminal_it_asks(self, complete_id: str, answer: str, left: int) -> None:
        program = f"from sematic.cli import main; main(['delete', {complete_id!r}])"
        terminal = Terminal(program, columns=80)
        terminal.wait_for("Delete 1 pipeline run, with logs? This cannot be undone. [y/N]")
        terminal.type(answer)
        assert terminal.wait() == left
        assert len(open_record().pipeline_runs()) == left


class TestOld:
    def test_age_and_tags(self, sematic_cli: Cli, lost_id: str) -> None:
        old = run(pipelines.add(1, 1), days_ago=31)
        kept = run(pipelines.add(1, 2).set(tags=["release", "x"]), days_ago=40)
        young = run(pipelines.add(1, 3), days_ago=29)
        arguments = ["delete", "--older-than", "30d", "--keep-tag", "release"]
        listed = sematic_cli(*arguments, "--dry-run")
        assert listed.stdout.split()[0] == old
        assert len(listed.stdout.splitlines()) == 1
        assert listed.stderr == "1 pipeline run to be deleted.\n"
        assert len(open_record().pipeline_runs()) == 4
        assert sematic_cli(*arguments, "--yes").exit_code == 0
        left = {row.root_id for row in open_record().pipeline_runs()}
        assert left == {kept, young, lost_id}
        deleted = sematic_cli("delete", "--older-than", "4w", "--yes")
        assert deleted.stdout.endswith("2 pipeline runs.\n")

    def test_none(self, sematic_cli: Cli, config_directory: Path) -> None:
        assert "No pipeline run is as old" in sematic_cli("delete", "--older-than", "30d").stderr
        assert not config_directory.exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Name pipeline runs, or say --older-than"),
            (["abc", "--older-than", "30d"], "one of the two"),
            (["abc", "--keep-tag", "x"], "--keep-tag goes with --older-than"),
            (["--older-than", "month"], "'month' is no age. Write 30d, or 90m, 12h, 2w."),
        ],
    )
    def test_mistakes(self, sematic_cli: Cli, arguments: list[str], message: str) -> None:
        result = sematic_cli("delete", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
