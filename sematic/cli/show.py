"""``sematic show``: one pipeline run as a tree, or one run with its values."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sematic.cli.record import RunId, find_run, open_record
from sematic.cli.runs import duration, last_time
from sematic.cli.screen import Cell, Column, Screen, build_table, echo, find_screen
from sematic.cli.tree import RunTree, TreeLine
from sematic.errors import NotFoundError
from sematic.states import RunState
from sematic.wording import (
    SIGNS,
    clean,
    count_states,
    describe_error,
    format_age,
    format_duration,
    format_time,
    short_id,
)

if TYPE_CHECKING:
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import AttemptRow, PipelineRunRow, RunRow

_MOST_CHARACTERS = 2000

_TREE_COLUMNS = (
    Column("", least=16),
    Column(""),
    Column("", rank=2),
    Column("", right=True, rank=1),
    Column("", least=10, rank=3),
)


@click.command(short_help="Show what became of RUN, and the runs nested in it.")
@click.argument("run_id", metavar="RUN", type=RunId())
@click.option("--all", "everything", is_flag=True, help="Show every run, however many there are.")
@click.option("--inputs/--no-inputs", default=None, help="Show the values of its arguments.")
@click.option("--outputs/--no-outputs", default=None, help="Show the value of its output.")
@click.option("--source", is_flag=True, help="Show the source code as it was.")
def show(
    run_id: str, everything: bool, inputs: bool | None, outputs: bool | None, source: bool
) -> None:
    """Show RUN: what became of it, and the tree of the runs nested in it.

    The values of a nested run are shown; those of a pipeline run on request.
    """
    queries, screen = open_record(), find_screen()
    found = find_run(queries, run_id)
    root_id = _root_of(queries, found)
    pipeline_run, runs = queries.pipeline_run(root_id), queries.runs(root_id)
    view = _View(pipeline_run, runs, screen)
    run = next((run for run in runs if run.id == found), None)
    if found == root_id:
        blocks = [_pipeline_header(view, queries.environment(root_id))]
    else:
        assert run is not None
        blocks = [_run_header(view, run)]
    if run is not None:
        alone = found != root_id or len(runs) == 1
        blocks += _values(
            queries,
            run,
            screen,
            inputs=alone if inputs is None else inputs,
            outputs=alone if outputs is None else outputs,
        )
        if alone and run.attempt > 1:
            blocks.append(_attempts(queries.attempts(run.id), screen))
        if alone and run.error is not None:
            blocks.append(_error(run, screen))
        if source:
            blocks.append(queries.function(run.function_id).source.rstrip().split("\n"))
        if view.tree.children(run.id):
            blocks.append(_tree(view, run, everything=everything))
    echo([line for block in blocks if block for line in (*block, "")][:-1], screen)


def _root_of(queries: "Queries", run_id: str) -> str:
    try:
        return queries.pipeline_run(run_id).root_id
    except NotFoundError:
        return queries.run(run_id).root_id


class _View:
    """What there is to show, and how."""

    def __init__(
        self, pipeline_run: "PipelineRunRow", runs: Sequence["RunRow"], screen: Screen
    ) -> None:
        self.pipeline_run = pipeline_run
        self.runs = runs
        self.screen = screen
        self.tree = RunTree(runs)
        self.now = time.time()
        # What did not end with a pipeline run that is lost has been standing still since.
        self._latest = last_time(pipeline_run, self.now)

    def duration(self, run: "RunRow") -> str:
        """How long a run took, or takes, with what is nested in it; empty where nobody knows."""
        started, ended = run.started_at, run.ended_at
        goes_on = run.state in (RunState.RAN, RunState.SCHEDULED)
        unknown = run.state.is_terminal and not _is_of_last_attempt(ended, run)
        if self.tree.children(run.id) or goes_on or unknown:
            started = run.scheduled_at
            ended = run.resolved_at or run.failed_at or run.canceled_at
            if ended is None and not run.state.is_terminal:
                ended = self._latest
        if started is None or ended is None or self._was_lost(ended):
            return ""
        return format_duration(ended - started)

    def _was_lost(self, ended: float) -> bool:
        """Whether that was when others ended it, and not when it was over."""
        return self.pipeline_run.ended_by_others and ended == self.pipeline_run.ended_at


def _headline(screen: Screen, status: str, name: str, rest: str) -> str:
    sign = SIGNS[status]
    return " ".join(
        (
            screen.style(screen.sign(status), sign.colour),
            screen.style(clean(name), bold=True),
            screen.style(f" {status}", sign.colour),
            rest,
        )
    ).rstrip()


def _facts(
    pairs: Sequence[tuple[str, str | None]], screen: Screen, *, reason: str | None
) -> list[str]:
    """Lines of facts; the reason comes last, and is the only one that may have colours."""
    known = [(label, clean(text)) for label, text in pairs if text]
    known += [("reason", reason)] if reason else []
    width = max(len(label) for label, _ in known)
    return [f"  {screen.dim(label.ljust(width))}  {text}" for label, text in known]


def _is_of_last_attempt(ended_at: float | None, run: "RunRow") -> bool:
    return ended_at is not None and ended_at >= (run.scheduled_at or ended_at)


# --- a pipeline run --------------------------------------------------------------------------


def _pipeline_header(view: _View, environment: Mapping[str, Any]) -> list[str]:
    run, screen = view.pipeline_run, view.screen
    took = duration(run, view.now)
    preposition = "after" if run.driver_lost else "for" if run.ended_at is None else "in"
    rest = f"{preposition} {took}" if took else ""
    drivers = run.epoch - run.ended_by_others
    facts = [
        ("id", run.root_id),
        ("function", run.function_path),
        ("started", f"{format_time(run.created_at)} ({format_age(run.created_at, view.now)})"),
        ("ended", format_time(run.ended_at) if run.ended_at else None),
        ("runs", count_states(_count(view.runs), abandoned=run.driver_lost)),
        ("drivers", f"{drivers}, one after the other" if drivers > 1 else None),
        ("command", environment.get("command")),
        ("directory", environment.get("directory")),
        ("git", _git(environment.get("git"))),
        ("with", _versions(run, environment)),
        ("rerun from", environment.get("rerun_from")),
        *(_origin(root) for root in view.runs[:1]),
    ]
    headline = _headline(screen, run.shown_status, run.name, rest)
    return [headline, *_facts(facts, screen, reason=_reason(run, view))]


def _count(runs: Sequence["RunRow"]) -> dict[RunState, int]:
    counts: dict[RunState, int] = {}
    for run in runs:
        counts[run.state] = counts.get(run.state, 0) + 1
    return counts


def _git(git: Mapping[str, Any] | None) -> str | None:
    if not git:
        return None
    branch = f" on {git['branch']}" if git.get("branch") else ""
    dirty = ", with uncommitted changes" if git.get("dirty") else ""
    return f"{git['commit'][:12]}{branch}{dirty}"


def _versions(run: "PipelineRunRow", environment: Mapping[str, Any]) -> str:
    parts = [run.runner, f"sematic {run.client_version}"]
    if environment.get("python"):
        parts.append(f"Python {environment['python']}")
    if environment.get("host"):
        parts.append(f"on {environment['host']}")
    return ", ".join(parts)


def _reason(run: "PipelineRunRow", view: _View) -> str | None:
    """Why it ended as it did: the run that failed first, or what is recorded."""
    if run.driver_lost:
        if not view.runs:
            return f"{clean(run.lost_because or '')}; nothing was recorded of it, so run it again"
        heard = format_age(run.alive_until, view.now)
        resume = view.screen.dim(f"(sematic resume {short_id(run.root_id)})")
        return f"{clean(run.lost_because or '')}; last heard of {heard} {resume}"
    failed = [r for r in view.runs if r.state is RunState.FAILED and r.failed_at is not None]
    if not failed:
        return clean(run.reason) if run.reason else None
    first = min(failed, key=lambda r: r.failed_at or 0)
    screen = view.screen
    why = f"{clean(first.name)} {screen.id(first.id)} failed: {_error_line(first, screen)}"
    return screen.style(why, "red") + screen.dim(f" (sematic show {short_id(first.id)})")


def _error_line(run: "RunRow", screen: Screen) -> str:
    if run.error is None:
        return clean(run.reason or "")
    return describe_error(run.error.type, run.error.message, screen.sentence_room)


# --- a run -----------------------------------------------------------------------------------


def _run_header(view: _View, run: "RunRow") -> list[str]:
    root, took = view.pipeline_run, view.duration(run)
    preposition = "in" if run.state.is_terminal else "for"
    parent = next((other for other in view.runs if other.id == run.parent_id), None)
    facts = [
        ("id", run.id),
        ("function", run.function_path),
        ("pipeline", f"{root.name} {view.screen.id(root.root_id)} {root.shown_status}"),
        ("called by", f"{parent.name} {view.screen.id(parent.id)}" if parent else None),
        ("created", f"{format_time(run.created_at)} ({format_age(run.created_at, view.now)})"),
        ("started", format_time(run.started_at) if run.started_at else None),
        ("ended", format_time(run.ended_at) if run.ended_at else None),
        ("canceled", format_time(run.canceled_at) if run.canceled_at else None),
        ("attempts", str(run.attempt) if run.attempt > 1 else None),
        ("standalone", "yes" if run.standalone else None),
        ("options", _options(run)),
        _origin(run),
    ]
    rest = f"{preposition} {took}" if took else ""
    headline = _headline(view.screen, run.state.value, run.name, rest)
    reason = clean(run.reason) if run.reason else None
    return [headline, *_facts(facts, view.screen, reason=reason)]


def _origin(run: "RunRow") -> tuple[str, str | None]:
    label = "cached" if run.cache_key else "reused"
    return label, f"the output of run {run.original_run_id}" if run.original_run_id else None


def _options(run: "RunRow") -> str | None:
    shown = {k: v for k, v in run.options.items() if k not in ("name", "standalone")}
    if "retry" in shown:
        shown["retry"] = _as_written(shown["retry"])
    return ", ".join(f"{name}={value}" for name, value in shown.items()) or None


def _as_written(retry: Mapping[str, Any]) -> str:
    """Retry settings as they stand in a program."""
    kinds = [path.removeprefix("builtins.") for path in retry["exceptions"]]
    numbers = (f"{name}={value}" for name, value in retry.items() if name != "exceptions")
    exceptions = f"({', '.join(kinds)}{',' * (len(kinds) == 1)})"
    return f"RetrySettings({', '.join([exceptions, *numbers])})"


def _values(
    queries: "Queries", run: "RunRow", screen: Screen, *, inputs: bool, outputs: bool
) -> Iterator[list[str]]:
    if inputs and (arguments := queries.inputs(run.id)):
        rows = [(i.name, i.artifact, "(not known yet)") for i in arguments]
        yield [screen.dim("inputs"), *_value_lines(rows, screen)]
    if outputs and (run.output_id is not None or not run.state.is_terminal):
        artifact = queries.artifact(run.output_id) if run.output_id else None
        yield [screen.dim("output"), *_value_lines([("", artifact, "(not known yet)")], screen)]


def _value_lines(rows: Sequence[tuple[str, Any, str]], screen: Screen) -> Iterator[str]:
    from sematic.cli.values import build_node, format_flat

    columns = [Column(""), Column("", least=12, rank=2), Column("", rank=1), Column("", least=20)]
    cells = [
        [
            Cell(name, bold=True),
            Cell(ref.type if ref else "", "cyan"),
            Cell(screen.id(ref.id) if ref else "", "yellow"),
            Cell(format_flat(build_node(ref), _MOST_CHARACTERS) if ref else unknown),
        ]
        for name, ref, unknown in rows
    ]
    if not any(name for name, *_ in rows):
        columns, cells = columns[1:], [row[1:] for row in cells]
    return (f"  {line}" for line in build_table(columns, cells, screen.narrower(2)))


def _attempts(attempts: Sequence["AttemptRow"], screen: Screen) -> list[str]:
    """The attempts before the last one, and what became of them."""
    lines = []
    for attempt in attempts:
        seconds, certain = attempt.took or (0.0, True)
        took = ("" if certain else "< ") + format_duration(seconds) if attempt.took else "?"
        why = attempt.reason or ""
        if attempt.error is not None:
            error = attempt.error
            why = describe_error(error.type, error.message, screen.sentence_room)
        lines.append(f"  {attempt.attempt}  {format_time(attempt.ended_at)}  {took:>7}  {why}")
    return [screen.dim("earlier attempts (number, end, took, why)"), *lines] if lines else []


def _error(run: "RunRow", screen: Screen) -> list[str]:
    assert run.error is not None
    text = run.error.traceback.rstrip() or _error_line(run, screen)
    return [screen.style(line, "red") for line in text.split("\n")]


# --- the tree --------------------------------------------------------------------------------


def _tree(view: _View, root: "RunRow", *, everything: bool) -> list[str]:
    lines = view.tree.lines(root, view.screen, everything=everything)
    table = build_table(_TREE_COLUMNS, [_tree_row(line, view) for line in lines], view.screen)
    if any(line.run is None for line in lines):
        table += ["", view.screen.dim(f"Every run: sematic show {short_id(root.id)} --all")]
    return table


def _tree_row(line: TreeLine, view: _View) -> list[Cell]:
    run, screen = line.run, view.screen
    if run is None:
        return [Cell(line.stem + line.summary, "bright_black"), *[Cell("")] * 4]
    abandoned = view.pipeline_run.driver_lost and not run.state.is_terminal
    colour = "bright_black" if abandoned else SIGNS[run.state.value].colour
    return [
        Cell(f"{line.stem}{screen.sign(run.state.value)} {run.name}", colour),
        Cell(screen.id(run.id), "yellow"),
        Cell(run.state.value, colour),
        Cell(view.duration(run)),
        Cell(_notes(run, screen, abandoned=abandoned)),
    ]


def _notes(run: "RunRow", screen: Screen, *, abandoned: bool) -> str:
    parts = ["unfinished"] if abandoned else []
    if run.original_run_id is not None:
        parts.append(_origin(run)[0])
    if run.attempt > 1:
        parts.append(f"attempt {run.attempt}")
    if run.error is not None:
        parts.append(_error_line(run, screen))
    return ", ".join(parts)
