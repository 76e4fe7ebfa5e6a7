"""A pipeline run under faults, from its first driver to the end of its last one."""

import random
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sematic.errors import RecordError, SematicError
from sematic.settings import load_settings
from sematic.testing.chaos.drivers import Drivers, build_environment
from sematic.testing.chaos.executions import read_executions
from sematic.testing.chaos.faults import Fault
from sematic.testing.chaos.moments import Strike, choose_moments
from sematic.testing.chaos.processes import check_platform
from sematic.testing.chaos.report import Leftovers, Report, Struck, find_leftover_files
from sematic.testing.chaos.scene import Scene
from sematic.tracking.queries import open_queries
from sematic.tracking.views import PipelineRunRow

_PAUSE = 0.01
_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_TO_END = 30.0
_SECONDS_BETWEEN_DRIVERS = 1.0
_MOST_DRIVERS = 20


def run(
    script: Sequence[str],
    faults: Sequence[Fault | Strike],
    *,
    directory: Path,
    seed: int = 0,
    calls: int = 10,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    lease_seconds: float = 2.0,
    timeout_seconds: float = 180.0,
    settle_seconds: float = 10.0,
) -> Report:
    """Run a script under faults, resume its pipeline run until it has ended, and tell of it.

    Args:
        script: a file or ``-m`` and a module, and arguments: what is written behind ``python``.
            It calls ``LocalRunner().run(...)``.
        faults: what goes wrong, in any order. Each strikes once.
        directory: an empty one, for the record, the artifacts and what the drivers print.
        seed: decides the moments and the victims; the same one gives the same again, as far as
            the pipeline run does the same again.
        calls: each moment is that in which so many calls have begun, or fewer, and up to a tenth
            of a second more. No more than the pipeline has, or faults come too late.
        cwd: where the script starts; the current directory unless given.
        environment: variables for the script on top of those of this process, to record in
            PostgreSQL say: ``{"SEMATIC_DATABASE_URL": ...}``. The database must be empty.
        lease_seconds: after which a driver that hangs counts as lost.
        timeout_seconds: when everything is killed, and the report says so.
        settle_seconds: how long to wait for processes to be gone at the end.

    Raises:
        RuntimeError: this is not Linux.
    """
    check_platform()
    directory.mkdir(parents=True, exist_ok=True)
    # The sockets of Ray have long names, and the system allows short ones only.
    ray_directory = Path(tempfile.mkdtemp(prefix="x", dir="/tmp"))
    variables = build_environment(
        environment, directory=directory, ray_directory=ray_directory, lease_seconds=lease_seconds
    )
    chance = random.Random(seed)
    experiment = _Experiment(
        drivers=Drivers(script, directory=directory, environment=variables, cwd=cwd),
        environment=variables,
        strikes=choose_moments(faults, chance, calls=calls),
        chance=chance,
    )
    try:
        return experiment.run(seed, timeout_seconds, settle_seconds)
    finally:
        experiment.drivers.family.kill()
        shutil.rmtree(ray_directory, ignore_errors=True)


@dataclass
class _Experiment:
    drivers: Drivers
    environment: Mapping[str, str]
    strikes: list[Strike]
    chance: random.Random
    struck: list[Struck] = field(default_factory=list)
    _healing: list[tuple[float, Fault]] = field(default_factory=list)
    _due: float | None = None  # when the first of ``strikes`` has waited long enough
    _next_look: float = 0.0

    def run(self, seed: int, timeout_seconds: float, settle_seconds: float) -> Report:
        began = time.monotonic()
        self.drivers.begin()
        deadline, over = began + timeout_seconds, False
        try:
            while not over and time.monotonic() < deadline:
                time.sleep(_PAUSE)
                self._strike()
                self._heal(time.monotonic())
                over = self._look()
        finally:
            self._heal(float("inf"))
        ended = self.drivers.wait(_SECONDS_TO_END) and over
        late = [Struck(str(s.fault), None, f"too late: {s.fault}") for s in self.strikes]
        return Report(
            seed=seed,
            strikes=[*self.struck, *late],
            leftovers=self._settle(settle_seconds),
            drivers=[driver.describe() for driver in self.drivers.started],
            executions=read_executions(Path(self.environment["SEMATIC_CHAOS_LOG"])),
            timed_out=not ended,
            seconds=time.monotonic() - began,
            environment=self.environment,
        )

    # --- faults ------------------------------------------------------------------------------

    def _strike(self) -> None:
        """Let the next fault strike if its moment has come."""
        if not self.strikes or not self._is_due(self.strikes[0]):
            return
        driver = self.drivers.process
        if driver is None or driver.is_stopped:  # the next one will do
            return
        fault = self.strikes[0].fault
        scene = Scene(
            driver=driver,
            environment=self.environment,
            database_url=self._database_url,
            random=self.chance,
            look=self.drivers.family.look,
        )
        text = fault.strike(scene)
        if text is None:
            return
        self.strikes.pop(0)
        self._due = None
        self.struck.append(Struck(str(fault), time.time(), text))
        self._healing.append((time.monotonic() + fault.seconds, fault))

    def _is_due(self, strike: Strike) -> bool:
        if self._due is None:
            log = Path(self.environment["SEMATIC_CHAOS_LOG"])
            if len(read_executions(log)) >= strike.calls:
                self._due = time.monotonic() + strike.seconds
        return self._due is not None and time.monotonic() >= self._due

    def _heal(self, now: float) -> None:
        due = [item for item in self._healing if item[0] <= now]
        for item in due:
            self._healing.remove(item)
            item[1].heal()

    # --- drivers -----------------------------------------------------------------------------

    def _look(self) -> bool:
        """Whether all is over; what was lost is resumed."""
        now = time.monotonic()
        if now < self._next_look and not self.drivers.current.has_ended:
            return False
        self._next_look = now + _SECONDS_BETWEEN_LOOKS
        self.drivers.family.look()
        try:
            recorded = open_queries(self._database_url).pipeline_runs()
        except RecordError:  # it is away, or locked
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            return False
        lost = [pipeline_run for pipeline_run in recorded if pipeline_run.driver_lost]
        if lost and len(self.drivers.started) < _MOST_DRIVERS:
            self._resume(lost[-1])
            return False
        if lost:  # whoever drives it gives up at once
            return True
        if not self.drivers.current.has_ended:
            return False
        if any(not pipeline_run.status.is_terminal for pipeline_run in recorded):
            return False  # another driver has it, or its lease is not over yet
        if self._nothing_came_of_it(recorded):
            self.drivers.begin()
            return False
        return True

    def _nothing_came_of_it(self, recorded: Sequence[PipelineRunRow]) -> bool:
        """Whether the script was struck before anything was recorded, and must be started again."""
        if not self.struck or len(self.drivers.started) >= _MOST_DRIVERS:
            return False
        script = [driver for driver in self.drivers.started if driver.root_id is None][-1]
        code = script.popen.poll()
        if code is not None and code >= 0:  # it has left by itself, and said why
            return False
        counts = open_queries(self._database_url).state_counts([r.root_id for r in recorded])
        return not any(counts.values())

    def _resume(self, lost: PipelineRunRow) -> None:
        """Start somebody else, unless somebody is about to take it over."""
        current = self.drivers.current
        if time.time() - current.started_at < _SECONDS_BETWEEN_DRIVERS and not self._was_killed():
            return  # what made it leave may not be over yet
        process = self.drivers.family.find(current.popen.pid)
        if process is None or process.is_stopped or current.root_id != lost.root_id:
            self.drivers.resume(lost.root_id)

    def _was_killed(self) -> bool:
        code = self.drivers.current.popen.returncode
        return bool(self.struck) and code is not None and code < 0

    @property
    def _database_url(self) -> str:
        return load_settings(self.environment).database_url

    # --- the end -----------------------------------------------------------------------------

    def _settle(self, seconds: float) -> Leftovers:
        """What is left once everything has had time to end."""
        deadline = time.monotonic() + seconds
        family = self.drivers.family
        while (left := family.look()) and time.monotonic() < deadline:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        try:
            files = find_leftover_files(Path(self.environment["SEMATIC_CONFIG_DIR"]))
        except SematicError:
            files = []
        sessions = sorted(map(str, Path(self.environment["RAY_TMPDIR"]).iterdir()))
        return Leftovers([process.command for process in left], files, sessions)
