"""What cannot be undone is asked about first."""

import sys
from collections.abc import Callable

import click


def ask_first(question: str, *, otherwise: str, show: Callable[[], None]) -> None:
    """Return if what cannot be undone is wanted.

    Args:
        question: asked at a terminal.
        otherwise: what to say, where there is none, of how to do it all the same.
        show: shows what the question is about.

    Raises:
        ClickException: there is nobody to ask.
        Abort: it is not wanted.
    """
    if not sys.stdin.isatty():
        raise click.ClickException(otherwise)
    show()
    click.confirm(question, abort=True)
