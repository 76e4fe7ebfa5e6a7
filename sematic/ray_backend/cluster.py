"""Which Ray a pipeline run uses, from its start to its end."""

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sematic.errors import InfrastructureError

# Set while our own Ray starts and runs, so that nothing of it gets in the user's way.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no reports
    "RAY_SCHEDULER_EVENTS": "0",  # no "(autoscaler +5s)" lines
    "RAY_ENABLE_AUTO_CONNECT": "0",  # no second Ray where two threads come at once
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # no warning where no GPU is asked for
    "RAY_task_oom_retries": "0",  # out of memory is told; the engine decides what runs again
    # Loopback is open to every user of the machine. In the environment, so that Ray does not
    # write a token to the user's home; the same in all of the process's life, as Ray keeps it.
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


class LocalRay:
    """Ray on this machine, for as long as somebody needs it.

    Uses a Ray that the process has already, connects to ``address`` where one is given, else
    starts one of its own that listens on loopback only. Whatever it started or connected, it
    ends. Several pipeline runs of one process share it.

    Args:
        address: of a running Ray, as ``ray.init`` takes it.
        announce: told one sentence before the seconds that a start takes.
    """

    def __init__(
        self, address: str | None = None, announce: Callable[[str], None] | None = None
    ) -> None:
        self._address = address
        self._announce = announce
        self._entered = False

    def enter(self) -> Any:
        """Make Ray ready and return the ``ray`` module. Takes seconds the first time.

        Raises:
            InfrastructureError: Ray cannot be started or reached.
        """
        before = dict(os.environ)
        import ray

        with _lock:
            if _shared.users or not ray.is_initialized():
                if not _shared.users:
                    self._tell()
                    _shared.start(self._address, before)
                _shared.users += 1
                self._entered = True
        return ray

    def leave(self) -> None:
        """Leave Ray as it was found, once nobody else needs it. May be called twice."""
        with _lock:
            if not self._entered:
                return
            self._entered = False
            _shared.users -= 1
            if not _shared.users:
                _shared.stop()

    def _tell(self) -> None:
        if self._announce is None:
            return
        if self._address:
            self._announce(f"Connecting to Ray at {self._address} ...")
        else:
            self._announce("Starting Ray on this machine for standalone functions ...")


class _RayThread:
    """The thread that starts Ray and lives as long: Ray dies with the thread that started it."""

    def __init__(self) -> None:
        self.users = 0
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self, address: str | None, before: dict[str, str]) -> None:
        self._stop.clear()
        self._ready.clear()
        self._error = None
        self._thread = threading.Thread(
            target=self._live, args=(address, before), name="sematic-ray", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise InfrastructureError(f"Ray could not be started: {self._error}") from self._error

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _live(self, address: str | None, before: dict[str, str]) -> None:
        import ray

        try:
            _init(ray, address)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for us
            self._error = error
            _restore(before)
            return
        finally:
            self._ready.set()
        self._stop.wait()
        ray.shutdown()
        _restore(before)


_lock = threading.Lock()
_shared = _RayThread()


def _init(ray: Any, address: str | None) -> None:
    if address is not None:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        return
    os.environ.update({k: v for k, v in _QUIET.items() if k not in os.environ})
    with _on_loopback():
        ray.init(
            address="local",
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray listen on 127.0.0.1 only, as it does on macOS.

    On Linux it takes that address for "find the one that other machines reach" and listens on all
    interfaces; this constant is the only switch.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _restore(before: dict[str, str]) -> None:
    """Take back what we and ``ray.init`` did to the environment; the user's changes stay."""
    for name in set(os.environ) - set(before):
        if name.startswith("RAY_"):
            del os.environ[name]
    for name, value in before.items():
        if name.startswith("RAY_") and os.environ.get(name) != value:
            os.environ[name] = value


def read_capacity(ray: Any) -> dict[str, float]:
    """The most that any one alive node has of each resource, under Ray's names."""
    most: dict[str, float] = {}
    for node in ray.nodes():
        if node["Alive"]:
            for name, amount in node["Resources"].items():
                most[name] = max(most.get(name, 0.0), amount)
    return most
