"""The processes that drive pipeline runs in an experiment: the script, and who resumes it."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sematic.testing.chaos.processes import Family, Process
from sematic.testing.chaos.report import DriverExit

_OBSERVER = Path(__file__).parent / "observer"
_PACKAGE_DIRECTORY = Path(__file__).absolute().parents[3]
_RESUME = "from sematic.cli import main; main()"


@dataclass
class Driver:
    """A driver that was started.

    Attributes:
        root_id: what it resumes; ``None`` for the script itself.
    """

    command: Sequence[str]
    popen: "subprocess.Popen[bytes]"
    output: Path
    root_id: str | None
    started_at: float = field(default_factory=time.time)

    @property
    def has_ended(self) -> bool:
        """Whether it has."""
        return self.popen.poll() is not None

    def describe(self) -> DriverExit:
        """What came of it."""
        output = self.output.read_text(encoding="utf-8", errors="replace")
        code = self.popen.poll()
        return DriverExit(self.command, self.popen.pid, self.started_at, code, output)


class Drivers:
    """Starts drivers, numbers them, and knows all processes that came of them.

    Args:
        script: what begins the pipeline run, as it is written behind ``python``.
        directory: for what they print.
        environment: theirs.
        cwd: where they start.
    """

    def __init__(
        self,
        script: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        cwd: Path | None,
    ) -> None:
        self.started: list[Driver] = []
        self.family = Family()
        self._script = script
        self._directory = directory
        self._environment = environment
        self._cwd = cwd

    @property
    def current(self) -> Driver:
        """The newest."""
        return self.started[-1]

    @property
    def process(self) -> Process | None:
        """That of the newest which has not ended."""
        found = (self.family.find(driver.popen.pid) for driver in reversed(self.started))
        return next((process for process in found if process is not None), None)

    def begin(self) -> None:
        """Start the script."""
        self._start([sys.executable, *self._script], None)

    def resume(self, root_id: str) -> None:
        """Start ``sematic resume``."""
        self._start([sys.executable, "-c", _RESUME, "resume", root_id], root_id)

    def _start(self, command: Sequence[str], root_id: str | None) -> None:
        number = len(self.started) + 1
        output = self._directory / f"driver-{number}.txt"
        with output.open("wb") as file:
            popen = subprocess.Popen(
                command,
                cwd=self._cwd,
                env={**self._environment, "SEMATIC_CHAOS_DRIVER": str(number)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(Driver(command, popen, output, root_id))
        self.family.add(popen.pid)

    def wait(self, seconds: float) -> bool:
        """Whether all of them have ended, some of them perhaps in this time."""
        deadline = time.monotonic() + seconds
        while not all(driver.has_ended for driver in self.started):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def build_environment(
    given: Mapping[str, str] | None, *, directory: Path, ray_directory: Path, lease_seconds: float
) -> dict[str, str]:
    """The environment of an experiment's processes.

    Args:
        given: what comes on top of, or in place of, this process's environment.
        directory: of the experiment: the record and the log of executions go there.
        ray_directory: where Ray keeps its sessions; its path must be short.
        lease_seconds: after which a driver that hangs counts as lost.
    """
    paths = [str(_OBSERVER), str(_PACKAGE_DIRECTORY), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "SEMATIC_CONFIG_DIR": str(directory / "config"),
        "SEMATIC_LEASE_SECONDS": repr(lease_seconds),
        "SEMATIC_PROGRESS": "plain",
        "SEMATIC_CHAOS_LOG": str(directory / "executions.tsv"),
        "RAY_TMPDIR": str(ray_directory),
        **(given or {}),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }
