"""A Ray that an inline function has started, or connected to, in the process of the pipeline run.

Its processes carry the ids of that function, as all that it starts does. But they may not just be
ended: Ray ends this process too, a minute after it has lost them. It is shut down where the
function is over, and until then only what executes in it is ended. Nor may it take SIGTERM, which
is to cancel the pipeline run.
"""

import functools
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from sematic.processes import load_psutil
from sematic.ray_backend.signal_actions import kept_signal_actions
from sematic.run_context import ROOT_ID, RUN_ID, executes_here
from sematic.run_processes import spare

# Titles of what Ray needs for itself, as far as they begin like those of workers that execute.
_OF_NODE = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


class UsersRay:
    """The Ray that this process uses, if any; see :class:`sematic.run_processes.Attached`."""

    def end(self, ids: Collection[str]) -> None:
        """Shut it down if one of these runs, or of this pipeline run, has started it."""
        ray = _ray_in_use()
        if ray is not None and any(_is_marked(process, ids) for process in _node_processes(ray)):
            with kept_signal_actions(Path(ray.__file__).parent):
                ray.shutdown()

    def find_parts(self) -> Collection[int]:
        """Its processes but for workers that execute something."""
        ray = _ray_in_use()
        return {process.pid for process in _parts(ray)} if ray is not None else ()


_users_ray = UsersRay()


def look_after_users_ray() -> None:
    """Let a Ray that functions start in this process end as Ray is to end, and leave SIGTERM alone.

    From now on. Does not import Ray, but sees it when it is imported.
    """
    spare(_users_ray)
    if "ray" in sys.modules:
        _wrap_init(sys.modules["ray"])
    elif _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _ray_in_use() -> Any:
    """The ``ray`` module, if somebody has imported it and is connected by it."""
    ray = sys.modules.get("ray")
    if ray is None or not hasattr(ray, "is_initialized") or not ray.is_initialized():
        return None
    return ray if getattr(ray._private.worker, "_global_node", None) is not None else None


def _parts(ray: Any) -> Iterator[Any]:
    for process in _node_processes(ray):
        yield process
        with suppress(load_psutil().Error):
            yield from (child for child in process.children() if _is_of_node(child))


def _node_processes(ray: Any) -> list[Any]:
    """Those that name the directory of its session: servers, and workers that just begin."""
    psutil, session = load_psutil(), ray._private.worker._global_node.get_session_dir_path()
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and any(session in part for part in process.cmdline()):
                found.append(process)
    return found


def _is_of_node(process: Any) -> bool:
    with suppress(load_psutil().Error):
        return " ".join(process.cmdline()).startswith(_OF_NODE)
    return False


def _is_marked(process: Any, ids: Collection[str]) -> bool:
    with suppress(load_psutil().Error, OSError, ValueError):
        environment = process.environ()
        return not {environment.get(RUN_ID), environment.get(ROOT_ID)}.isdisjoint(ids)
    return False


# --- ray.init() -------------------------------------------------------------------------------


def _wrap_init(ray: Any) -> None:
    """Let ``ray.init()`` leave signals as they are while functions execute here.

    In the main thread it gives Python another handler of SIGTERM, and in C it takes it in any.
    """
    original, worker = getattr(ray, "init", None), getattr(ray, "_private", None)
    worker = getattr(worker, "worker", None)
    if original is None or worker is None:  # another module of that name
        return
    if hasattr(original, _WRAPPED):
        return

    @functools.wraps(original)
    def init(*args: Any, **options: Any) -> Any:
        if not executes_here():
            return original(*args, **options)
        with kept_signal_actions(Path(ray.__file__).parent), _kept_handler(signal.SIGTERM):
            return original(*args, **options)

    setattr(init, _WRAPPED, True)
    ray.init = worker.init = init


_WRAPPED = "_leaves_signals"


@contextmanager
def _kept_handler(number: int) -> Iterator[None]:
    """Put Python's handler of a signal back, where that can be done and Python knows it."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and before is not None and signal.getsignal(number) is not before:
            signal.signal(number, before)


class _Finder:
    """Finds Ray as all others do, and wraps ``ray.init()`` as soon as Ray is imported."""

    def __init__(self) -> None:
        self._finding = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As importlib wants it."""
        if name != "ray" or self._finding:
            return None
        self._finding = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._finding = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            loader: Any = _Loader(spec.loader)
            spec.loader = loader
        return spec


class _Loader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _wrap_init(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


_finder: Any = _Finder()
