"""The record as commands see it: short ids, their completion, what to say without any."""

import traceback
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sematic.errors import NotFoundError, SematicError
from sematic.wording import clean, short_id

if TYPE_CHECKING:  # loaded when a command asks: help and completion need none
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import RunRow

NO_RUNS = "No runs yet. Run a pipeline and it is listed here, for example: sematic run examples/add"
_MOST_COMPLETIONS = 30
_MOST_NUMBER = 2**63 - 1  # that databases take, and more than there is of anything


def open_record() -> "Queries":
    """Questions to the record that the settings name.

    Raises:
        RecordError, SettingsError: it cannot be read.
    """
    from sematic.client import open_record as open_

    return open_()


def open_record_in_reserve() -> "Queries":
    """As :func:`open_record`, for commands that mend a full disk, on which nothing can be read.

    Raises:
        RecordError, SettingsError: it cannot be read.
    """
    from sematic.tracking.faults import NoSpaceError

    try:
        return open_record()
    except NoSpaceError:
        from sematic.settings import load_settings
        from sematic.tracking.reserve import in_reserve

        return in_reserve(load_settings(reading=True).database_url, open_record)


def find_run(queries: "Queries", prefix: str) -> str:
    """The id of the run that a short id means: a pipeline run comes before a nested run.

    Raises:
        NotFoundError: there is none, or more than one.
    """
    if queries.is_empty:
        raise NotFoundError(f"There is no run '{prefix}'. {NO_RUNS}")
    try:
        return queries.resolve_pipeline_run_id(prefix)
    except NotFoundError:
        return queries.resolve_run_id(prefix)


def read_run(queries: "Queries", prefix: str) -> "RunRow":
    """The run that a short id means.

    Raises:
        NotFoundError: there is none, or more than one; or it is a pipeline run of which nothing
            is recorded but that it has begun.
    """
    found = find_run(queries, prefix)
    try:
        return queries.run(found)
    except NotFoundError:
        row = queries.pipeline_run(found)
    name = f"pipeline run {short_id(found)} ({clean(row.name)})"
    if row.driver_lost or row.status.is_terminal:
        what = f"Nothing was recorded of {name} before its driver was lost, so run it again."
    else:
        what = f"Nothing is recorded of {name} yet: it has only just begun."
    raise NotFoundError(what)


def missing_code(error: ImportError, *, option: str, otherwise: str) -> click.ClickException:
    """What to raise where a recorded function is not to be found.

    Args:
        error: names it.
        option: of the LocalRunner that does the same as the command, where the function is.
        otherwise: what else can be done where it was in a file.
    """
    show_cause(error)
    if " __main__." in str(error):
        advice = (
            "Functions of notebooks and consoles cannot be found from here: there, write "
            f"LocalRunner({option}).run(<the same future>)."
        )
    else:
        moved = str(error).endswith("did it change location?")
        mend = "Bring it back, under the same name," if moved else "Mend that"
        advice = f"{mend} and call this again; or {otherwise}."
    return click.ClickException(f"{error} {advice}")


def show_cause(error: ImportError) -> None:
    """With ``--verbose``, show what the user's module raised, without the frames before it."""
    from sematic.error_records import trim

    cause = error.__cause__
    if cause is None or not click.get_current_context().find_root().params.get("verbose"):
        return
    frames = trim(cause.__traceback__)
    while frames is not None and "importlib" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    click.echo("".join(traceback.format_exception(cause.with_traceback(frames))), err=True)


class _Id(click.ParamType):  # type: ignore[type-arg]
    """An id, maybe short."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what a shell variable without a value leaves."""
        if not value.strip():
            self.fail("the id is empty.", param, ctx)
        return value


class Count(click.ParamType):  # type: ignore[type-arg]
    """A whole number. Those of click are called integer ranges, and say ``x>=1``."""

    name = "number"

    def __init__(self, *, least: int) -> None:
        self._least = least

    def convert(
        self, value: "str | int", param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number; what is more than a record can hold counts as just that.

        Raises:
            BadParameter: it is none, or too small.
        """
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is no number.", param, ctx)
        if number < self._least:
            self.fail(f"{value} is less than {self._least}.", param, ctx)
        return min(number, _MOST_NUMBER)


class ArtifactId(_Id):
    """An id of an artifact, maybe short."""

    name = "artifact"


class RunId(_Id):
    """An id of a run, maybe short."""

    name = "run"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The latest pipeline runs, or the runs that the text can mean."""
        try:
            return _complete_run(open_record(), incomplete)
        except SematicError:  # no place to show an error: nothing to choose from
            return []


def _complete_run(queries: "Queries", incomplete: str) -> list[CompletionItem]:
    latest = [
        CompletionItem(run.root_id[:12], help=f"{clean(run.name)} {run.shown_status}")
        for run in queries.pipeline_runs(limit=_MOST_COMPLETIONS)
        if run.root_id.startswith(incomplete.lower())
    ]
    if latest or not incomplete:
        return latest
    return [
        CompletionItem(run.id[:12], help=f"{clean(run.name)} {run.state.value}")
        for run in queries.runs_like(incomplete, limit=_MOST_COMPLETIONS)
    ]
