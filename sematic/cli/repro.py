"""``sematic repro``: one recorded run again, here and alone."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sematic.cli.record import RunId, open_record, read_run, show_cause
from sematic.cli.screen import Screen, find_screen
from sematic.wording import SIGNS, clean, describe_error, format_duration, short_id

if TYPE_CHECKING:
    from sematic.calls import ArtifactRef, ErrorRecord, Expanded, Failed
    from sematic.function import Function
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import RunRow


@click.command()
@click.argument("run_id", metavar="RUN", type=RunId())
@click.option("--pdb", "debug", is_flag=True, help="Stop in the debugger where it fails.")
@click.option(
    "--copy",
    type=click.Path(file_okay=False, path_type=Path),
    help="Execute nothing; write a script to this directory, with the inputs beside it.",
)
def repro(run_id: str, debug: bool, copy: Path | None) -> None:
    """Execute RUN once more, here and alone.

    Its function executes in this process, whatever ran it then, with its recorded inputs and the
    code as it is now. Nothing is recorded; calls that it makes are listed, and not executed.
    """
    from sematic.artifacts.store import FileSystemStore
    from sematic.runners.resuming import original_surroundings
    from sematic.settings import load_settings

    queries = open_record()
    run = read_run(queries, run_id)
    inputs = _inputs(queries, run)
    store = FileSystemStore(load_settings(reading=True).artifacts_uri)
    environment = queries.environment(run.root_id)
    copy = copy and copy.absolute()
    with original_surroundings(environment) as places:
        function = _find_function(run)
        _check_arguments(function, inputs)
        if copy is not None:
            from sematic.cli.repro_script import write_script

            values = {name: store.get(ref) for name, ref in inputs.items()}
            try:
                path = write_script(
                    copy, run, function, values=values, environment=environment, places=places
                )
            except OSError as error:
                place = error.filename or copy
                raise click.ClickException(f"Cannot write {place}: {error.strerror}.") from error
            click.echo(f"Wrote {path}. To execute it: python {path}")
        else:
            _execute(run, function, inputs, store=store, debug=debug)


def _inputs(queries: "Queries", run: "RunRow") -> "dict[str, ArtifactRef]":
    arguments = queries.inputs(run.id)
    unknown = [argument.name for argument in arguments if argument.artifact is None]
    if unknown:
        raise click.ClickException(
            f"Run {short_id(run.id)} of {run.name} never had all of its inputs, so that there is "
            f"nothing to execute: {', '.join(unknown)}. See: sematic why {short_id(run.id)}"
        )
    return {a.name: a.artifact for a in arguments if a.artifact is not None}


def _find_function(run: "RunRow") -> "Function[..., object]":
    from sematic.shipping import locate_function

    try:
        return locate_function(run.function_path)
    except ImportError as error:
        show_cause(error)
        elsewhere = ""
        if run.function_path.startswith("__main__."):
            elsewhere = " Functions of notebooks and consoles cannot be found from here."
        raise click.ClickException(
            f"{error}{elsewhere} Its code as it was: sematic show {short_id(run.id)} --source"
        ) from error


def _check_arguments(function: "Function[..., object]", inputs: Mapping[str, object]) -> None:
    parameters = function.__signature__.parameters
    gone = [f"{name!r} is gone" for name in inputs if name not in parameters]
    new = [
        f"{name!r} is new"
        for name, parameter in parameters.items()
        if name not in inputs and parameter.default is parameter.empty
    ]
    if gone or new:
        raise click.ClickException(
            f"The arguments of {function.path} have changed since it was recorded: "
            f"{', '.join(gone + new)}."
        )


def _execute(
    run: "RunRow",
    function: "Function[..., object]",
    inputs: "Mapping[str, ArtifactRef]",
    *,
    store: Any,
    debug: bool,
) -> None:
    import time

    from sematic.calls import Call, Expanded, Failed
    from sematic.execution import execute_call

    screen = find_screen()
    call = Call(run.id, run.root_id, run.parent_id, function, {}, function.options)
    started = time.monotonic()
    with _scratch_store(store) as scratch:
        outcome = execute_call(call, inputs, store=scratch, attempt=max(run.attempt, 1))
        took = format_duration(time.monotonic() - started)
        match outcome:
            case Failed():
                _tell_failure(run, outcome, took, screen, debug=debug)
            case Expanded():
                _tell_calls(run, outcome, took, screen)
            case _:
                _tell_output(run, outcome.output, took, screen)


class _ScratchStore:
    """Reads what is recorded, and writes to a directory that is gone afterwards."""

    def __init__(self, recorded: Any, scratch: Any) -> None:
        self._recorded = recorded
        self.put = scratch.put
        self.check = recorded.check

    def get(self, ref: "ArtifactRef") -> Any:
        return self._recorded.get(ref)


@contextmanager
def _scratch_store(store: Any) -> Iterator[_ScratchStore]:
    from sematic.artifacts.store import FileSystemStore

    with tempfile.TemporaryDirectory(prefix="sematic-repro-") as place:
        yield _ScratchStore(store, FileSystemStore(place))


def _tell_output(run: "RunRow", output: "ArtifactRef", took: str, screen: Screen) -> None:
    from sematic.cli.values import build_node, format_flat

    if run.error is not None:
        compared = _recorded_error(run.error)
    elif run.output_id is None:
        compared = "none is recorded"
    elif run.output_id == output.id:
        compared = "as recorded"
    else:
        compared = f"another one is recorded: sematic artifact {short_id(run.output_id)}"
    value = screen.fit(format_flat(build_node(output), 2000), screen.width and screen.width - 2)
    click.echo(_headline("RESOLVED", run.name, f"returned in {took}, {compared}", screen))
    click.echo(f"  {value}")


def _tell_calls(run: "RunRow", outcome: "Expanded", took: str, screen: Screen) -> None:
    names: dict[str, int] = {}
    for made in outcome.calls:
        names[made.options.name] = names.get(made.options.name, 0) + 1
    listed = ", ".join(f"{count:,} × {clean(name)}" for name, count in names.items())
    recorded = f", {_recorded_error(run.error)}" if run.error is not None else ""
    rest = f"returned in {took}{recorded}; it made calls, not executed here:"
    click.echo(_headline("RAN", run.name, rest, screen))
    click.echo(f"  {screen.fit(listed, screen.width and screen.width - 2)}")


def _tell_failure(
    run: "RunRow", outcome: "Failed", took: str, screen: Screen, *, debug: bool
) -> None:
    error, exception = outcome.error, outcome.exception
    if isinstance(exception, KeyboardInterrupt):
        raise SystemExit(130)
    click.echo(error.traceback.rstrip() or describe_error(error.type, error.message), err=True)
    recorded = run.error
    if recorded is None:
        compared = "which is not recorded of it"
    elif (recorded.type, recorded.message) == (error.type, error.message):
        compared = "as recorded"
    else:
        compared = _recorded_error(recorded)
    line = _headline("FAILED", run.name, f"failed after {took}, {compared}", screen)
    click.echo(line, err=True)
    if debug and exception is not None:
        import pdb

        from sematic.error_records import trim

        pdb.post_mortem(trim(exception.__traceback__) or exception.__traceback__)
    sys.exit(1)


def _recorded_error(recorded: "ErrorRecord") -> str:
    return f"recorded is {describe_error(recorded.type, recorded.message)}"


def _headline(state: str, name: str, rest: str, screen: Screen) -> str:
    sign = screen.style(screen.sign(state), SIGNS[state].colour)
    return f"{sign} {screen.style(clean(name), bold=True)}  {rest}"
