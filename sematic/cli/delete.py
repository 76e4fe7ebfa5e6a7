"""``sematic delete``: take pipeline runs out of the record."""

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sematic.cli.consent import ask_first
from sematic.cli.record import RunId, find_run, open_record_in_reserve
from sematic.cli.screen import Cell, Column, Screen, build_table, echo, find_screen
from sematic.wording import SIGNS, format_age, format_count, short_id

if TYPE_CHECKING:
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import PipelineRunRow

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST_LISTED = 20
_COLUMNS = (
    Column(""),
    Column("", least=12),
    Column(""),
    Column("", rank=1),
    Column("", right=True, rank=2),
)


class _Age(click.ParamType):  # type: ignore[type-arg]
    """A duration such as ``30d``, as seconds."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        found = re.fullmatch(r"(\d+)([mhdw])", str(value).strip())
        if found is None:
            self.fail(f"'{value}' is no age. Write 30d, or 90m, 12h, 2w.", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.command()
@click.argument("run_ids", metavar="[RUN]...", type=RunId(), nargs=-1)
@click.option("--older-than", type=_Age(), help="All that ended so long ago: 30d, 12h, 2w.")
@click.option(
    "--keep-tag",
    "keep_tags",
    multiple=True,
    help="But for those with this tag; can be given more than once.",
)
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where nobody can be asked.")
def delete(
    run_ids: tuple[str, ...],
    older_than: float | None,
    keep_tags: tuple[str, ...],
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete pipeline runs: RUN, or all that are old.

    Only what has ended is deleted, with its runs, events and logs. Values stay where they are; an
    output that no other run names is not found by the cache any more.
    """
    from sematic.settings import load_settings

    if bool(run_ids) == (older_than is not None):
        raise click.UsageError("Name pipeline runs, or say --older-than; one of the two.")
    if keep_tags and older_than is None:
        raise click.UsageError("--keep-tag goes with --older-than.")
    queries, screen = open_record_in_reserve(), find_screen()
    if older_than is None:
        found = [_find_ended(queries, run_id) for run_id in run_ids]
        rows = list({row.root_id: row for row in found}.values())  # one may be named twice
    else:
        rows = _find_old(queries, older_than, keep_tags)
    if not rows:
        click.echo("No pipeline run is as old as that.", err=True)
        return
    count = format_count(len(rows), "pipeline run")
    table = _list(queries, rows, screen)
    if dry_run:
        echo(table, screen)
        click.echo(f"{count} to be deleted.", err=True)
        return
    if yes:
        echo(table, screen)
    else:
        ask_first(
            f"Delete {count}, with logs? This cannot be undone.",
            otherwise=f"{count} would be deleted, with logs, which cannot be undone. To do it, "
            "say --yes; to list what would be deleted, --dry-run.",
            show=lambda: echo(table, screen),
        )
    _delete(rows, load_settings().database_url)
    click.echo(f"Deleted {count}.")


def _find_ended(queries: "Queries", run_id: str) -> "PipelineRunRow":
    """The pipeline run that an id means.

    Raises:
        ClickException: it is that of a nested run, or has not ended.
    """
    found = find_run(queries, run_id)
    root_id = queries.resolve_root_id(found)
    if root_id != found:
        raise click.ClickException(
            f"Run {short_id(found)} is nested in pipeline run {short_id(root_id)}, and is deleted "
            f"with it only: sematic delete {short_id(root_id)}"
        )
    row = queries.pipeline_run(root_id)
    if not row.status.is_terminal:
        what = "can still be resumed" if row.driver_lost else "goes on"
        raise click.ClickException(
            f"Pipeline run {short_id(root_id)} has not ended: it {what}. To end it: "
            f"sematic cancel {short_id(root_id)}"
        )
    return row


def _find_old(
    queries: "Queries", seconds: float, keep_tags: Sequence[str]
) -> "list[PipelineRunRow]":
    from sematic.settings import load_settings
    from sematic.tracking.deleting import find_ended_before

    if queries.is_empty:
        return []
    url, moment = load_settings().database_url, time.time() - seconds
    return [
        queries.pipeline_run(root_id)
        for root_id in find_ended_before(url, moment, keep_tags=keep_tags)
    ]


def _list(queries: "Queries", rows: "Sequence[PipelineRunRow]", screen: Screen) -> list[str]:
    shown, now = rows[:_MOST_LISTED] if screen.width else rows, time.time()
    counts = queries.state_counts([row.root_id for row in shown])
    cells = [
        [
            Cell(screen.id(row.root_id), "yellow"),
            Cell(row.name, bold=True),
            Cell(f"{screen.sign(row.status.value)} {row.status.value}", _colour(row)),
            Cell(f"ended {format_age(row.ended_at or row.created_at, now)}"),
            Cell(format_count(sum(counts[row.root_id].values()), "run")),
        ]
        for row in shown
    ]
    lines = build_table(_COLUMNS, cells, screen)
    hidden = len(rows) - len(shown)
    return [*lines, screen.dim(f"... {hidden:,} more")] if hidden else lines


def _colour(row: "PipelineRunRow") -> str:
    return SIGNS[row.status.value].colour


def _delete(rows: "Sequence[PipelineRunRow]", url: str) -> None:
    from sematic.settings import config_directory
    from sematic.tracking.deleting import delete_pipeline_run

    logs: Path = config_directory() / "logs"
    for row in rows:
        delete_pipeline_run(url, row.root_id)
        try:
            shutil.rmtree(logs / row.root_id)
        except FileNotFoundError:  # it printed nothing
            pass
        except OSError as error:
            click.echo(f"The logs of {row.root_id} could not be deleted: {error}", err=True)
