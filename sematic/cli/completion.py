"""``sematic completion``: commands, options and ids, completed by the shell."""

import os

import click

_VARIABLE = "_SEMATIC_COMPLETE"
_INSTALL = {
    "bash": 'Add this line to ~/.bashrc:\n\n    eval "$(sematic completion bash)"',
    "zsh": 'Add this line to ~/.zshrc:\n\n    eval "$(sematic completion zsh)"',
    "fish": (
        "Run this once:\n\n    sematic completion fish > ~/.config/fish/completions/sematic.fish"
    ),
}


@click.command(short_help="Print a completion script, or how to install it.")
@click.argument("shell", type=click.Choice(sorted(_INSTALL)), required=False, metavar="[SHELL]")
def completion(shell: str | None) -> None:
    """Print the completion script of SHELL: bash, zsh or fish; without one, how to install it."""
    if shell is None:
        _explain(os.path.basename(os.environ.get("SHELL", "")))
        return
    from click.shell_completion import get_completion_class

    from sematic.cli.group import main

    complete = get_completion_class(shell)
    assert complete is not None  # the choices are those that click has
    click.echo(complete(main, {}, "sematic", _VARIABLE).source())


def _explain(used: str) -> None:
    shells = [used] if used in _INSTALL else sorted(_INSTALL)
    for shell in shells:
        click.echo(f"{shell}: {_INSTALL[shell]}\n")
    click.echo("Then open a new terminal. Commands, options and ids of runs complete with Tab.")
