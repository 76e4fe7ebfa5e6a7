"""What can go wrong, as things that can be done to a pipeline run.

A fault of one's own is a class with :meth:`Fault.strike` and :meth:`Fault.heal`.
"""

import errno
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sematic.testing.chaos.processes import Process
from sematic.testing.chaos.scene import Scene

_MEGABYTE = 1 << 20
_SQLITE = "sqlite:///"
_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


class Fault(Protocol):
    """Something that goes wrong.

    Attributes:
        seconds: how long it lasts; 0 for what is done in an instant.
    """

    @property
    def seconds(self) -> float: ...

    def strike(self, scene: Scene) -> str | None:
        """Do harm, and return at once.

        Returns:
            What was done, in a few words; ``None`` where there is nothing (yet) to do harm to: it
            is tried again.
        """

    def heal(self) -> None:
        """End the harm. Called once for every strike that did any, at the end at the latest."""


class _Instant:
    """A fault that is over at once."""

    @property
    def seconds(self) -> float:
        """Nothing lasts."""
        return 0.0

    def heal(self) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class KillDriver(_Instant):
    """SIGKILL the process that called ``runner.run``; the experiment resumes its pipeline run."""

    def strike(self, scene: Scene) -> str | None:
        """Kill it."""
        return _kill("driver", [scene.driver], scene)


@dataclass(frozen=True)
class KillWorker(_Instant):
    """SIGKILL a Ray worker while it executes a standalone function.

    The function fails with :class:`sematic.InfrastructureError`, which ``retry`` can name.
    """

    def strike(self, scene: Scene) -> str | None:
        """Kill one that executes."""
        return _kill("worker", scene.workers(), scene)


@dataclass(frozen=True)
class KillTrackerActor(_Instant):
    """SIGKILL the actor that writes the record while Ray is up."""

    def strike(self, scene: Scene) -> str | None:
        """Kill it, or one of them."""
        return _kill("tracker actor", scene.tracker_actors(), scene)


@dataclass(frozen=True)
class KillRaylet(_Instant):
    """SIGKILL Ray itself on this machine while something executes on it, which is lost."""

    def strike(self, scene: Scene) -> str | None:
        """Kill it, or one of them."""
        return _kill("raylet", scene.raylets() if scene.workers() else [], scene)


@dataclass
class StopDriver:
    """SIGSTOP the driver, and SIGCONT it later, as a machine that sleeps and wakes.

    Once its lease is over, the experiment resumes the pipeline run elsewhere; the driver that
    wakes up finds that it was replaced.

    Args:
        seconds: how long it is stopped. Longer than the lease, or nothing happens.
    """

    seconds: float = 4.0
    _stopped: list[Process] = field(default_factory=list, init=False, repr=False)

    def strike(self, scene: Scene) -> str | None:
        """Stop it."""
        if not scene.driver.send(signal.SIGSTOP):
            return None
        self._stopped.append(scene.driver)
        return f"stopped driver {scene.driver.pid} for {self.seconds:.1f} s"

    def heal(self) -> None:
        """Let it go on."""
        self._stopped.pop(0).send(signal.SIGCONT)


@dataclass
class LockRecord:
    """Let another process hold SQLite's write lock.

    Args:
        seconds: how long.
    """

    seconds: float = 2.0
    _lockers: list[subprocess.Popen[str]] = field(default_factory=list, init=False, repr=False)

    def strike(self, scene: Scene) -> str | None:
        """Lock it.

        Raises:
            ValueError: the record is not in SQLite.
        """
        if not scene.database_url.startswith(_SQLITE):
            raise ValueError(f"LockRecord locks SQLite; the record is {scene.database_url}")
        path = scene.database_url.removeprefix(_SQLITE).partition("?")[0]
        if not Path(path).exists():
            return None
        command = scene.python(_LOCK, path, str(self.seconds))
        locker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert locker.stdout is not None
        locker.stdout.readline()  # when it has the lock
        self._lockers.append(locker)
        return f"locked the record for {self.seconds:.1f} s"

    def heal(self) -> None:
        """Unlock it."""
        locker = self._lockers.pop(0)
        locker.kill()
        locker.communicate()


@dataclass
class FillDisk:
    """Write a file until the file system is full.

    Args:
        directory: on a small file system, where record or artifacts are too; see
            :func:`sematic.testing.chaos.small_disk`.
        seconds: after which the file is removed again.
    """

    directory: Path
    seconds: float = 2.0

    @property
    def _path(self) -> Path:
        return self.directory / "chaos-fills-the-disk"

    def strike(self, scene: Scene) -> str | None:
        """Fill it."""
        with self._path.open("ab", buffering=0) as file:
            for size in (_MEGABYTE, 4096, 1):
                _write_until_full(lambda data=bytes(size): file.write(data))  # type: ignore[misc]
        return f"filled the disk of {self.directory} for {self.seconds:.1f} s"

    def heal(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Outage:
    """Something that the pipeline run needs is taken away for a while: its database, say.

    Args:
        begin: takes it away.
        end: brings it back.
        seconds: how long it is away.
        name: of the thing, for the report.
    """

    begin: Callable[[], object]
    end: Callable[[], object]
    seconds: float = 2.0
    name: str = "database"

    def strike(self, scene: Scene) -> str | None:
        """Take it away."""
        self.begin()
        return f"{self.name} away for {self.seconds:.1f} s"

    def heal(self) -> None:
        """Bring it back."""
        self.end()


def _kill(kind: str, candidates: Sequence[Process], scene: Scene) -> str | None:
    if not candidates:
        return None
    process = scene.random.choice(candidates)
    if not process.send(signal.SIGKILL):
        return None
    title = f" ({process.command})" if process.command.startswith("ray::") else ""
    return f"killed {kind} {process.pid}{title}"


def _write_until_full(write: Callable[[], object]) -> None:
    try:
        while True:
            write()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
