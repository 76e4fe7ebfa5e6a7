"""``sematic settings``: show, set and delete the user's settings.

Loads nothing but click when it is imported.
"""

import os
import sys

import click
from click.shell_completion import CompletionItem


class _SettingCommand(click.Command):
    """A command whose help lists the settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from sematic.settings import SETTINGS

        with formatter.section("Settings"):
            formatter.write_dl([(setting.name, setting.description) for setting in SETTINGS])


def _complete_name(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from sematic.settings import SETTINGS

    return [
        CompletionItem(setting.name, help=setting.description)
        for setting in SETTINGS
        if setting.name.startswith(incomplete.upper())
    ]


def _complete_value(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from sematic.settings import SETTINGS

    choices = [item.choices for item in SETTINGS if item.name == ctx.params.get("name")]
    return [CompletionItem(choice) for choice in sum(choices, ()) if choice.startswith(incomplete)]


@click.group("settings")
def settings_group() -> None:
    """Show and change your settings."""


@settings_group.command("show")
def show() -> None:
    """Show all settings and where they come from; secrets are masked."""
    from sematic.errors import SettingsError
    from sematic.settings import find_settings, settings_path

    try:
        rows = [
            (found.setting.name, found.shown or "(not set)", found.origin if found.value else "")
            for found in find_settings(reading=True)
        ]
        path = settings_path(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())
    click.echo(f"\nSettings file: {path}{'' if path.exists() else ' (does not exist)'}")


@settings_group.command(
    "set", cls=_SettingCommand, context_settings={"ignore_unknown_options": True}
)
@click.argument("name", metavar="VAR", shell_complete=_complete_name)
@click.argument("value", metavar="[VALUE]", required=False, shell_complete=_complete_value)
def set_(name: str, value: str | None) -> None:
    """Set VAR to VALUE in the settings file.

    Leave VALUE out to be asked for it: a secret is then not shown, and not in the shell's history.
    """
    from sematic.errors import SettingsError
    from sematic.settings import get_setting, set_setting

    try:
        setting = get_setting(name)
        if value is None:
            value = _ask_for(name, secret=setting.secret)
        set_setting(name, value)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    shown = "" if setting.secret else f" to '{setting.show(value)}'"
    click.echo(f"Successfully set {name}{shown}")
    _warn_of_environment(name)


@settings_group.command("delete", cls=_SettingCommand)
@click.argument("name", metavar="VAR", shell_complete=_complete_name)
def delete(name: str) -> None:
    """Delete VAR from the settings file."""
    from sematic.errors import SettingsError
    from sematic.settings import delete_setting

    try:
        deleted = delete_setting(name)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Successfully deleted {name}" if deleted else f"{name} is not in the settings file")
    _warn_of_environment(name)


def _ask_for(name: str, *, secret: bool) -> str:
    try:
        value: str = click.prompt(name, hide_input=secret, type=str)
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C, not the end of what there is to read
            raise
        click.echo()
        raise click.UsageError("Missing argument 'VALUE'.") from None
    return value


def _warn_of_environment(name: str) -> None:
    if os.environ.get(name):
        click.echo(
            f"The environment variable {name} is set; it takes precedence over the file.", err=True
        )
