"""Starting a Ray of our own, or connecting to one, and leaving the process as it was."""

import atexit
import faulthandler
import importlib
import logging
import operator
import os
import resource
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sematic.processes import is_alive, load_psutil, wait_until_gone, working_directory
from sematic.ray_backend.session_directory import (
    SESSION,
    SessionDirectory,
    create_session_directory,
    end_processes_of,
)
from sematic.ray_backend.signal_actions import kept_signal_actions
from sematic.ray_backend.slow_start import patient
from sematic.run_context import ROOT_ID, RUN_ID

# Set while our own Ray starts; its processes inherit them. What the user has set stays.
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no reports
    "RAY_ENABLE_AUTO_CONNECT": "0",  # no second Ray where two threads come at once
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # no warning where no GPU is asked for
    "RAY_task_oom_retries": "0",  # out of memory is told; the engine decides what runs again
}
# For what is left when Ray is down, and does nothing any more; to end by itself, and by force.
_SECONDS_TO_END = 0.2
_SECONDS_TO_DIE = 3.0
_PACKAGE_DIRECTORY = Path(__file__).absolute().parents[2]


class RaySession:
    """One use of Ray by this process. Starts and stops in the same thread.

    What Ray does to the process while it starts is undone at once (environment variables, signal
    handlers) or at the end (limits, logging). A Ray of our own has its own directory, listens on
    loopback only, lets in only who knows a random token, and has no more processes than it needs.

    Args:
        address: of a running Ray; ``None`` to start one.
        environment: environment variables as they were before Ray was imported.
    """

    def __init__(self, address: str | None, environment: dict[str, str]) -> None:
        self._address = address
        self._environment = environment
        self._directory: SessionDirectory | None = None
        self._connection: object = None
        self._processes: list[Any] = []
        self._auto_connects: bool | None = None
        self._restore_logging: Callable[[], None] = lambda: None
        self._file_limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    @property
    def directory(self) -> Path | None:
        """That of a Ray of our own which is up."""
        return None if self._directory is None else self._directory.path

    def start(self) -> None:
        """Start Ray, or connect to it.

        Raises:
            Exception: whatever Ray raises.
        """
        import ray

        self._restore_logging = _remember_logging()
        try:
            with _kept_environment(self._environment), _somewhere():
                _load_what_its_end_needs()  # before it may have to end
                with kept_signal_actions(Path(ray.__file__).parent), _kept_faulthandler():
                    self._init(ray)
        except BaseException:
            self.stop()
            raise
        self._connection = connection_of(ray)
        if self._address is None:
            self._processes = _ray_processes()
        self._auto_connects = _let_auto_connect(ray, False)
        _forget_ray_in_forks(ray)
        # "(raylet) A worker died ...": who runs the pipeline is told, with more reason.
        ray._private.worker._worker_logs_enabled = False

    def stop(self) -> None:
        """End Ray, or the connection, and wait until nothing of it is left.

        What somebody has started after shutting it down is left as it is.
        """
        import ray

        if self._connection is None or self._connection is connection_of(ray):
            if self._address is None:
                self._processes = _ray_processes()
            with kept_signal_actions(Path(ray.__file__).parent):
                ray.shutdown()
        if self._auto_connects is not None:
            _let_auto_connect(ray, self._auto_connects)
        ray._private.worker._worker_logs_enabled = True
        self._restore_logging()
        _end(self._processes)
        _forget_token(ray._raylet)
        if self._directory is not None:
            _end_strays(self._directory.path)
            self._directory.remove()
        resource.setrlimit(resource.RLIMIT_NOFILE, self._file_limits)

    def _init(self, ray: Any) -> None:
        quiet: dict[str, Any] = {
            "logging_level": "ERROR",
            "log_to_driver": False,
            "job_config": _job_config(ray),
        }
        if self._address is not None:
            is_local = self._address.startswith(("127.0.0.1:", "localhost:"))
            if _is_here(self._address):
                _use_token_file(ray._raylet)
            with _replaced(ray, *([_LOOPBACK_IS_LOOPBACK] if is_local else [])):
                ray.init(address=self._address, **quiet)
            return
        self._directory = create_session_directory()
        os.environ.update({k: v for k, v in _SETTINGS.items() if k not in os.environ})
        # Loopback is open to every user of the machine. Given here, Ray does not write a token
        # to the user's home, which may be read-only.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        _forget_token(ray._raylet)
        with _small(ray, self._directory.path):
            ray.init(
                address="local",
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(self._directory.path),
                **quiet,
            )


def _job_config(ray: Any) -> Any:
    """Workers find this package even where only the driver's ``sys.path`` has it."""
    config = ray.job_config.JobConfig()
    if _PACKAGE_DIRECTORY.name not in ("site-packages", "dist-packages"):
        config._py_driver_sys_path.append(str(_PACKAGE_DIRECTORY))
    return config


@contextmanager
def _kept_environment(before: dict[str, str]) -> Iterator[None]:
    """Take back what happens to Ray's environment variables, and to the hook of breakpoint()."""
    try:
        yield
    finally:
        for name in list(os.environ):
            if _is_rays(name) and name not in before:
                del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if _is_rays(name)})


@contextmanager
def _kept_faulthandler() -> Iterator[None]:
    had_one = faulthandler.is_enabled()
    try:
        yield
    finally:
        if not had_one:
            faulthandler.disable()


@contextmanager
def _somewhere() -> Iterator[None]:
    """Be in the root directory where the current one was deleted: Ray cannot start from there."""
    if working_directory() is not None:
        yield
        return
    deleted = os.open(".", os.O_RDONLY)
    try:
        os.chdir("/")
        yield
    finally:
        os.fchdir(deleted)
        os.close(deleted)


def _is_rays(name: str) -> bool:
    return name.startswith("RAY_") or name == "PYTHONBREAKPOINT"


# On Linux Ray takes 127.0.0.1 for "the address that other machines reach": it listens on all
# interfaces, and looks for other processes there. On macOS, where it has no clusters, it does not.
_LOOPBACK_IS_LOOPBACK = ("_private.ray_constants", "ENABLE_RAY_CLUSTER", False)

# The agent of each node cannot be left out, but it can do without what a dashboard needs.
_WITHOUT_DASHBOARD = (
    ("_private.node.Node", "start_api_server", lambda self, **options: None),
    ("_private.utils", "get_dashboard_dependency_error", lambda: ImportError("not wanted")),
)


@contextmanager
def _small(ray: Any, directory: Path) -> Iterator[None]:
    """Let Ray start without what nobody here needs: half of its processes, half of the time.

    Its processes have ``directory`` in their environment.
    """
    original = ray._private.parameter.RayParams

    def build_params(*args: Any, **options: Any) -> Any:
        # Neither an autoscaler nor a process that copies log files: nobody reads from either.
        return original(*args, **(options | {"no_monitor": True, "include_log_monitor": False}))

    start = ray._private.services.ConsolePopen

    def start_as_nobodys(*args: Any, env: dict[str, str], **options: Any) -> Any:
        # An inline function may be executing: that does not make them its own.
        environment = {n: value for n, value in env.items() if n not in (RUN_ID, ROOT_ID)}
        return start(*args, env={**environment, SESSION: str(directory)}, **options)

    params = ("_private.parameter", "RayParams", build_params)
    popen = ("_private.services", "ConsolePopen", start_as_nobodys)
    node = ("_private.services", "get_node", patient(ray._private.services.get_node))
    with _replaced(ray, _LOOPBACK_IS_LOOPBACK, params, popen, node, *_WITHOUT_DASHBOARD):
        yield


@contextmanager
def _replaced(ray: Any, *replacements: tuple[str, str, Any]) -> Iterator[None]:
    """Replace parts of Ray for a while: there are no public switches for these.

    A Ray that lacks one of them does as it likes: it starts slower, with more processes.
    """
    with ExitStack() as stack:
        for path, name, replacement in replacements:
            with suppress(AttributeError):
                owner = operator.attrgetter(path)(ray)
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, replacement)
        yield


def _ray_processes() -> list[Any]:
    """The processes of our Ray, and all that tasks have started."""
    import ray

    psutil = load_psutil()
    node = ray._private.worker._global_node
    if node is None:
        return []
    found = []
    for kind in node.all_processes.values():
        for info in kind:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(info.process.pid)
                found += [process, *process.children(recursive=True)]
    return found


def _end(processes: list[Any]) -> None:
    """Wait for processes to end, and kill those that take their time.

    Their parents are gone: one that has ended may wait for seconds for somebody to take note of it.
    """
    wait_until_gone(processes, _SECONDS_TO_END)
    psutil, alive = load_psutil(), [process for process in processes if is_alive(process)]
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until_gone(alive, _SECONDS_TO_DIE)


def _end_strays(directory: Path) -> None:
    """End what is left of a Ray that came up in part only, or died: its agents, for a minute."""
    end_processes_of(directory, grace=_SECONDS_TO_END)


def _forget_token(raylet: Any) -> None:
    """Let Ray look for its token anew; it keeps the first one in all of a process's life."""
    with suppress(AttributeError):  # a Ray without tokens
        raylet.AuthenticationTokenLoader.instance().reset_cache()
        raylet.Config.initialize("")


def connection_of(ray: Any) -> object:
    """What changes when Ray is shut down and started again; ``None`` where there is no Ray."""
    return getattr(ray._private.worker.global_worker, "core_worker", None)


def _let_auto_connect(ray: Any, value: bool) -> bool | None:
    """Whether using Ray may start one; returns what it was before.

    Not while ours is in use: after ``ray.shutdown()`` the next call would start another Ray, which
    knows nothing of the tasks that are waited for.
    """
    with suppress(AttributeError):
        hook = ray._private.auto_init_hook
        before, hook.enable_auto_connect = bool(hook.enable_auto_connect), value
        return before
    return None


def _is_here(address: str) -> bool:
    """Whether an address with a port is one of this machine."""
    host = address.rpartition(":")[0]
    if not host or "/" in host:
        return False
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except OSError:
        return False
    return True


def _use_token_file(raylet: Any) -> None:
    """Show a Ray of this machine the token that `ray start` took from the user's home.

    Ray does so where it finds the address itself. The token is not for other machines unless the
    user says so, with RAY_AUTH_MODE=token.
    """
    with suppress(AttributeError):  # a Ray without tokens
        _forget_token(raylet)
        loader = raylet.AuthenticationTokenLoader.instance()
        if "RAY_AUTH_MODE" not in os.environ and loader.has_token(ignore_auth_mode=True):
            os.environ["RAY_AUTH_MODE"] = "token"
            raylet.Config.initialize("")


def _remember_logging() -> Callable[[], None]:
    """What undoes how Ray configures its logger when it starts."""
    logger = logging.getLogger("ray")
    level, propagate, handlers = logger.level, logger.propagate, list(logger.handlers)
    of_handlers = [(handler, handler.level, handler.formatter) for handler in handlers]

    def restore() -> None:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers
        for handler, its_level, formatter in of_handlers:
            handler.setLevel(its_level)
            handler.setFormatter(formatter)

    return restore


def _load_what_its_end_needs() -> None:
    """Import now what ``ray.shutdown()`` would, which Ray calls when the process exits.

    With the first module that makes dataclasses Python forgets that it exits because of a
    KeyboardInterrupt, and a program that was left with Ctrl-C would exit with 1.
    """
    with suppress(ImportError):  # a Ray that has no such module does not need it
        importlib.import_module("ray.dag.compiled_dag_node")


def _forget_ray_in_forks(ray: Any) -> None:
    """Keep a forked child from ending the Ray of its parent when it exits, and from using it."""
    global _forks_forget  # noqa: PLW0603  a hook cannot be taken back: it is set once
    if _forks_forget:
        return
    _forks_forget = True

    def forget() -> None:
        global _is_copy  # noqa: PLW0603  of the child, and of its own children
        _is_copy = True
        atexit.unregister(ray.shutdown)

    os.register_at_fork(after_in_child=forget)


_forks_forget = False
_is_copy = False


def is_copy_of_parent(ray: Any) -> bool:
    """Whether this process was forked from one in which Ray runs or ran: its Ray is dead here.

    Ray's threads are gone in a child, also those that it keeps after its end: to start it anew
    there is a segmentation fault.
    """
    worker = ray._private.worker.global_worker
    thread = getattr(worker, "listener_thread", None)
    dead = ray.is_initialized() and thread is not None and not thread.is_alive()
    return bool(_is_copy or dead)
