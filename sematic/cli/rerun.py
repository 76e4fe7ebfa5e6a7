"""``sematic rerun``: execute a pipeline run again, or what depends on one of its runs."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from sematic.cli.record import RunId, missing_code, open_record, read_run
from sematic.cli.screen import Cell, Column, Screen, build_table, echo, find_screen
from sematic.cli.tree import RunTree, TreeLine
from sematic.errors import CancellationError, InvalidOptionError, NotFoundError, PipelineRunError
from sematic.states import RunState
from sematic.wording import clean, short_id

if TYPE_CHECKING:
    from sematic.rerun import RerunPlan
    from sematic.runners.rerunning import Rerun
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import PipelineRunRow, RunRow

_COLUMNS = (
    Column("", least=16),
    Column(""),
    Column(""),
    Column("", least=16),
)
_COLOURS = {"reused": "green", "kept": "cyan", "executes": "yellow", "called anew": "bright_black"}
_SIGNS = {"reused": "✓+", "kept": "◐~", "executes": "●*", "called anew": "○."}


@click.command()
@click.argument("run", type=RunId())
@click.option("--from", "start", metavar="RUN", help="Start from this one: its id, or its name.")
@click.option("--dry-run", is_flag=True, help="Only list what would execute, and why.")
def rerun(run: str, start: str | None, dry_run: bool) -> None:
    """Execute RUN again, with what depends on it.

    A new pipeline run, of the code as it is now, takes over the outputs of everything else. Where
    RUN is a pipeline run, all of it executes; --from names the run to start from. Arguments, cache
    namespace and limits are those that it had.
    """
    from sematic.artifacts.store import FileSystemStore
    from sematic.runners.rerunning import find_rerun
    from sematic.runners.resuming import original_surroundings
    from sematic.settings import load_settings

    queries, settings = open_record(), load_settings()
    named = read_run(queries, run)
    start_id = _find_start(queries, named, start)
    row = queries.pipeline_run(named.root_id)
    store = FileSystemStore(settings.artifacts_uri)
    with original_surroundings(queries.environment(row.root_id)):
        try:
            found = find_rerun(settings.database_url, start_id)
            if dry_run:
                _print_plan(queries, row, found, store)
            else:
                _execute(row, found, store, settings.database_url)
        except InvalidOptionError as error:
            raise InvalidOptionError(_in_words_of_commands(str(error))) from error
        except ImportError as error:
            raise missing_code(
                error,
                option=f"rerun_from={short_id(start_id)!r}",
                otherwise="run the pipeline anew, with the code as it is now",
            ) from error


def _in_words_of_commands(text: str) -> str:
    """What to give a runner as ``rerun_from``, as what to type."""
    return re.sub(
        r"rerun_from='([0-9a-f]{32})'",
        lambda found: f"sematic rerun {short_id(found[1])}",
        text,
    )


def _find_start(queries: "Queries", run: "RunRow", start: str | None) -> str:
    """The run to start from: ``run``, or one of its pipeline run by its name or id."""
    if start is None:
        return run.id
    runs = queries.runs(run.root_id)
    named = [other for other in runs if other.name == start]
    failed = [other for other in named if other.state is RunState.FAILED]
    found = failed if len(failed) == 1 else named
    found = found or [other for other in runs if other.id.startswith(start.lower())]
    if not found:
        raise NotFoundError(
            f"No run of pipeline run {short_id(runs[0].id)} has the name '{start}', or an id that "
            f"starts so. To see them: sematic show {short_id(runs[0].id)}"
        )
    if len(found) > 1:
        lines = [f"  {o.id}  {o.state.value}  {clean(o.name)}" for o in found[:8]]
        lines += ["  ..."] if len(found) > 8 else []
        raise NotFoundError("\n".join([f"'{start}' means more than one; write an id:", *lines]))
    return found[0].id


def _execute(row: "PipelineRunRow", found: "Rerun", store: Any, url: str) -> None:
    from sematic.runners.local_runner import LocalRunner
    from sematic.tracking.recorded_graph import read_start

    runner = LocalRunner(row.cache_namespace, found.run_id, **read_start(url, row.root_id))
    try:
        runner.run(found.build_root_future(store))
    except (PipelineRunError, CancellationError):  # shown by the progress display
        raise SystemExit(1) from None


# --- the plan --------------------------------------------------------------------------------


def _print_plan(queries: "Queries", row: "PipelineRunRow", found: "Rerun", store: Any) -> None:
    from sematic.runners.recorded_roots import build_call

    root = build_call(found.build_root_future(store), store)
    screen, runs = find_screen(), queries.runs(row.root_id)
    view = _View(row, found, found.plan(root, store), runs=runs, screen=screen)
    tree = RunTree(runs, label=lambda run: view.plan.decisions[run.id].fate.value)
    lines = tree.lines(runs[0], screen, everything=False)
    table = build_table(_COLUMNS, [view.cells(line) for line in lines], screen)
    echo([*view.headline(), "", *table, *view.hint()], screen)


class _View:
    """What there is to show of a plan, and how."""

    def __init__(
        self,
        row: "PipelineRunRow",
        found: "Rerun",
        plan: "RerunPlan",
        *,
        runs: Sequence["RunRow"],
        screen: Screen,
    ) -> None:
        self.plan = plan
        self._row = row
        self._runs = runs
        self._start = next(run for run in runs if run.id == found.run_id)
        self._screen = screen
        self._options = {run.call.run_id: run.call.options for run in found.recorded}
        self._changed = _changed_functions(runs, found)

    def headline(self) -> Iterator[str]:
        """Of which pipeline run, and how much of it."""
        screen, start = self._screen, self._start
        yield f"Rerun of {_name(self._runs[0], screen)}" + (
            "" if start.id == self._row.root_id else f" from {_name(start, screen)}"
        )
        fates = Counter(decision.fate.value for decision in self.plan.decisions.values())
        words = (f"{fates[word]:,} {word}" for word in _COLOURS if fates[word])
        yield f"  {screen.dim('runs')}  {', '.join(words)}"

    def cells(self, line: TreeLine) -> list[Cell]:
        """A line of the tree."""
        run, screen = line.run, self._screen
        if run is None:
            return [Cell(line.stem + line.summary, "bright_black"), *[Cell("")] * 3]
        fate = self.plan.decisions[run.id].fate.value
        sign = _SIGNS[fate][0 if screen.unicode else 1]
        return [
            Cell(f"{line.stem}{sign} {run.name}", _COLOURS[fate]),
            Cell(screen.id(run.id), "yellow"),
            Cell(fate, _COLOURS[fate]),
            Cell(", ".join(self._notes(run))),
        ]

    def _notes(self, run: "RunRow") -> Iterator[str]:
        decision = self.plan.decisions[run.id]
        if decision.why:
            yield decision.why
        if decision.fate.value != "called anew" and run.function_id in self._changed:
            yield "its code has changed"
        cached = self._row.cache_namespace is not None and self._options[run.id].cache
        named = run.id == self._start.id
        if decision.fate.value == "executes" and cached and not named:
            yield "unless the cache has it"

    def hint(self) -> Iterator[str]:
        """Where everything would execute though one run failed: how to begin there."""
        failed = [run for run in self._runs if run.state is RunState.FAILED and run.failed_at]
        first = min(failed, key=lambda run: run.failed_at or 0, default=None)
        if self._start.id == self._row.root_id and first and first.id != self._row.root_id:
            command = f"sematic rerun {short_id(self._row.root_id)} --from {short_id(first.id)}"
            yield ""
            yield self._screen.dim(f"To start where it failed: {command}")


def _name(run: "RunRow", screen: Screen) -> str:
    return f"{screen.style(clean(run.name), bold=True)} {screen.id(run.id)}"


def _changed_functions(runs: Sequence["RunRow"], found: "Rerun") -> frozenset[str]:
    """The recorded functions whose code is another one now, by their ids."""
    from sematic.tracking.rows import function_id

    now = {run.call.function.path: run.call.function for run in found.recorded}
    ids = {(run.function_path, run.function_id) for run in runs}
    return frozenset(id_ for path, id_ in ids if path in now and function_id(now[path]) != id_)
