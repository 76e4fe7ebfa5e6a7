"""``sematic runs``: the latest pipeline runs."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from sematic.cli.record import NO_RUNS, Count, open_record
from sematic.cli.screen import Cell, Column, Screen, build_table, echo, find_screen
from sematic.states import PipelineRunStatus, RunState
from sematic.wording import SIGNS, count_states, format_age, format_duration, format_time

if TYPE_CHECKING:
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import PipelineRunRow, RunRow

_STATUSES = [*(status.value.lower() for status in PipelineRunStatus), "lost"]

_COLUMNS = (
    Column("ID"),
    Column("NAME", least=12),
    Column("STATUS"),
    Column("STARTED", rank=2),
    Column("TOOK", right=True, rank=1),
    Column("RUNS", least=12, rank=3),
)


@click.command()
@click.option(
    "-n",
    "--limit",
    metavar="N",
    type=Count(least=1),
    default=20,
    show_default=True,
    help="List N at most.",
)
@click.option(
    "-s",
    "--status",
    "statuses",
    type=click.Choice(_STATUSES, case_sensitive=False),
    multiple=True,
    help="Only these; can be given more than once. lost: its driver is gone.",
)
@click.option("--name", help="Only those with this in their name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with times in seconds.")
def runs(limit: int, statuses: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """List the latest pipeline runs."""
    from sematic.tracking.views import DRIVER_LOST

    queries = open_record()
    wanted = {DRIVER_LOST if status == "lost" else status.upper() for status in statuses}
    found = queries.pipeline_runs(limit=limit, statuses=wanted, name=name)
    counts = queries.state_counts([run.root_id for run in found])
    if as_json:
        failures = queries.first_failures([run.root_id for run in found])
        described = [_to_json(run, counts[run.root_id], failures.get(run.root_id)) for run in found]
        click.echo(json.dumps(described, indent=2))
    elif found:
        _print_table(found, counts)
    else:
        click.echo(_nothing(queries, filtered=bool(wanted or name)), err=True)


def _nothing(queries: "Queries", *, filtered: bool) -> str:
    if queries.is_empty or not filtered:
        return NO_RUNS
    return "No pipeline run is like that. To see all of them: sematic runs"


def _print_table(
    found: Sequence["PipelineRunRow"], counts: Mapping[str, Mapping[RunState, int]]
) -> None:
    screen, now = find_screen(), time.time()
    rows = [_row(run, counts[run.root_id], screen, now=now) for run in found]
    echo(build_table(_COLUMNS, rows, screen), screen)


def _row(
    run: "PipelineRunRow", counts: Mapping[RunState, int], screen: Screen, *, now: float
) -> list[Cell]:
    status = run.shown_status
    started = format_age(run.created_at, now) if screen.width else format_time(run.created_at)
    return [
        Cell(screen.id(run.root_id), "yellow"),
        Cell(run.name, bold=True),
        Cell(f"{screen.sign(status)} {status}", SIGNS[status].colour),
        Cell(started),
        Cell(duration(run, now)),
        Cell(count_states(counts, abandoned=run.driver_lost)),
    ]


def duration(run: "PipelineRunRow", now: float) -> str:
    """How long a pipeline run took, or takes; empty where nobody knows."""
    return "" if run.ended_by_others else format_duration(last_time(run, now) - run.created_at)


def last_time(run: "PipelineRunRow", now: float) -> float:
    """When a pipeline run ended; now, if it runs, or when it was heard of last."""
    if run.ended_at is not None:
        return run.ended_at
    return run.alive_until if run.driver_lost else now


def _to_json(
    run: "PipelineRunRow", counts: Mapping[RunState, int], failure: "RunRow | None"
) -> dict[str, object]:
    """What docs/command-line.md promises: keys may be added, none is taken away or left out."""
    return {
        "id": run.root_id,
        "name": run.name,
        "function": run.function_path,
        "status": run.status.value,
        "driver_lost": run.driver_lost,
        "lost_because": run.lost_because,
        "reason": run.reason,
        "error": _error_to_json(failure),
        "runner": run.runner,
        "cache_namespace": run.cache_namespace,
        "client_version": run.client_version,
        "driver": {"host": run.driver.get("host"), "pid": run.driver.get("pid")},
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "runs": {state.value: count for state, count in sorted(counts.items())},
    }


def _error_to_json(failure: "RunRow | None") -> dict[str, object] | None:
    """Of the run that failed first."""
    if failure is None or failure.error is None:
        return None
    return {
        "type": failure.error.type,
        "message": failure.error.message,
        "run_id": failure.id,
        "run_name": failure.name,
    }
