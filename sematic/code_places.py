"""What tells functions of one path apart: where their files are, or what is in them.

Two scripts called ``train.py`` both have a function ``train.f``, and outputs of the one must never
be taken for those of the other. A directory of this machine says nothing on another one. What the
same file has in common everywhere is its repository and its path there, or else its contents.
"""

import functools
import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sematic.git_commands import run_git

TRACKED = "g"
"""First letter of the place of a file that git tracks: its repository, and its path there."""
CONTENTS = "t"
"""Of any other file: a digest of all that is in it."""
NAMELESS = "n"
"""Of a function without a file, of a notebook or a console: a digest of its source code."""
INSTALLED = "p"
"""Of modules of installed packages, whose import names tell enough."""

_DIGITS = 19
NO_PLACE = INSTALLED + "0" * _DIGITS
"""Where the import name is all that tells a function from others."""
_PACKAGES = ("site-packages", "dist-packages")
_MAIN_NAMES = ("__main__", "__mp_main__")
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]+):(?!//)(.+)")


@dataclass(frozen=True, slots=True)
class CodeFile:
    """The file of a module.

    Attributes:
        path: absolute, links resolved.
        contents: a digest of it, as it was when its functions were decorated; ``None`` for
            modules of installed packages.
    """

    path: str
    contents: str | None


def note_file(func: Callable[..., object]) -> CodeFile | None:
    """The file that a function is in; ``None`` for notebooks, consoles and code made by ``exec``.

    To be asked when the function is decorated: later its file may be another one already.
    """
    module = sys.modules.get(func.__module__)
    name = getattr(module, "__file__", None)
    if not isinstance(name, str) or name.startswith("<") or _is_typed(func):
        return None
    path = os.path.abspath(name)
    if _is_installed(path):
        return CodeFile(path, None)
    stamp = _stamp(path)
    known = _noted.get(path)
    if known is None or known[0] != stamp:
        contents = _read(module, path)
        if contents is None:
            return None
        file = CodeFile(os.path.realpath(path), _digest(contents))
        known = _noted[path] = (stamp, file)
    _file_of[func.__module__] = known[1]
    return known[1]


def known_file(func: Callable[..., object]) -> CodeFile | None:
    """The same for a function that comes from another process: its file may have changed since."""
    return _file_of.get(func.__module__) or note_file(func)


_noted: dict[str, tuple[object, CodeFile]] = {}
_file_of: dict[str, CodeFile] = {}  # by the name of the module


@functools.lru_cache(maxsize=1024)
def find_place(file: CodeFile) -> str:
    """What tells a file from others on every machine: a letter, and 19 hex digits."""
    if file.contents is None or _is_installed(file.path):
        return NO_PLACE
    tracked = _find_tracked(file.path)
    if tracked is None:
        return CONTENTS + file.contents
    return TRACKED + _digest("\0".join(tracked).encode("utf-8", "surrogateescape"))


def place_of_source(source_hash: str) -> str:
    """What tells a function without a file from others."""
    return NAMELESS + source_hash[:_DIGITS]


def _find_tracked(path: str) -> tuple[str, str] | None:
    """The repository of a file and its path there; ``None`` where git does not track it."""
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
    return path.startswith(standard) or any(part in _PACKAGES for part in parts)


def _stamp(path: str) -> object:
    try:
        status = os.stat(path)
    except OSError:  # inside of a zip file
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(module: Any, path: str) -> bytes | None:
    """The contents of a module's file; its loader knows how to read from a zip file."""
    loader: Any = getattr(module, "__loader__", None)
    try:
        if os.path.isfile(path) or not hasattr(loader, "get_data"):
            with open(path, "rb") as file:
                return file.read()
        contents: bytes = loader.get_data(path)
    except OSError:
        return None
    return contents


def _digest(contents: bytes) -> str:
    return hashlib.sha1(contents).hexdigest()[:_DIGITS]
