"""Names of modules and objects that are the same in every process.

A script sees itself as ``__main__``, and so does every other script. What is recorded carries the
name under which the script can be found instead.
"""

import functools
import operator
import os
import sys
from types import ModuleType
from typing import Any

MAIN_MODULE_VARIABLE = "SEMATIC_MAIN_MODULE"
"""Environment variable that tells a child process the main module's name of its driver."""

# multiprocessing runs the parent's script in a spawned child under the second of these names.
MAIN_NAMES = ("__main__", "__mp_main__")


def canonical_module(module: str) -> str:
    """The name of a module that is the same in every process of a pipeline run.

    Only ``__main__`` has another one: its import name when it was started by ``python -m``, the
    stem of the script's file otherwise. In a notebook, a REPL and ``python -c`` it stays
    ``__main__``.
    """
    return main_module_name() if module in MAIN_NAMES else module


def find_qualified(module: object, qualname: str) -> Any:
    """What a dotted path inside of a module leads to; ``None`` where that is nothing."""
    try:
        return operator.attrgetter(qualname)(module)
    except AttributeError:
        return None


def qualified_name(obj: Any) -> str:
    """Canonical module and qualified name of a class or function, e.g. ``"train.Config"``."""
    return f"{canonical_module(obj.__module__)}.{obj.__qualname__}"


def main_module_name() -> str:
    """What ``__main__`` is called in the record.

    It is what :func:`set_main_module_name` was told, else the value of the environment variable
    ``SEMATIC_MAIN_MODULE``, else what this process was started with.
    """
    return _told_name or _found_name()


def set_main_module_name(name: str | None) -> None:
    """Use ``name`` for ``__main__`` from now on; ``None`` goes back to what this process finds.

    For processes that execute code of another process's ``__main__``, such as Ray workers.
    """
    global _told_name  # noqa: PLW0603  the main module is one per process
    _told_name = name
    _found_name.cache_clear()


_told_name: str | None = None


@functools.cache
def _found_name() -> str:
    told = os.environ.get(MAIN_MODULE_VARIABLE)
    return told or _name_of_main(sys.modules.get("__main__"))


def _name_of_main(main: ModuleType | None) -> str:
    spec_name = getattr(getattr(main, "__spec__", None), "name", None)
    if isinstance(spec_name, str) and spec_name not in MAIN_NAMES:
        return spec_name
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or file.startswith("<"):
        return "__main__"
    folder, base = os.path.split(file)
    stem = os.path.splitext(base)[0]
    # A folder or a zip file that is run has a __main__.py inside; its own name tells more.
    return os.path.splitext(os.path.basename(folder))[0] if stem == "__main__" else stem
