"""Names of options that do not exist: refused with the one that was meant."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

from sematic.errors import SematicError, UnknownOptionError

Target = TypeVar("Target", bound=Callable[..., Any])

_NO_HINTS: Mapping[str, str] = {}


def checks_names(
    hints: Mapping[str, str] = _NO_HINTS, *, name: str | None = None
) -> Callable[[Target], Target]:
    """Let a function, or the constructor of a class, tell which keyword argument was meant.

    What is called with the wrong keyword argument raises ``UnknownOptionError``.

    Args:
        hints: what to write instead of names that people try, which are not just misspelt.
        name: what is called, for the error; its own name unless given.
    """

    def decorate(target: Target) -> Target:
        shown = name or target.__name__
        if not isinstance(target, type):
            return cast("Target", _checked(target, shown, hints))
        # mypy takes this for unsound, which it is in a subclass only.
        target.__init__ = _checked(target.__init__, shown, hints)  # type: ignore[misc]
        return target

    return decorate


def _checked(function: Any, name: str, hints: Mapping[str, str]) -> Any:
    positional = ("self", "func")
    known = [each for each in inspect.signature(function).parameters if each not in positional]

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for given in kwargs:
            if given not in known and given not in positional:
                raise UnknownOptionError(
                    f"{name}() got an unexpected keyword argument {given!r}. "
                    f"{suggest(given, known, hints)}"
                )
        try:
            return function(*args, **kwargs)
        except SematicError as error:
            error.__traceback__ = None  # its way through this package tells users nothing
            raise error

    return checked


def suggest(given: str, known: Collection[str], hints: Mapping[str, str] = _NO_HINTS) -> str:
    """What to write in place of an option that does not exist: a sentence.

    Args:
        given: the name that does not exist.
        known: those that do.
        hints: what to write instead of some names.
    """
    hint = hints.get(given) or closest(given, known)
    if hint:
        return hint
    return f"Options are: {', '.join(sorted(known))}." if known else "It takes none."


def closest(given: str, known: Collection[str]) -> str:
    """A question that has the name closest to one that does not exist; empty if none is close."""
    from difflib import get_close_matches  # seldom needed

    close = get_close_matches(given, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
