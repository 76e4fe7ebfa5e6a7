"""Marks processes that a function starts with an environment of their own: as if it was inherited.

By the ids of the call in their environment processes are found where it is stopped, and all of a
pipeline run where that ends, see :mod:`sematic.run_processes`. Who gives a child an environment,
``subprocess.run(command, env={...})``, leaves them out without meaning to.

Seen are :mod:`subprocess` with all that is built on it, and ``exec``, ``spawn`` and
``posix_spawn`` of :mod:`os`.
"""

import functools
import os
import subprocess
import threading
from typing import Any

from sematic.replacements import Replacements
from sematic.run_context import ROOT_ID, RUN_ID, executing_call, likely_call

_IDS = (RUN_ID, ROOT_ID)
# The place of Popen's parameter.
_ENV = 10


def _mark(environment: Any) -> Any:
    """An environment with the ids of the call that the calling thread works for.

    One that has ids keeps them: they may be those of another pipeline run.
    """
    ours = threading.current_thread().name.startswith("sematic-")
    call = executing_call() if ours else likely_call()  # what ours start is no function's
    if call is None or environment is None:
        return environment
    try:
        copy = dict(environment)
    except (TypeError, ValueError):  # it is refused as ever
        return environment
    if all(name in copy or os.fsencode(name) in copy for name in _IDS):
        return environment
    return {**copy, RUN_ID: call.context.run_id, ROOT_ID: call.context.root_id}


@functools.wraps(subprocess.Popen.__init__)
def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    if len(args) > _ENV:
        args = (*args[:_ENV], _mark(args[_ENV]), *args[_ENV + 1 :])
    elif "env" in kwargs:
        kwargs["env"] = _mark(kwargs["env"])
    _replacements.originals["__init__"](self, *args, **kwargs)


@functools.wraps(os.execve)
def _execve(path: Any, argv: Any, env: Any) -> Any:
    return _replacements.originals["execve"](path, argv, _mark(env))


@functools.wraps(os.posix_spawn)
def _posix_spawn(path: Any, argv: Any, env: Any, /, **options: Any) -> Any:
    return _replacements.originals["posix_spawn"](path, argv, _mark(env), **options)


@functools.wraps(os.posix_spawnp)
def _posix_spawnp(path: Any, argv: Any, env: Any, /, **options: Any) -> Any:
    return _replacements.originals["posix_spawnp"](path, argv, _mark(env), **options)


for _function in (_execve, _posix_spawn, _posix_spawnp):
    _function.__module__ = "os"  # where pickle finds them while they are in place; not in posix

_replacements = Replacements(
    (subprocess.Popen, "__init__", _init),
    (os, "execve", _execve),
    (os, "posix_spawn", _posix_spawn),
    (os, "posix_spawnp", _posix_spawnp),
)
marked_children = _replacements.in_place
"""A context manager: children that functions start while the block runs are marked."""
mark_children = _replacements.put
"""Mark the children that functions start, from now on."""

os.register_at_fork(after_in_child=_replacements.renew_lock)
