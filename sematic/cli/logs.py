"""``sematic logs``: what runs printed."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sematic.cli.record import Count, RunId, find_run, open_record
from sematic.errors import NotFoundError
from sematic.log_files import find_logs
from sematic.wording import clean, short_id

if TYPE_CHECKING:
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import RunRow

_POLL_SECONDS = 0.3
_CHUNK = 1 << 20
_ONLY = "Only this attempt; 1 is the first, 0 is what putting its inputs together printed before."

Files = Sequence[tuple[int, Path]]
"""The attempts of a run that printed something, and their logs."""


@click.command()
@click.argument("run_id", metavar="RUN", type=RunId())
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--attempt", metavar="N", type=Count(least=0), help=_ONLY)
def logs(run_id: str, follow: bool, attempt: int | None) -> None:
    """Show what RUN printed.

    For a pipeline run that is what all of its runs printed, each under a line with its name.
    """
    from sematic.settings import readable_directory

    queries = open_record()
    scope = _find_scope(queries, find_run(queries, run_id))
    printer = _Printer(readable_directory() / "logs" / scope.root_id, attempt)
    if follow:
        _follow(scope, printer)
    else:
        printer.print_new(scope)
    if not printer.has_printed:
        _explain(scope, printer)


@dataclass
class _Scope:
    """The runs whose output is wanted: one, or all of a pipeline run."""

    queries: "Queries"
    root_id: str
    run_id: str | None
    title: str
    _known: "dict[str, RunRow]" = field(default_factory=dict)

    def select(self, logs: Mapping[str, Files]) -> "list[tuple[RunRow, Files]]":
        """The runs that ``logs`` are of, in the order of their creation."""
        wanted = [run_id for run_id in logs if self.run_id in (None, run_id)]
        if not self._known.keys() >= set(wanted):
            self._known = {run.id: run for run in self.queries.runs(self.root_id)}
        runs = [self._known[run_id] for run_id in wanted if run_id in self._known]
        return [(run, logs[run.id]) for run in sorted(runs, key=lambda run: run.ordinal)]

    def ending(self) -> str | None:
        """``None`` while something may still be printed; else why not, if it is no good end."""
        pipeline_run = self.queries.pipeline_run(self.root_id)
        if pipeline_run.status.is_terminal:
            return ""
        if self.run_id is not None and self.queries.run(self.run_id).state.is_terminal:
            return ""
        if pipeline_run.driver_lost:
            return f"Pipeline run {short_id(self.root_id)}: {pipeline_run.lost_because}."
        return None


def _find_scope(queries: "Queries", run_id: str) -> _Scope:
    try:
        run = queries.pipeline_run(run_id)
    except NotFoundError:
        nested = queries.run(run_id)
        title = f"{clean(nested.name)} {short_id(run_id)}"
        return _Scope(queries, nested.root_id, run_id, title)
    return _Scope(queries, run_id, None, f"{clean(run.name)} {short_id(run_id)}")


@dataclass
class _Printer:
    """Prints the logs in a directory, and knows how far it has come."""

    directory: Path
    attempt: int | None
    has_printed: bool = False
    _offsets: dict[Path, int] = field(default_factory=dict)
    _latest: Path | None = None
    _ends_line: bool = True

    def find_logs(self) -> Mapping[str, Files]:
        """The logs that there are, by run id."""
        found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
        for run_id, attempt, path in find_logs(self.directory):
            found[run_id].append((attempt, path))
        return {run_id: sorted(files) for run_id, files in found.items()}

    def print_new(self, scope: _Scope) -> None:
        """Print what was not printed before, run by run."""
        for run, files in scope.select(self.find_logs()):
            several = len(files) > 1 or files[-1][0] > 1
            for attempt, path in files:
                heading = f"{clean(run.name)} {short_id(run.id)}"
                heading += f", attempt {attempt}" if several else ""
                if self.attempt in (None, attempt):
                    self._print_file(path, heading if several or scope.run_id is None else None)
        sys.stdout.flush()

    def _print_file(self, path: Path, heading: str | None) -> None:
        for piece in _read_from(path, self._offsets.get(path, 0)):
            if path != self._latest:
                self._begin(heading)
                self._latest = path
            self._offsets[path] = self._offsets.get(path, 0) + len(piece)
            self._ends_line = piece.endswith(b"\n")
            click.echo(piece, nl=False)
            self.has_printed = True

    def _begin(self, heading: str | None) -> None:
        if not self._ends_line:
            click.echo()
        if heading is not None:
            click.echo(("\n" if self.has_printed else "") + f"==> {heading} <==")


def _read_from(path: Path, offset: int) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            while piece := file.read(_CHUNK):
                yield piece
    except FileNotFoundError:  # removed again, as nothing was printed
        return


def _follow(scope: _Scope, printer: _Printer) -> None:
    """Print until there is nothing more to come.

    The record is read first: what a run prints is in its log before the record says that it ended.
    """
    ending = None
    try:
        while ending is None:
            ending = scope.ending()
            printer.print_new(scope)
            if ending is None:
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        sys.exit(130)
    if ending:
        click.echo(ending, err=True)


def _explain(scope: _Scope, printer: _Printer) -> None:
    """Say why nothing was printed."""
    logs = scope.select(printer.find_logs())
    attempts = sorted({attempt for _, files in logs for attempt, _ in files})
    if printer.attempt is not None and attempts:
        listed = ", ".join(map(str, attempts))
        raise click.ClickException(
            f"{scope.title} has no output of attempt {printer.attempt}; there is output of "
            f"attempt {listed}."
        )
    if scope.run_id is None and not logs and printer.find_logs():  # the driver was killed too soon
        where = f"What its functions printed before is in {printer.directory}"
        click.echo(f"No run of {scope.title} was recorded. {where}", err=True)
        return
    click.echo(f"{scope.title} printed nothing.", err=True)
