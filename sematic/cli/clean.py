"""``sematic clean``: end the pipeline runs that nobody drives any more."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sematic.cli.consent import ask_first
from sematic.cli.record import open_record_in_reserve
from sematic.cli.screen import Cell, Column, Screen, build_table, echo, find_screen
from sematic.errors import FencedError, SematicError
from sematic.wording import SIGNS, format_count

if TYPE_CHECKING:
    from sematic.tracking.views import PipelineRunRow

_COLUMNS = (Column(""), Column("", least=12), Column(""), Column("", least=20))


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where nobody can be asked.")
def clean(dry_run: bool, yes: bool) -> None:
    """End every pipeline run whose driver is lost.

    They become FAILED, with the reason, and cannot be resumed any more. What their functions have
    started on this machine is ended.
    """
    from sematic.tracking.views import DRIVER_LOST

    queries, screen = open_record_in_reserve(), find_screen()
    lost = queries.pipeline_runs(statuses={DRIVER_LOST})
    if not lost:
        click.echo("Every pipeline run has ended, or is driven by somebody.", err=True)
        return
    count = format_count(len(lost), "pipeline run")
    if not (dry_run or yes):
        ask_first(
            f"End {count}? What is ended cannot be resumed.",
            otherwise=f"{count} would be ended, and could not be resumed any more. To do it: "
            "sematic clean --yes. To list them: sematic clean --dry-run",
            show=lambda: _print_table(lost, screen),
        )
    errors = [] if dry_run else list(map(_settle, lost))
    _print_table([queries.pipeline_run(row.root_id) for row in lost], screen)
    if dry_run:
        click.echo(f"{count} to be ended.", err=True)
    if any(errors):
        raise click.ClickException("\n".join(filter(None, errors)))


def _print_table(rows: Sequence["PipelineRunRow"], screen: Screen) -> None:
    echo(build_table(_COLUMNS, [_cells(row, screen) for row in rows], screen), screen)


def _settle(row: "PipelineRunRow") -> str | None:
    """End a pipeline run; returns what is wrong where that cannot be done."""
    from sematic.ray_backend.taking_over import end_in_ray
    from sematic.settings import load_settings
    from sematic.tracking.settling import settle_lost

    try:
        url = load_settings().database_url
        settle_lost(url, row, end_in_ray=end_in_ray)
    except FencedError:  # somebody else resumes or ends it just now
        return None
    except SematicError as error:  # the others can still be ended
        return f"Pipeline run {row.root_id} could not be ended: {error}"
    return None


def _cells(row: "PipelineRunRow", screen: Screen) -> list[Cell]:
    status = row.shown_status
    return [
        Cell(screen.id(row.root_id), "yellow"),
        Cell(row.name, bold=True),
        Cell(f"{screen.sign(status)} {status}", SIGNS[status].colour),
        Cell(row.lost_because or row.reason or ""),
    ]
