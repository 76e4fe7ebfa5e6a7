"""Importing the user's modules for the functions and classes in them.

A script without ``if __name__ == "__main__"`` starts a pipeline where it is imported, too: in a
worker, and where a command like ``sematic resume`` looks for its functions. There its import ends
where it would do so; what it has defined by then is what that pipeline is made of.
"""

import importlib
import importlib.util
import sys
from contextlib import suppress
from contextvars import ContextVar
from types import ModuleType
from typing import Any


class PipelineNotStarted(BaseException):
    """Ends the import of a module that would start a pipeline. No ``except Exception`` stops it."""


_importing: ContextVar[bool] = ContextVar("sematic_importing", default=False)


def import_code(name: str) -> ModuleType:
    """The module of this name, imported unless it is.

    Raises:
        ImportError: it cannot be imported; as :func:`importlib.import_module`, also otherwise.
    """
    known = sys.modules.get(name)
    if known is not None:
        return known
    token = _importing.set(True)
    try:
        return _load(name)
    finally:
        _importing.reset(token)


def refuse_while_importing() -> None:
    """To be called where a pipeline is started.

    Raises:
        PipelineNotStarted: a module is only being imported for what is in it.
    """
    if _importing.get():
        raise PipelineNotStarted


def _load(name: str) -> ModuleType:
    parent = name.rpartition(".")[0]
    if parent:
        import_code(parent)
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
        return importlib.import_module(name)  # a namespace package, or the usual error
    kept = _Keeping(name)
    sys.meta_path.insert(0, kept)
    try:  # by importlib, whose lock lets other threads wait until the module is complete
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(kept)


class _Keeping:
    """Finds one module as ever, and keeps what its import has defined where that is ended."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As importlib wants it."""
        if name != self._name:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _let_end(spec.loader)
                return spec
        return None


def _let_end(loader: Any) -> None:
    """Let ``exec_module`` return where the module would start a pipeline."""
    original = getattr(loader, "exec_module", None)
    if original is None or isinstance(loader, type):  # that of built-in modules is a class
        return

    def exec_module(module: ModuleType) -> None:
        with suppress(PipelineNotStarted):
            original(module)

    with suppress(AttributeError):  # one with slots: the import ends with an error
        loader.exec_module = exec_module
