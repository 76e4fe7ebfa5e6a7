"""Notes when calls begin and end, in every process of an experiment.

Python executes a module of this name when it starts; the experiment puts its directory on
``PYTHONPATH``, which Ray's workers inherit. Nothing of the pipeline under test has to change.
"""

import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

_LOG = "SEMATIC_CHAOS_LOG"
_DRIVER = "SEMATIC_CHAOS_DRIVER"
_WATCHED = "sematic.execution"


class _Finder(MetaPathFinder):
    """Lets one module be imported as always, and wraps its function then."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's own spec, for :data:`_WATCHED` only."""
        if fullname != _WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_wrap(module: ModuleType) -> None:
                execute(module)
                module.execute_call = _noting(module.execute_call)  # type: ignore[attr-defined]

            spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
        return spec


def _noting(execute_call: Callable[..., Any]) -> Callable[..., Any]:
    def noting(call: Any, *arguments: Any, **options: Any) -> Any:
        what = (call.root_id, call.run_id, call.function.path)
        _note("begin", *what)
        outcome = execute_call(call, *arguments, **options)
        # Only where there is an outcome.
        _note("fail" if type(outcome).__name__ == "Failed" else "end", *what)
        return outcome

    return noting


def _note(*words: str) -> None:
    """One line, by one system call: lines of many processes do not mix, and none is lost."""
    driver = os.environ.get(_DRIVER, "0")
    line = "\t".join([*words, driver, str(os.getpid()), repr(time.time())]) + "\n"
    log = os.open(os.environ[_LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(log, line.encode())
    finally:
        os.close(log)


def _execute_hidden() -> None:
    """Execute the module of the same name that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [place for place in sys.path if os.path.abspath(place) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", places)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if os.environ.get(_LOG):
    sys.meta_path.insert(0, _Finder())
_execute_hidden()
