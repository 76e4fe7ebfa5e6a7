"""What tells functions of one path apart: where their files are.

Two scripts called ``train.py`` both have a function ``train.f``, and outputs of the one must never
be taken for those of the other. What is the same for one file on every machine is its repository
and its path there; of a file that git does not track, its path on the machine.
"""

import functools
import hashlib
import os
import re
import sys
from collections.abc import Callable

from sematic.git_commands import run_git

TRACKED = "g"
"""First letter of the place of a file that git tracks: its repository, and its path there."""
LOOSE = "l"
"""Of any other file: its path on this machine."""
NAMELESS = "n"
"""Of a function without a file, of a notebook or a console: a digest of its source code."""
INSTALLED = "p"
"""Of modules of installed packages, whose import names tell enough."""
CLOSURE = "v"
"""Of a function whose path others have too: where it is, its code and the variables in it."""

_DIGITS = 19
NO_PLACE = INSTALLED + "0" * _DIGITS
"""Where the import name is all that tells a function from others."""
_DIRECTORIES = ("site-packages", "dist-packages")
_MAIN_NAMES = ("__main__", "__mp_main__")  # as in sematic.types.names, which is above this module
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]+):(?!//)(.+)")


def file_of(func: Callable[..., object]) -> str | None:
    """The path of the file that a function is in, absolute.

    ``None`` for notebooks, consoles and code made by ``exec``. To be asked when the function is
    decorated: a script may go to another directory later.
    """
    name = getattr(sys.modules.get(func.__module__), "__file__", None)
    if not isinstance(name, str) or name.startswith("<") or _is_typed(func):
        return None
    return os.path.abspath(name)


def find_place(file: str) -> str:
    """What tells a file from others: a letter, and 19 hex digits. Asks git when it is new.

    The same on every machine for what git tracks; for other files it is if their paths are.

    Args:
        file: from :func:`file_of`.
    """
    return NO_PLACE if _is_installed(file) else _place_of_file(os.path.realpath(file))


@functools.lru_cache(maxsize=1024)
def _place_of_file(path: str) -> str:
    tracked = _find_tracked(path)
    return LOOSE + _digest(path) if tracked is None else TRACKED + _digest("\0".join(tracked))


def place_of_source(source_hash: str) -> str:
    """What tells a function without a file from others."""
    return NAMELESS + source_hash[:_DIGITS]


def place_of_closure(place: str, digest: str) -> str:
    """What tells a function from others of its path and its place.

    Args:
        place: of its file or its source.
        digest: from :func:`sematic.closures.digest_closure`.
    """
    return CLOSURE + _digest(f"{place}\0{digest}")


def _find_tracked(path: str) -> tuple[str, str] | None:
    """The repository of a file and its path there; ``None`` where git does not track it.

    Two clones may have two files of one name that it does not track.
    """
    directory, name = os.path.split(path)
    ask = ("--literal-pathspecs", "ls-files", "-z", "--full-name", "--error-unmatch", "--", name)
    found = run_git(directory, *ask)
    repository = _find_repository(directory) if found else None
    return None if found is None or repository is None else (repository, found.rstrip("\0"))


@functools.lru_cache(maxsize=256)
def _find_repository(directory: str) -> str | None:
    """What all clones of a repository have in common: where they come from, or its first commit.

    The first commit takes long to be found in a large repository, and clones without their whole
    history do not have it; but what was never published has nothing else.
    """
    address = repository_address(run_git(directory, "remote", "get-url", "origin") or "")
    if address is not None:
        return address
    commits = run_git(directory, "rev-list", "--max-parents=0", "HEAD")
    return min(commits.split()) if commits else None


def repository_address(url: str) -> str | None:
    """Host and path of a repository, however git is told to go there.

    Returns:
        E.g. ``"github.com/acme/flows"``; ``None`` for a directory of this machine.
    """
    if "://" in url:
        host, _, path = url.partition("://")[2].partition("/")
    elif found := _SCP.fullmatch(url):
        host, path = found[1], found[2]
    else:
        return None
    host = host.rpartition("@")[2].lower()
    path = path.strip("/").removesuffix(".git")
    is_here = host.partition(":")[0] in ("", "localhost", "127.0.0.1", "[")
    return None if is_here or not path else f"{host}/{path}"


def _is_typed(func: Callable[..., object]) -> bool:
    """Whether a function of ``__main__`` was typed in, after a script: ``python -i x.py``."""
    code = getattr(func, "__code__", None)
    return func.__module__ in _MAIN_NAMES and code is not None and code.co_filename.startswith("<")


def _is_installed(path: str) -> bool:
    parts = path.split(os.sep)
    standard = os.path.dirname(os.__file__) + os.sep
    return path.startswith(standard) or any(part in _DIRECTORIES for part in parts)


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
