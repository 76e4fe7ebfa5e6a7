"""``sematic rerun``: the list of what would execute, and the execution."""

from collections.abc import Callable

import pytest
from click.testing import Result

import sematic
from sematic.client import get_run_output, open_record
from tests.unit.cli import pipelines
from tests.unit.cli.conftest import iter_ids

Cli = Callable[..., Result]
_fixed = {"it": False}


@sematic.func
def load(path: str) -> list[int]:
    return [1, 2, 3]


@sematic.func(cache=True)
def tidy(rows: list[int], factor: int = 2) -> list[int]:
    return [row * factor for row in rows]


@sematic.func
def train(rows: list[int]) -> int:
    if not _fixed["it"]:
        raise ValueError("too many")
    return sum(rows)


@sematic.func
def evaluate(model: int, rows: list[int]) -> int:
    return model * len(rows)


@sematic.func
def training(path: str) -> int:
    rows = tidy(load(path))
    return evaluate(train(rows), rows)


@sematic.func
def nameless(x: int, /, factor: int = 2) -> int:
    return x * factor


@pytest.fixture
def failed() -> str:
    """The id of a pipeline run whose train failed, with a cache namespace."""
    _fixed["it"] = False
    future = training("a.csv").set(tags=["nightly"])
    with pytest.raises(sematic.PipelineRunError):
        sematic.LocalRunner("shared", max_parallelism=3, on_failure="drain").run(future)
    return future.id


def short(result: Result) -> list[str]:
    """The lines of an output, without ids."""
    assert result.exit_code == 0, result.output
    text = result.stdout
    for id_ in iter_ids(result.stdout):
        text = text.replace(id_, "")
    return [" ".join(line.split()) for line in text.splitlines()]


class TestDryRun:
    def test_from_a_run(self, sematic_cli: Cli, failed: str) -> None:
        result = sematic_cli("rerun", failed, "--from", "train", "--dry-run")
        assert [line for line in short(result) if line[:1] in ("◐", "├", "└")] == [
            "◐ training kept its calls stay, its output is made anew",
            "├─ ✓ load reused",
            "├─ ✓ tidy reused",
            "├─ ● train executes the rerun starts here",
            f"└─ ● evaluate executes needs train {_id(failed, 'train')[:8]}",
        ]
        assert result.stdout.startswith(f"Rerun of training {failed} from train ")
        assert "\n  runs  2 reused, 1 kept, 2 executes\n" in result.stdout
        assert len(open_record().pipeline_runs()) == 1

    def test_of_a_whole_pipeline_run(self, sematic_cli: Cli, failed: str) -> None:
        lines = short(sematic_cli("rerun", failed[:8], "--dry-run"))
        assert "● training executes the rerun starts here" in lines
        assert f"├─ ○ tidy called anew by training {failed[:8]}" in lines
        start = _id(failed, "train")[:8]
        assert lines[-1] == f"To start where it failed: sematic rerun {failed[:8]} --from {start}"

    def test_what_the_cache_may_have_and_what_has_changed(
        self, sematic_cli: Cli, failed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for function in (tidy, load):
            monkeypatch.setitem(vars(function), "source_hash", "0" * 40)
        lines = short(sematic_cli("rerun", failed, "--from", "load", "--dry-run"))
        needs = f"needs load {_id(failed, 'load')[:8]}"
        assert "├─ ● load executes the rerun starts here, its code has changed" in lines
        expected = f"{needs}, its code has changed, unless the cache has it"
        assert f"├─ ● tidy executes {expected}" in lines

    def test_a_cached_root_executes(self, sematic_cli: Cli) -> None:
        sematic.LocalRunner("n", progress="off").run(future := tidy([1]))
        lines = short(sematic_cli("rerun", future.id, "--dry-run"))
        assert lines[-1] == "● tidy executes the rerun starts here"

    def test_many_runs_are_summed_up(self, sematic_cli: Cli) -> None:
        root = pipelines.run(pipelines.add_up(200, pipelines.Config()))
        result = sematic_cli("rerun", root, "--from", "total", "--dry-run")
        assert "├─ ... 190 more add: reused" in result.stdout
        assert len(result.stdout.splitlines()) < 20


class TestExecution:
    def test_with_the_options_that_it_had(self, sematic_cli: Cli, failed: str) -> None:
        _fixed["it"] = True
        result = sematic_cli("rerun", _id(failed, "train"))
        assert result.exit_code == 0, result.output
        latest, _ = open_record().pipeline_runs()
        assert get_run_output(latest.root_id) == 12 * 3
        assert latest.cache_namespace == "shared"
        root, *nested = open_record().runs(latest.root_id)
        assert root.options["tags"] == ["nightly"]
        reused = {run.name: run.original_run_id for run in nested}
        assert reused["tidy"] == _id(failed, "tidy")
        assert reused["train"] is None
        assert f"rerun from  {_id(failed, 'train')}" in sematic_cli("show", latest.root_id).stdout

    def test_all_of_it(self, sematic_cli: Cli, failed: str) -> None:
        _fixed["it"] = True
        assert sematic_cli("rerun", failed).exit_code == 0
        latest, _ = open_record().pipeline_runs()
        root, *nested = open_record().runs(latest.root_id)
        assert root.options["tags"] == ["nightly"]
        served = {run.name for run in nested if run.original_run_id}
        assert served == {"tidy"}, "by the cache"

    def test_arguments_without_names(self, sematic_cli: Cli) -> None:
        sematic.LocalRunner(progress="off").run(future := nameless(2))
        result = sematic_cli("rerun", future.id)
        assert result.exit_code == 0, result.output
        latest, _ = open_record().pipeline_runs()
        assert get_run_output(latest.root_id) == 4

    def test_one_that_fails_again(self, sematic_cli: Cli, failed: str) -> None:
        assert sematic_cli("rerun", failed, "--from", "train").exit_code == 1


class TestMistakes:
    def test_no_such_run(self, sematic_cli: Cli, failed: str) -> None:
        result = sematic_cli("rerun", "nope")
        assert (result.exit_code, result.stderr) == (
            1,
            "Error: No run has an id that starts with 'nope'.\n",
        )
        result = sematic_cli("rerun", failed, "--from", "nope")
        assert result.exit_code == 1
        assert "has the name 'nope', or an id that starts so." in result.stderr

    def test_a_name_that_many_have(self, sematic_cli: Cli, complete_id: str) -> None:
        result = sematic_cli("rerun", complete_id, "--from", "add")
        assert result.exit_code == 1
        assert "'add' means more than one; write an id:" in result.stderr
        assert len(list(iter_ids(result.stderr))) == 2

    def test_a_root_that_takes_other_arguments(
        self, sematic_cli: Cli, failed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "__signature__", nameless.__signature__)
        result = sematic_cli("rerun", failed)
        assert result.exit_code == 1
        assert "does not take its recorded arguments any more" in result.stderr

    def test_a_call_that_takes_other_arguments(
        self, sematic_cli: Cli, failed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What to do instead is said as a command."""
        monkeypatch.setattr(train, "__signature__", nameless.__signature__)
        for options in ([], ["--dry-run"]):
            result = sematic_cli("rerun", _id(failed, "train"), *options)
            assert result.exit_code == 1
            expected = f"called anew: sematic rerun {failed[:8]} ({training.path}).\n"
            assert result.stderr.endswith(expected)

    def test_functions_that_are_not_there(self, sematic_cli: Cli, lost_id: str) -> None:
        result = sematic_cli("rerun", lost_id)
        assert result.exit_code == 1
        assert "Functions of notebooks and consoles cannot be found from here" in result.stderr


def _id(root_id: str, name: str) -> str:
    return next(run.id for run in open_record().runs(root_id) if run.name == name)
