"""``sematic show``."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

import sematic
from sematic.cli.screen import Screen
from sematic.cli.tree import RunTree
from sematic.states import RunState
from sematic.tracking.queries import open_queries
from sematic.tracking.views import RunRow
from tests.recorded import execute
from tests.terminal import Terminal
from tests.unit.cli import pipelines
from tests.unit.cli.conftest import iter_ids

Cli = Callable[..., Result]
SHOWN = ("started_at", "ended_at", "canceled_at")
PROGRAM = "from sematic.cli import main; main(prog_name='sematic')"


@sematic.func
def patient() -> int:
    retry = sematic.RetrySettings((OSError, KeyError), retries=1, backoff_seconds=0.5)
    return pipelines.add(1, 2).set(retry=retry, tags=["t"])


def tree_lines(output: str) -> list[str]:
    """The lines of the tree without ids and times."""
    lines = [line for line in output.splitlines() if re.search("[0-9a-f]{32}  [A-Z]", line)]
    timeless = [re.sub(r" +<?[\d.]+ m?s\b", "", line) for line in lines]
    return [re.sub(r" +[0-9a-f]{32} +", " ", line) for line in timeless]


class TestPipelineRun:
    def test_header(self, sematic_cli: Cli, complete_id: str) -> None:
        first, *facts = sematic_cli("show", complete_id).stdout.split("\n\n")[0].splitlines()
        assert first.startswith("✓ add_up  COMPLETE in ")
        known = dict(line.strip().split(maxsplit=1) for line in facts)
        assert known["id"] == complete_id
        assert known["function"].endswith("pipelines.add_up")
        assert known["runs"] == "4 done"
        assert known["directory"] == str(Path.cwd())
        assert {"started", "ended", "command", "with"} <= known.keys()

    def test_tree(self, sematic_cli: Cli, complete_id: str) -> None:
        result = sematic_cli("show", complete_id[:10])
        assert tree_lines(result.stdout) == [
            "✓ add_up RESOLVED",
            "├─ ✓ add RESOLVED",
            "├─ ✓ add RESOLVED",
            "└─ ✓ total RESOLVED",
        ]
        assert "inputs" not in result.stdout

    def test_names_of_several_lines_and_control_characters_are_shown_in_one(
        self, sematic_cli: Cli
    ) -> None:
        name = "two\nlines\tand \x1b[31mred"
        run_id = pipelines.run(pipelines.broken().set(name=name))
        for command in ("show", "runs", "logs"):
            output = sematic_cli(command, *([] if command == "runs" else [run_id])).stdout
            assert "\x1b" not in output
            assert "\nlines" not in output
        for command in ("show", "runs"):
            output = sematic_cli(command, *([] if command == "runs" else [run_id])).stdout
            assert "two lines and  [31mred  " in output

    def test_failure(self, sematic_cli: Cli, failed_id: str) -> None:
        result = sematic_cli("show", failed_id)
        assert result.stdout.startswith("✗ broken  FAILED in ")
        lines = tree_lines(result.stdout)
        assert lines[0] == "✗ broken NESTED_FAILED"
        assert lines[-1] == "└─ ✗ divide FAILED  ZeroDivisionError: division by zero"
        (reason,) = re.findall(r"  reason +(.*)", result.stdout)
        assert reason.startswith("divide ")
        assert "ZeroDivisionError: division by zero" in reason
        assert re.search(r"\(sematic show [0-9a-f]{8}\)$", reason)

    def test_what_was_not_executed(self, sematic_cli: Cli) -> None:
        runner = sematic.LocalRunner(cache_namespace="test", progress="off")
        executed, cached = pipelines.remembering(1), pipelines.remembering(1)
        for future in (executed, cached, alone := pipelines.remember(1)):
            runner.run(future)
        *_, executed_id = iter_ids(output := sematic_cli("show", executed.id).stdout)
        assert tree_lines(output)[1] == "└─ ✓ remember RESOLVED"
        output = sematic_cli("show", cached.id).stdout
        assert tree_lines(output)[1].split() == ["└─", "✓", "remember", "RESOLVED", "cached"]
        output = sematic_cli("show", alone.id).stdout
        assert re.search(rf"^  cached +the output of run {executed_id}$", output, re.M)

    def test_values_on_request(self, sematic_cli: Cli, complete_id: str) -> None:
        output = sematic_cli("show", complete_id, "--inputs", "--outputs").stdout
        assert re.search(r"^  count   int +[0-9a-f]{40}  2$", output, re.M)
        assert re.search(r"^  config  .*  Config\(rate=0\.5, names=\['a', 'b'\]\)$", output, re.M)
        assert re.search(r"^output\n  int  [0-9a-f]{40}  3$", output, re.M)

    def test_source(self, sematic_cli: Cli, complete_id: str) -> None:
        assert "def add_up(count: int" in sematic_cli("show", complete_id, "--source").stdout

    def test_on_a_terminal(self, complete_id: str) -> None:
        terminal = Terminal(["-c", PROGRAM, "show", complete_id[:8]], columns=60, wraps=True)
        assert terminal.wait() == 0
        assert any(
            re.fullmatch(rf"✓ add_up +{complete_id[:8]}  RESOLVED +[\d.]+ m?s", line)
            for line in terminal.screen.lines
        )


class TestNestedRun:
    def test_failed(self, sematic_cli: Cli, failed_id: str) -> None:
        *_, run_id = iter_ids(sematic_cli("show", failed_id).stdout)
        output = sematic_cli("show", run_id[:12]).stdout
        assert output.startswith("✗ divide  FAILED in ")
        assert re.search(rf"^  pipeline +broken {failed_id} FAILED$", output, re.M)
        assert re.search(
            r"^inputs\n  a  int  [0-9a-f]{40}  3\n  b  int  [0-9a-f]{40}  0$", output, re.M
        )
        assert "Traceback (most recent call last):" in output
        assert "return a / b" in output
        assert output.rstrip().endswith("ZeroDivisionError: division by zero")

    def test_resolved(self, sematic_cli: Cli, complete_id: str) -> None:
        *_, run_id = iter_ids(sematic_cli("show", complete_id).stdout)
        output = sematic_cli("show", run_id).stdout
        assert output.startswith("✓ total  RESOLVED in ")
        assert re.search(r"^  numbers  list\[int\]  [0-9a-f]{40}  \[1, 2\]$", output, re.M)
        assert output.rstrip().endswith("  3")
        assert "inputs" not in sematic_cli("show", run_id, "--no-inputs").stdout

    def test_options_as_they_were_written(self, sematic_cli: Cli) -> None:
        *_, run_id = iter_ids(sematic_cli("show", pipelines.run(patient())).stdout)
        written = "retry=RetrySettings((OSError, KeyError), retries=1, backoff_seconds=0.5)"
        output = sematic_cli("show", run_id).stdout
        assert re.search(rf"^  options +tags=\['t'\], {re.escape(written)}$", output, re.M)


class TestIds:
    def test_unknown(self, sematic_cli: Cli, complete_id: str) -> None:
        result = sematic_cli("show", "zzz")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: No run has an id that starts with 'zzz'.\n"

    def test_no_record(self, sematic_cli: Cli, config_directory: Path) -> None:
        result = sematic_cli("show", "abc")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: There is no run 'abc'. No runs yet.")
        assert not config_directory.exists()

    def test_missing(self, sematic_cli: Cli) -> None:
        assert sematic_cli("show").exit_code == 2


RUN = RunRow(
    id="0" * 32,
    root_id="0" * 32,
    parent_id=None,
    ordinal=0,
    name="root",
    function_path="m.root",
    function_id="",
    standalone=False,
    options={},
    created_at=0,
    original_run_id=None,
    cache_key=None,
    state=RunState.RESOLVED,
    attempt=1,
    scheduled_at=0,
    started_at=0,
    ended_at=1,
    resolved_at=1,
    failed_at=None,
    canceled_at=None,
    nested_run_id=None,
    output_id=None,
    error=None,
    reason=None,
)
SCREEN = Screen(width=80, colours=False, unicode=True)


def nested(number: int, parent: RunRow = RUN, name: str = "f", **details: object) -> RunRow:
    return replace(  # type: ignore[arg-type]
        RUN,
        id=f"{number:032x}",
        parent_id=parent.id,
        name=name,
        function_path=f"m.{name}",
        **details,
    )


def draw(runs: list[RunRow], *, everything: bool = False) -> list[str]:
    lines = RunTree(runs).lines(RUN, SCREEN, everything=everything)
    return [line.stem + (line.run.name if line.run else line.summary) for line in lines]


@pytest.mark.parametrize(
    ("state", "times", "shown"),
    [
        ("RESOLVED", {"started_at": 11, "ended_at": 13, "resolved_at": 14}, " in 2.0 s"),
        ("FAILED", {"failed_at": 15}, " in 5.0 s"),
        ("CANCELED", {"canceled_at": 15}, " in 5.0 s"),
        ("CANCELED", {"canceled_at": 15, "scheduled_at": "NULL"}, ""),
        ("CANCELED", {"canceled_at": 16, "started_at": 11, "ended_at": 13}, " in 2.0 s"),
        # The second attempt was cancelled; the first one is the latest whose times are known.
        ("CANCELED", {"canceled_at": 16, "started_at": 7, "ended_at": 8}, " in 6.0 s"),
    ],
)
def test_how_long_it_took(
    sematic_cli: Cli,
    complete_id: str,
    config_directory: Path,
    *,
    state: str,
    times: dict[str, object],
    shown: str,
) -> None:
    url = f"sqlite:///{config_directory}/sematic.db"
    run = open_queries(url).runs(complete_id)[1]
    names = ("scheduled_at", "started_at", "ended_at", "resolved_at", "failed_at", "canceled_at")
    row = {**dict.fromkeys(names, "NULL"), "scheduled_at": 10, **times}
    columns = ", ".join(f"{name} = {value}" for name, value in row.items())
    execute(url, f"UPDATE runs SET state = '{state}', {columns} WHERE id = '{run.id}'")
    first, *facts = sematic_cli("show", run.id).stdout.splitlines()
    assert first.endswith(f"add  {state}{shown}")
    words = [line.split()[0] for line in facts if line.strip()]
    assert [word for word in words if word in ("started", "ended", "canceled")] == [
        name.removesuffix("_at") for name in names if name in times and name in SHOWN
    ]


class TestTree:
    def test_few_are_shown(self) -> None:
        assert len(draw([RUN, *(nested(n) for n in range(1, 90))])) == 90

    def test_many_are_summed_up(self) -> None:
        many = [nested(number) for number in range(1, 10_001)]
        last = nested(10_001, name="total")
        assert draw([RUN, *many, last]) == [
            "root",
            *["├─ f"] * 10,
            "├─ ... 9,990 more f: RESOLVED",
            "└─ total",
        ]
        assert len(draw([RUN, *many, last], everything=True)) == 10_002

    def test_states_are_summed_up_apart(self) -> None:
        many = [nested(number) for number in range(1, 1001)]
        many[500] = replace(many[500], state=RunState.FAILED)
        many[501:] = [replace(run, state=RunState.CANCELED) for run in many[501:]]
        assert draw([RUN, *many]) == [
            "root",
            *["├─ f"] * 10,
            "├─ ... 490 more f: RESOLVED",
            "├─ f",  # the one that failed
            *["├─ f"] * 10,
            "└─ ... 489 more f: CANCELED",
        ]

    def test_names_of_single_calls_do_not_matter(self) -> None:
        many = [replace(nested(n), name=f"step {n}") for n in range(1, 1001)]
        assert len(draw([RUN, *many])) == 12

    def test_deep_ones_are_cut(self) -> None:
        runs = [RUN]
        for number in range(1, 10_000):
            runs.append(nested(number, runs[-1]))
        lines = draw(runs)
        assert len(lines) < 20
        assert lines[-1].endswith("... 9,987 more runs nested in it")
        everything = draw(runs, everything=True)
        assert len(everything) == 10_000
        assert max(map(len, everything)) < 200

    @pytest.mark.parametrize("count", [102, 1000])
    def test_wide_and_deep(self, count: int) -> None:
        runs = [RUN]
        for number in range(count):
            child = nested(1 + number * 20)
            runs += [
                child,
                *(
                    nested(child_number, child)
                    for child_number in range(2 + number * 20, 21 + number * 20)
                ),
            ]
        assert len(draw(runs)) <= 100
