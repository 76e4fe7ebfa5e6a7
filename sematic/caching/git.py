"""Cache namespaces that change with the code, as git knows it."""

import hashlib
import inspect
import os
from pathlib import Path

from sematic.future import Future
from sematic.git_commands import run_git

_CODE = ("*.py", "*.pyi", "*.pyx", "*.sql", "*.toml", "*.yaml", "*.yml")


def get_git_sha_caching_namespace(future: Future) -> str:
    """The git commit of the root function's repository, and what has changed since.

    For ``LocalRunner(cache_namespace=get_git_sha_caching_namespace)``: outputs are shared between
    pipeline runs of the same code, and computed anew as soon as it is another one.

    Args:
        future: the root of a pipeline.

    Returns:
        The commit; where there are changes that are not committed, ``+`` and a hash of them. They
        are those of every file that git tracks, and source files that it does not ignore.

    Raises:
        ValueError: its function is in no git repository, or nothing was committed there.
    """
    directory = _directory_of(future)
    commit = run_git(directory, "rev-parse", "--verify", "HEAD")
    top = run_git(directory, "rev-parse", "--show-toplevel")
    changes = run_git(top, "diff", "HEAD", "--binary", "--no-ext-diff") if top else None
    if commit is None or top is None or changes is None:
        raise ValueError(f"Could not get git information for {future.function.path}")
    untracked = run_git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE) or ""
    names = sorted(name for name in untracked.split("\0") if name)
    if not changes and not names:
        return commit
    digest = hashlib.sha1(changes.encode("utf-8", "surrogateescape"))
    for name in names:
        digest.update(b"\0" + os.fsencode(name) + b"\0" + _content(Path(top, name)))
    return f"{commit}+{digest.hexdigest()[:8]}"


def _directory_of(future: Future) -> str:
    """Where the root function is written; a notebook or a console is where it was started."""
    try:
        path = inspect.getsourcefile(future.function.func)
    except TypeError:
        path = None
    return os.path.dirname(path) if path and os.path.isfile(path) else os.getcwd()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it went away, or is a link that leads nowhere
        return b""
