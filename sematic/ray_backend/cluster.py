"""Which Ray a pipeline run uses, from its start to its end."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sematic.errors import InfrastructureError
from sematic.forks import no_fork
from sematic.ray_backend.calls_to_ray import calls_to_ray
from sematic.ray_backend.own_ray import RaySession, connection_of, is_copy_of_parent
from sematic.ray_backend.signal_actions import take_back_signals
from sematic.ray_backend.taking_over import create_permit

# A slow machine needs a minute.
_MOST_SECONDS_TO_START = 180.0
_PATIENCE_SECONDS = 15.0
_SECONDS_TO_NOTICE = 0.1
_SECONDS_TO_ANSWER = 5.0


class LocalRay:
    """Ray on this machine, for as long as somebody needs it.

    Uses a Ray that the process has already, connects to ``address`` where one is given, else
    starts one of its own. Whatever it started or connected, it ends; a Ray that was there is left
    as it is. Several pipeline runs of one process share it.

    Args:
        address: of a running Ray, as ``ray.init`` takes it.
        announce: told one sentence before the seconds that a start takes.
    """

    def __init__(
        self, address: str | None = None, announce: Callable[[str], None] | None = None
    ) -> None:
        self._address = None if address == "local" else address
        self._announce = announce
        self._entered = False
        self._guarded: Any = None  # the ``ray`` module
        self._connection: object = None

    def enter(self, given_up: threading.Event | None = None) -> Any:
        """Make Ray ready and return the ``ray`` module. Takes seconds the first time.

        May be called again, also after somebody has shut Ray down; one :meth:`leave` is enough.

        Args:
            given_up: set by who does not want Ray any more while it starts.

        Raises:
            InfrastructureError: Ray cannot be started or reached, or does not start in time.
        """
        environment = dict(os.environ)  # importing Ray changes it
        ray = _import_ray()
        with _shared.lock:
            if is_copy_of_parent(ray):
                raise InfrastructureError(
                    "This process was forked from one in which Ray runs or ran, and Ray does not "
                    "work in such a process. Start it in another way: with multiprocessing's "
                    '"spawn" method, or with subprocess.'
                )
            if ray.is_initialized():
                self._check_address(ray)
                # Somebody may have started it just now.
                take_back_signals(Path(ray.__file__).parent)
            else:
                self._tell()
                _shared.start(self._address, environment, given_up or threading.Event())
            if not self._entered and _shared.is_started:
                _shared.users += 1
                self._entered = True
            if self._guarded is None:
                self._guarded = ray
                calls_to_ray.guard(ray)
            self._connection = connection_of(ray)
        return ray

    def is_up(self, ray: Any) -> bool:
        """Whether the process still has the Ray that was entered: anybody may shut it down."""
        return bool(ray.is_initialized()) and connection_of(ray) is self._connection

    @property
    def is_own(self) -> bool:
        """Whether the Ray in use was started here, so that it can be ended when it has died."""
        return _shared.is_started and _shared.address is None

    def permit(self, root_id: str) -> Path | None:
        """What lets workers execute calls; ``None`` in a Ray that is not our own.

        It is for whoever asks to keep it meanwhile, and to delete it in the end.
        """
        with _shared.lock:
            session = _shared.session
            return None if session is None else create_permit(session, root_id)

    def end_dead(self, ray: Any) -> None:
        """End what is left of our own Ray, which has died. Entering it again starts another."""
        with _shared.lock:
            if self.is_own and self.is_up(ray):  # others who share it may have been faster
                _shared.stop()

    def wait_until_gone(self, ray: Any) -> None:
        """Return when nothing of a Ray that is being shut down is left in this process.

        Until then it ends the process where an object of it is used, or let go of. Returns at
        once where Ray is up.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (
            not ray.is_initialized()
            and connection_of(ray) is self._connection
            and time.monotonic() < deadline
        ):
            time.sleep(_SECONDS_TO_NOTICE)

    def leave(self) -> None:
        """Leave Ray as it was found, once nobody else needs it. May be called twice."""
        with _shared.lock:
            if self._guarded is not None:
                calls_to_ray.unguard(self._guarded)
                self._guarded = None
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

    def _check_address(self, ray: Any) -> None:
        """A process has one Ray at a time: it must be the one that is asked for."""
        if self._address in (None, "auto", _shared.address):
            return
        host, _, port = str(self._address).rpartition(":")
        connected: str = ray.get_runtime_context().gcs_address
        its_host, _, its_port = connected.rpartition(":")
        if port != its_port or host not in (its_host, "localhost", "127.0.0.1"):
            raise InfrastructureError(
                f"This process uses the Ray at {connected} already, and cannot use the one at "
                f"{self._address} too. Call ray.shutdown() first, or leave ray_address out."
            )


class _RayThread:
    """The thread that starts Ray and lives as long: Ray dies with the thread that started it."""

    def __init__(self, session: RaySession) -> None:
        self._session = session
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="sematic-ray", daemon=True)

    @property
    def session(self) -> Path | None:
        """The directory of a Ray of our own."""
        return self._session.directory

    def start(self, given_up: threading.Event) -> None:
        """Return when Ray is up. Raises what went wrong, TimeoutError if it takes too long."""
        self._thread.start()
        deadline = time.monotonic() + _MOST_SECONDS_TO_START
        while not self._ready.wait(_SECONDS_TO_NOTICE):
            if given_up.is_set():  # nearly there: what has started can be ended properly
                deadline = min(deadline, time.monotonic() + _PATIENCE_SECONDS)
                given_up = threading.Event()
            if time.monotonic() > deadline:
                self._stop.set()  # it ends as soon as it has started
                raise TimeoutError("it did not start in time.")
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End Ray, and the thread."""
        self._stop.set()
        self._thread.join(_MOST_SECONDS_TO_START)

    def _live(self) -> None:
        try:
            self._session.start()
        except BaseException as error:  # noqa: BLE001
            # Raised again by whoever waits for us.
            self._error = error
            return
        finally:
            self._ready.set()
        self._stop.wait()
        self._session.stop()


class _Shared:
    """The Ray that the pipeline runs of this process share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.address: str | None = None
        self._thread: _RayThread | None = None
        self._given_up: _RayThread | None = None

    @property
    def is_started(self) -> bool:
        """Whether Ray was started, or connected to, by pipeline runs."""
        return self._thread is not None

    @property
    def session(self) -> Path | None:
        """The directory of a Ray of our own that is up."""
        return None if self._thread is None else self._thread.session

    def start(
        self, address: str | None, environment: dict[str, str], given_up: threading.Event
    ) -> None:
        self.stop()  # one that was given up may still be at it, or somebody has shut it down
        if address is not None:
            _check_reachable(address)
        thread = _RayThread(RaySession(address, environment))
        try:
            thread.start(given_up)
        except BaseException as error:
            self._given_up = thread
            what = f"Ray at {address} cannot be used" if address else "Ray cannot be started"
            raise InfrastructureError(f"{what}: {error}") from error
        self._thread, self.address = thread, address

    def stop(self) -> None:
        for thread in (self._thread, self._given_up):
            if thread is not None:
                thread.stop()
        self._thread = self._given_up = self.address = None


_shared = _Shared()


def _reset_in_fork() -> None:
    """What the parent shares is not ours, and its lock may be held by a thread that is gone."""
    global _shared  # noqa: PLW0603  there is one per process
    _shared = _Shared()


os.register_at_fork(after_in_child=_reset_in_fork)


def _check_reachable(address: str) -> None:
    """Ray would try for a quarter of an hour.

    Raises:
        InfrastructureError: nobody listens at ``address``.
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        return  # for Ray to understand
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise InfrastructureError(
            f"There is no Ray at {address} ({error}). Start one with `ray start --head`, or leave "
            "ray_address out to let the pipeline run start its own."
        ) from error


def _import_ray() -> Any:
    was_imported = "ray" in sys.modules
    try:
        with no_fork(importing=True):  # functions execute beside it, and may have children
            import ray
    except ImportError as error:
        raise InfrastructureError(f"Ray cannot be imported: {error}") from error
    if not was_imported:
        _take_back_excepthook(ray)
    return ray


def _take_back_excepthook(ray: Any) -> None:
    """Let an exception that ends this process do so as ever.

    Ray's hook tells the cluster of it, where nobody asks, and which may be ending at that moment.
    """
    worker = ray._private.worker
    if sys.excepthook is getattr(worker, "custom_excepthook", None):
        sys.excepthook = worker.normal_excepthook


def read_capacities(ray: Any) -> list[dict[str, float]]:
    """All resources of each alive node, free or in use, under Ray's names."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]
