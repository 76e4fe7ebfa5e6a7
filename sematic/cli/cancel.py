"""``sematic cancel``: end a pipeline run."""

import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from sematic.cli.record import RunId, find_run, open_record_in_reserve
from sematic.cli.screen import find_screen
from sematic.states import PipelineRunStatus, RunState
from sematic.wording import count_states, short_id

if TYPE_CHECKING:
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import PipelineRunRow

_MOST_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_EXECUTING = (RunState.SCHEDULED, RunState.RAN, RunState.RETRYING)


@click.command()
@click.argument("run_id", metavar="RUN", type=RunId())
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", help="Why, one sentence: it is shown with whatever was cancelled.")
def cancel(run_id: str, yes: bool, reason: str | None) -> None:
    """Cancel the pipeline run that RUN belongs to.

    What executes is ended, with the processes that it started, on whatever machine it is; the
    command returns when nothing of it is left. Where the driver is lost, the pipeline run is
    ended from here.
    """
    from sematic.client import cancel_run

    queries = open_record_in_reserve()
    root_id = queries.resolve_root_id(find_run(queries, run_id))
    row = queries.pipeline_run(root_id)
    if row.status.is_terminal:
        raise click.ClickException(f"Pipeline run {short_id(root_id)} has {_end(row)}")
    if not yes and sys.stdin.isatty():
        click.confirm(
            f"Canceling pipeline run {short_id(root_id)} ({row.name}), all runs in the pipeline "
            "will be cancelled. Proceed?",
            abort=True,
        )
    deadline, line = time.monotonic() + _MOST_SECONDS, _ProgressLine()
    while not cancel_run(root_id, reason=reason).is_terminal:
        if time.monotonic() > deadline:
            raise click.ClickException(_not_yet(queries.pipeline_run(root_id)))
        line.show(_standing(queries, root_id))
        time.sleep(_PAUSE_SECONDS)
    line.clear()
    row = queries.pipeline_run(root_id)
    if row.status is not PipelineRunStatus.CANCELED:
        raise click.ClickException(
            f"Pipeline run {short_id(root_id)} could not be cancelled any more: it has {_end(row)}"
        )
    click.echo("Pipeline run was canceled successfully.")


def _end(row: "PipelineRunRow") -> str:
    why = f": {row.reason}" if row.reason else "."
    return f"ended {row.status.value}{why}"


def _standing(queries: "Queries", root_id: str) -> str:
    row = queries.pipeline_run(root_id)
    counts = queries.state_counts([root_id])[root_id]
    executing = count_states({s: counts[s] for s in _EXECUTING if s in counts})
    driver = f"process {row.driver.get('pid')} on {row.driver.get('host')}"
    return f"Waiting for {driver} to end it{f' ({executing})' if executing else ''}..."


def _not_yet(row: "PipelineRunRow") -> str:
    root_id = short_id(row.root_id)
    return (
        f"Pipeline run {root_id} has not ended within {_MOST_SECONDS:.0f} seconds. Process "
        f"{row.driver.get('pid')} on {row.driver.get('host')} drives it and was told; it may be in "
        "C code, which does not listen. Once it is gone, or shows no sign of life any more on "
        f"another machine, this command ends the pipeline run itself. See: sematic show {root_id}"
    )


class _ProgressLine:
    """One line on standard error that tells how things stand; in a pipe it stays the first one."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        """Say how things stand."""
        if self._terminal:  # what is longer than a line could not be cleared
            text = find_screen().fit(text, shutil.get_terminal_size().columns - 1)
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        elif not self._shown:
            click.echo(text, err=True)
        self._shown = text

    def clear(self) -> None:
        """Make room for what comes next."""
        if self._terminal and self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
