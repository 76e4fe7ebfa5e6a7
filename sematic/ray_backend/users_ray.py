"""A Ray that an inline function has started, or connected to, in the process of the pipeline run.

Its processes carry the ids of that function, as all that it starts does. But they may not just be
ended: Ray ends this process too, a minute after it has lost them. It is shut down where the
function is over, and until then only what executes in it is ended.
"""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sematic.processes import load_psutil
from sematic.ray_backend.signal_actions import kept_signal_actions
from sematic.run_context import ROOT_ID, RUN_ID
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
    """End a Ray that functions have started in this process as Ray is to be ended, from now on."""
    spare(_users_ray)


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
