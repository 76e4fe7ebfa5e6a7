"""What it takes to get a pipeline run's circumstances again: command, commit, packages."""

import getpass
import os
import platform
import re
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sematic.credentials import hide_all_credentials, hide_credentials
from sematic.forks import no_fork
from sematic.git_commands import run_git
from sematic.processes import working_directory

_NAME = re.compile(r"^Name: *(\S+)", re.MULTILINE)
_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Original:
    """Whose place this process has taken, and by which command line.

    Attributes:
        arguments: of the command that began the pipeline run which is executed again.
        main: the path of its script.
        typed: the command line of this process.
    """

    arguments: list[str]
    main: str | None
    typed: list[str]


_original: ContextVar[_Original | None] = ContextVar("sematic_original", default=None)


@contextmanager
def original_command(environment: Mapping[str, Any]) -> Iterator[None]:
    """Take the place of the command that began a pipeline run, for its modules read ``sys.argv``.

    What begins meanwhile is recorded with the same arguments and script, so that it can itself be
    executed again; as its command with the one that was typed.

    Args:
        environment: of that pipeline run, from :func:`describe_command`. One of an older version
            does not tell the arguments: ``sys.argv`` stays.
    """
    typed = sys.argv
    arguments = environment.get("arguments", typed)
    token = _original.set(_Original(arguments, environment.get("main"), typed))
    sys.argv = list(arguments)
    try:
        yield
    finally:
        sys.argv = typed
        _original.reset(token)


def describe_command() -> dict[str, Any]:
    """What is known at once: command line, directory, host, process, Python.

    Passwords and tokens in URLs are not recorded, neither of the command nor of its arguments.
    """
    original = _original.get() or _Original(sys.argv, _main_file(), sys.argv)
    typed = [*_interpreter(original.typed), *original.typed]
    return {
        "command": hide_all_credentials(shlex.join(typed)),
        "arguments": [hide_all_credentials(argument) for argument in original.arguments],
        "directory": working_directory(),
        "main": original.main,
        "host": socket.gethostname(),
        "user": _user(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def describe_surroundings() -> dict[str, Any]:
    """What takes a while: the git commit, and the version of every installed package."""
    directory = working_directory()
    git = None if directory is None else describe_git(directory)
    return {"git": git, "packages": describe_packages()}


def describe_git(directory: str) -> dict[str, Any] | None:
    """Commit, branch, remote and dirty state; ``None`` outside of a git repository."""
    # One question for three answers: starting git takes longer than a small pipeline.
    status = run_git(directory, "status", "--porcelain=v2", "--branch")
    if status is None:
        commit = run_git(directory, "rev-parse", "HEAD")  # at once, however large the repository
        return None if commit is None else {"commit": commit, "dirty": None}
    lines = status.splitlines()
    headers = dict(line.split(" ")[1:3] for line in lines if line.startswith("# "))
    if headers.get("branch.oid", "(initial)") == "(initial)":
        return None  # nothing was ever committed
    return {
        "commit": headers["branch.oid"],
        "branch": headers["branch.head"].replace("(detached)", "HEAD"),
        "remote": _find_remote(directory, headers["branch.oid"]),
        "dirty": any(not line.startswith("# ") for line in lines),
    }


@lru_cache(maxsize=32)
def _find_remote(directory: str, commit: str) -> str | None:
    """Once per commit: it hardly ever changes, and to start git takes as long as ten functions."""
    return hide_credentials(run_git(directory, "remote", "get-url", "origin") or "") or None


def describe_packages() -> dict[str, str]:
    """Name and version of every installed distribution."""
    found: dict[str, str] = {}
    for place in reversed(sys.path):  # what comes first is what is imported
        found.update(_list_packages(place, _changed_at(place)))
    return {name: found[name] for name in sorted(found)}


@lru_cache(maxsize=256)
def _list_packages(place: str, changed_at: float) -> Mapping[str, str]:
    """Reading hundreds of metadata files takes a tenth of a second: once per state of a place."""
    with no_fork(importing=True):  # functions execute beside it, and may have children
        import importlib.metadata  # takes long itself; this runs beside the pipeline

    described = map(_name_and_version, importlib.metadata.distributions(path=[place]))
    return dict(pair for pair in described if pair is not None)


def _name_and_version(distribution: Any) -> tuple[str, str] | None:
    """From the head of its metadata: to parse all of them takes five times as long."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = text.partition("\n\n")[0]
    name, version = _NAME.search(head), _VERSION.search(head)
    return (name[1], version[1]) if name and version else None


def _changed_at(place: str) -> float:
    try:
        return os.stat(place or os.curdir).st_mtime
    except OSError:
        return 0.0


def _main_file() -> str | None:
    """The script that runs; its directory is where its modules are. ``None`` in a notebook."""
    path: str | None = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is None or os.path.isabs(path) or working_directory() is None:
        return path  # or what is known of it
    return os.path.abspath(path)


def _interpreter(typed: Sequence[str]) -> list[str]:
    """How Python was started, as far as the command line does not say it."""
    return [] if typed and os.access(typed[0], os.X_OK) else ["python"]


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have them
        return None
