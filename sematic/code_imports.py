"""Importing the user's modules for the functions and classes in them.

A script without ``if __name__ == "__main__"`` starts a pipeline where it is imported, too: in a
worker, and where a command like ``sematic resume`` looks for its functions. There its import ends
where it would do so; what it has defined by then is what that pipeline is made of.
"""

import importlib
import importlib.util
import sys
from contextvars import ContextVar
from types import ModuleType


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
    parent, _, last = name.rpartition(".")
    if parent:
        import_code(parent)
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return importlib.import_module(name)  # a namespace package, or the usual error
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except PipelineNotStarted:
        pass  # importlib would throw the module away
    except BaseException:
        sys.modules.pop(name, None)
        raise
    loaded = sys.modules.get(name, module)  # modules may replace themselves
    if parent:
        setattr(sys.modules[parent], last, loaded)
    return loaded
