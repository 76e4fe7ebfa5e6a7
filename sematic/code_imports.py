"""Importing the user's modules for the functions and classes in them.

A script without ``if __name__ == "__main__"`` starts a pipeline where it is imported, too: in a
worker, and where a command like ``sematic resume`` looks for its functions. There its import ends
where it would do so; what it has defined by then is what that pipeline is made of. The same holds
for what such a module imports. A thread that it starts ends where that would do so, and the import
goes on: up to where the module fails for want of what the thread was to bring.

The module stays in ``sys.modules`` as it is then: what it defines must be found there, by pickle
for one. Whoever misses something in it is told why.
"""

import dis
import importlib
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any
from weakref import WeakKeyDictionary


class PipelineNotStarted(BaseException):
    """Ends the import of a module that would start a pipeline. No ``except Exception`` stops it."""


class _Import:
    """A module, and what that imports, being imported for what is in it.

    Args:
        name: of the module that is asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.executing: list[str] = []
        """The modules that execute now: the last one is imported by those before it."""
        self._waiting: set[str] = set()
        self._faults: list[Exception] = []

    def end_thread(self) -> None:
        """One of its threads has ended where it would have started a pipeline."""
        self._waiting.update(self.executing)  # others begin later, and do not know of it

    def lacks_thread(self, module: str, error: Exception) -> bool:
        """Whether a module may have failed for want of what such a thread was to bring."""
        if isinstance(error, ImportError) and error.name in self._waiting:
            return module in self._waiting
        is_fault = isinstance(error, ImportError) or any(error is fault for fault in self._faults)
        if module in self._waiting and not is_fault:
            return True
        self._faults.append(error)  # nor have those that import it
        return False


_importing: ContextVar[_Import | None] = ContextVar("sematic_importing", default=None)


def import_code(name: str) -> ModuleType:
    """The module of this name, imported unless it is.

    Raises:
        ImportError: it cannot be imported; as :func:`importlib.import_module`, also otherwise.
    """
    known = sys.modules.get(name)
    if known is not None and not _is_being_imported(known):
        return known
    if sys.meta_path[:1] != [_finder]:  # never taken out: others may be going through the list
        sys.meta_path.insert(0, _finder)
    _watch_threads()
    token = _importing.set(_importing.get() or _Import(name))
    try:  # by importlib, whose lock lets other threads wait until the module is complete
        return importlib.import_module(name)
    finally:
        _importing.reset(token)


def import_recorded(name: str) -> ModuleType:
    """The same for a module that a record names: it may be broken by now.

    Raises:
        ImportError: it cannot be imported; the text says what is wrong and where. What its code
            raised is the cause, ``SystemExit`` too: it must not end who only looks for a function.
    """
    try:
        return import_code(name)
    except ImportError:
        raise
    except SystemExit as error:
        problem = f"its import ends the process, with {_place(error, f'SystemExit: {error.code}')}"
        raise ImportError(problem, name=name) from error
    except Exception as error:
        if isinstance(error, SyntaxError):
            place = f"SyntaxError: {error.msg} (line {error.lineno} of {error.filename})"
        else:
            place = _place(error, f"{type(error).__name__}: {_first_line(error)}")
        raise ImportError(f"its import fails with {place}", name=name) from error


def _first_line(error: Exception) -> str:
    try:
        return (str(error).strip().splitlines() or ["no message"])[0]
    except Exception:  # noqa: BLE001 - the user's own class
        return "no message"


def _place(error: BaseException, what: str) -> str:
    """What was raised, with the last line of a module that it came through."""
    last = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "<module>":
            last = f"line {line} of {frame.f_code.co_filename}"
    return what if last is None else f"{what} ({last})"


def refuse_while_importing() -> None:
    """To be called where a pipeline is started.

    Raises:
        PipelineNotStarted: a module is only being imported for what is in it.
    """
    current = _importing.get()
    if current is not None:
        raise PipelineNotStarted(
            f"No pipeline is started here: the module {current.name!r} was imported for the "
            "functions in it, by this thread or by the one that started it. Write "
            '`if __name__ == "__main__":` in front of what starts pipelines, and threads for them.'
        )


def why_incomplete(module: object) -> str | None:
    """Why a module may lack what its file defines, in words; ``None`` where it does not."""
    if not isinstance(module, ModuleType) or module not in _cut_off:
        return None
    spec, line = _cut_off[module]
    if module.__spec__ is not spec:  # importlib.reload() has given it another one
        return None
    place = f"in line {line}, " if line else ""
    return (
        f"the import of {module.__name__} ended {place}where it would have started a pipeline. "
        'Write `if __name__ == "__main__":` in front of that, and all functions above it.'
    )


# With the spec by which they were imported, and the line of their file where that ended.
_cut_off: "WeakKeyDictionary[ModuleType, tuple[ModuleSpec, int]]" = WeakKeyDictionary()


def _is_being_imported(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class _Finder:
    """Finds modules as all others do, and lets their import end early where it is one for code."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib wants it."""
        if _importing.get() is None:
            return None
        for finder in sys.meta_path[:]:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    loader: Any = _Loader(spec)
                    spec.loader = loader
                return spec
        return None


_finder: Any = _Finder()


class _Loader:
    """Stands for the loader of a module until that is executed: loaders may be shared."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._spec = spec
        self._loader: Any = spec.loader

    def exec_module(self, module: ModuleType) -> None:
        """Execute a module up to where it would start a pipeline."""
        self._spec.loader = module.__loader__ = self._loader
        current, name = _importing.get() or _Import(self._spec.name), self._spec.name
        current.executing.append(name)
        try:
            self._loader.exec_module(module)
        except PipelineNotStarted as end:
            self._cut_off(module, end)
        except Exception as error:
            if not current.lacks_thread(name, error):
                raise
            self._cut_off(module, error)
        finally:
            current.executing.remove(name)

    def _cut_off(self, module: ModuleType, end: BaseException) -> None:
        _cut_off[module] = self._spec, _line_of(module, end.__traceback__)
        if type(module) is ModuleType:
            module.__class__ = _CutOff

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _watch_threads() -> None:
    """Let threads that a module starts where it is imported know what it is imported for."""
    if not _original:  # once, and for good: others may wrap it too
        _original.setdefault("start", threading.Thread.start)  # of two threads, by one
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]


_original: dict[str, Callable[[threading.Thread], None]] = {}


def _start(thread: threading.Thread) -> None:
    current = _importing.get()  # threads begin with a context of their own
    if current is not None:
        thread.run = partial(_run_thread, thread.run, current)  # type: ignore[method-assign]
    _original["start"](thread)


def _run_thread(run: Callable[[], None], current: _Import) -> None:
    _importing.set(current)
    try:
        run()
    except PipelineNotStarted:
        current.end_thread()


def _line_of(module: ModuleType, traceback: TracebackType | None) -> int:
    """The line of a module that a traceback goes through."""
    while traceback is not None and traceback.tb_frame.f_globals is not module.__dict__:
        traceback = traceback.tb_next
    return traceback.tb_lineno if traceback is not None else 0


class _CutOff(ModuleType):
    """A module whose import has ended early."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return import_code, (self.__name__,)  # as cloudpickle has it for modules

    def __getattr__(self, name: str) -> Any:
        text, why = f"module {self.__name__!r} has no attribute {name!r}", why_incomplete(self)
        if why is None or name.startswith("__"):
            raise AttributeError(text, name=name, obj=self)
        if _is_from_import():  # which has a message of its own for an AttributeError
            text = f"cannot import name {name!r} from {self.__name__!r}"
            raise ImportError(f"{text}: {why}", name=self.__name__, path=self.__file__)
        raise AttributeError(f"{text}: {why}", name=name, obj=self)


def _is_from_import() -> bool:
    """Whether the caller's caller is at ``from ... import ...``."""
    frame = sys._getframe(2)
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap["IMPORT_FROM"]
