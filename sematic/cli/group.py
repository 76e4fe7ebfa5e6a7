"""``sematic``: the group of all commands, each loaded when it is called."""

import importlib
import logging
import os
import sys
import traceback
from contextlib import suppress
from typing import Any

import click

from sematic.errors import SematicError
from sematic.option_names import closest
from sematic.stop_signals import parting_of
from sematic.version import __version__

# In the order of the help.
_COMMANDS = {
    "run": "sematic.cli.run:run",
    "runs": "sematic.cli.runs:runs",
    "show": "sematic.cli.show:show",
    "logs": "sematic.cli.logs:logs",
    "why": "sematic.cli.why:why",
    "cancel": "sematic.cli.cancel:cancel",
    "resume": "sematic.cli.resume:resume",
    "rerun": "sematic.cli.rerun:rerun",
    "repro": "sematic.cli.repro:repro",
    "clean": "sematic.cli.clean:clean",
    "delete": "sematic.cli.delete:delete",
    "artifact": "sematic.cli.artifact:artifact",
    "artifacts": "sematic.cli.artifacts:artifacts_group",
    "gc": "sematic.cli.gc:gc",
    "settings": "sematic.cli.settings:settings_group",
    "completion": "sematic.cli.completion:completion",
    "version": "sematic.cli.version:version",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is needed, and words errors for people."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _open_what_is_closed()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if not _is_of_output(error):
                raise
            _give_output_up()
            with suppress(OSError):  # standard error may be the same file
                click.ClickException(f"The output cannot be written: {error.strerror}").show()
            sys.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            message = f"{error.message} {closest(args[0], _COMMANDS)}".rstrip()
            raise click.UsageError(message, ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SematicError as error:
            if ctx.params["verbose"]:
                traceback.print_exc()
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt as error:  # click would say "Aborted!", and end with 1
            click.echo(parting_of(error) or "", err=True)
            sys.exit(130)


def _open_what_is_closed() -> None:
    """Streams that whoever calls has closed (``>&-``) are ``None``: they lead nowhere instead."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _is_of_output(error: OSError) -> bool:
    """Whether click was writing, and nothing else, when this was raised."""
    last = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        last = frame.f_globals.get("__name__")
    return last == click.utils.__name__


def _give_output_up() -> None:
    """Let Python have nothing more to write when it ends: it would fail once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Ids may be shortened, as long as they are unique: sematic show 1a2b",
)
@click.option(
    "-v", "--verbose", count=True, help="Show what happens in detail; twice for still more."
)
@click.version_option(__version__, prog_name="sematic", message="%(prog)s %(version)s")
def main(verbose: int) -> None:
    """Turn typed Python functions into pipelines, run them and look at what they did."""
    if verbose:
        logging.basicConfig()
        logging.getLogger("sematic").setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
