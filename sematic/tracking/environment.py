"""What it takes to get a pipeline run's circumstances again: command, commit, packages."""

import getpass
import os
import platform
import re
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from sematic.credentials import hide_all_credentials, hide_credentials
from sematic.forks import no_fork
from sematic.git_commands import run_git
from sematic.processes import working_directory
from sematic.types.names import MAIN_NAMES

_NAME = re.compile(r"^Name: *(\S+)", re.MULTILINE)
_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Original:
    """Whose place this process has taken, and by which command line.

    Attributes:
        arguments: of the command that began the pipeline run which is executed again.
        main: the path of its script.
        modules: where its modules are, if ``python -m`` started it.
        typed: the command line of this process.
    """

    arguments: list[str]
    main: str | None
    modules: str | None
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
    main, modules = environment.get("main"), environment.get("modules")
    token = _original.set(_Original(arguments, main, modules, _command_line()))
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
    original = _original.get() or _Original(
        sys.argv, _main_file(), _module_directory(), _command_line()
    )
    return {
        "command": hide_all_credentials(shlex.join(original.typed)),
        "arguments": [hide_all_credentials(argument) for argument in original.arguments],
        "directory": working_directory(),
        "main": original.main,
        "modules": original.modules,
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


def _main_spec() -> ModuleSpec | None:
    """Of a module that ``python -m`` or ``sematic run`` started; ``None`` of a script."""
    spec: ModuleSpec | None = getattr(sys.modules.get("__main__"), "__spec__", None)
    # A directory or a zip file that is run is named like a script.
    return None if spec is None or spec.name in MAIN_NAMES or not spec.has_location else spec


def _module_directory() -> str | None:
    """Where ``python -m`` looks for modules first; ``None`` of a script.

    That is the directory it was started in. If it is in another one by now, then most likely where
    it found the module.
    """
    spec, directory = _main_spec(), working_directory()
    if spec is None:
        return None
    if directory in sys.path:
        return directory
    return str(Path(str(spec.origin)).parents[spec.name.count(".")])


def _command_line() -> list[str]:
    """What was typed, as far as it can be told: Python replaces the name of a module by a path."""
    spec, typed = _main_spec(), sys.argv
    if spec is not None and typed[:1] == [spec.origin]:
        return ["python", "-m", spec.name.removesuffix(".__main__"), *typed[1:]]
    return list(typed) if typed and os.access(typed[0], os.X_OK) else ["python", *typed]


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have them
        return None
