"""Values that belong to their process: what is refused in spite of pickle, and what to do instead.

Nothing is imported here for a class that may not be loaded: classes are known by their names.
"""

import collections.abc
import sys
from typing import Any

_REFUSED = {
    # cloudpickle reads it to the end, and makes an io.StringIO of what is in it.
    ("_io", "TextIOWrapper"): "it is an open file of this process",
    # Its copy names a folder that is deleted with the original.
    ("tempfile", "TemporaryDirectory"): "its folder is deleted with it",
}
_FILES = frozenset({("_io", "_IOBase"), ("tempfile", "_TemporaryFileWrapper"), ("mmap", "mmap")})
_PLAIN = (
    "Return plain data, and make such things where they are used; or give the class a "
    "__getstate__ that leaves them out."
)


def refuse(value: object) -> None:
    """Return, unless a value can be pickled and must not be.

    Raises:
        TypeError: it is no use to any other process.
    """
    for name in _class_names(value):
        reason = _REFUSED.get(name)
        if reason is not None and not _is_standard_stream(value):
            raise TypeError(reason)


def advise(value: object) -> str:
    """What to do about a value that cannot be stored, as sentences."""
    names = set(_class_names(value))
    if names & _FILES:
        return "Return its path, as a pathlib.Path, or what is in it, as bytes or text."
    if ("tempfile", "TemporaryDirectory") in names:
        return "Return what is in the folder, or make one that stays with tempfile.mkdtemp()."
    if isinstance(value, collections.abc.Awaitable):
        return "Wait for it, e.g. with asyncio.run(...), and return what it gives."
    if {"connection", "cursor"} & {name.lower() for _, name in names}:
        return "Return what was read from it, and open it where it is used: pass its path or URL."
    if isinstance(value, collections.abc.AsyncIterator | collections.abc.Iterator):
        return "Return a list of what it yields: looking at it would use it up."
    return _PLAIN


def _class_names(value: object) -> list[tuple[str, str]]:
    return [(cls.__module__, cls.__name__) for cls in type(value).__mro__]


def _is_standard_stream(value: Any) -> bool:
    """These stand for those of the reader's process."""
    return any(value is stream for stream in (sys.stdin, sys.stdout, sys.stderr))
