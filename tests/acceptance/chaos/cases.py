"""Kinds of faults, and what must come of each."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sematic.testing import chaos
from tests.acceptance.chaos.checks import find_problems
from tests.acceptance.programs import ROOT
from tests.postgres import PostgresServer

LEASE_SECONDS = 2.0
_MODULE = "tests.acceptance.chaos.pipeline"
_SIZES = {"inline": 40, "ray": 24}
_CALLS = {"inline": 110, "ray": 140}  # how many have begun at the latest when a fault strikes
# There is a reserve on the larger one: it is for the end of a pipeline run whose disk is full.
_MEGABYTES, _MEGABYTES_WITH_RESERVE = 8, 64

Outcome = tuple[chaos.Report, list[str]]


@dataclass(frozen=True)
class Kind:
    """A kind of case.

    Attributes:
        name: for people, and to choose it.
        faults: makes them, by chance where they have something to choose.
        mode: ``"inline"`` or ``"ray"``, see the pipeline.
        weight: of a hundred cases, so many are of this kind.
        disk_megabytes: size of the file system that the record is on; 0 for any.
        lease_seconds: of the drivers.
        status: how the pipeline run must end.
        calls: how many have begun at the latest when the fault strikes; 0 for as many as usual.
    """

    name: str
    faults: Callable[[random.Random, "World"], list[chaos.Fault]]
    mode: str = "inline"
    postgres: bool = False
    disk_megabytes: int = 0
    lease_seconds: float = LEASE_SECONDS
    weight: int = 1
    status: str = "COMPLETE"
    calls: int = 0


@dataclass(frozen=True)
class World:
    """What cases need of this machine.

    Attributes:
        directory: a place of the case's own.
        postgres: a running server, for the kinds that record there.
        disk: a small file system, for the kinds that fill it.
    """

    directory: Path
    postgres: PostgresServer | None = None
    disk: Path | None = None


def _stop_driver(chance: random.Random, _: World) -> list[chaos.Fault]:
    return [chaos.StopDriver(seconds=LEASE_SECONDS + chance.uniform(0.5, 2.0))]


def _lock(chance: random.Random, _: World) -> list[chaos.Fault]:
    return [chaos.LockRecord(seconds=chance.uniform(0.2, 3.0))]


def _outage(chance: random.Random, world: World) -> list[chaos.Fault]:
    server = world.postgres
    assert server is not None
    return [chaos.Outage(server.stop, server.start, chance.uniform(0.1, 2.5), name="PostgreSQL")]


@dataclass
class _FillWithReserve(chaos.FillDisk):
    """Fills a disk on which there is a reserve by then."""

    def strike(self, scene: chaos.Scene) -> str | None:
        reserves = list(self.directory.rglob("*.ballast"))
        return super().strike(scene) if reserves else None


def _fill(_: random.Random, world: World) -> list[chaos.Fault]:
    assert world.disk is not None
    return [_FillWithReserve(world.disk, seconds=3600.0)]


def _fill_for_a_while(chance: random.Random, world: World) -> list[chaos.Fault]:
    assert world.disk is not None
    return [chaos.FillDisk(world.disk, seconds=chance.uniform(0.5, 3.0))]


KINDS = (
    Kind("driver", lambda *_: [chaos.KillDriver()], weight=22),
    Kind("driver-twice", lambda *_: [chaos.KillDriver(), chaos.KillDriver()], weight=10),
    Kind("stopped", _stop_driver, weight=8),
    Kind("locked", _lock, weight=6),
    Kind("locked-driver", lambda *a: [*_lock(*a), chaos.KillDriver()], weight=4),
    Kind(
        "full-disk",
        _fill,
        disk_megabytes=_MEGABYTES_WITH_RESERVE,
        weight=4,
        status="FAILED",
        calls=70,  # to fill it takes longer than the last calls do
    ),
    Kind(
        "full-for-a-while",
        _fill_for_a_while,
        disk_megabytes=_MEGABYTES,
        lease_seconds=20.0,
        weight=4,
    ),
    Kind("postgres-driver", lambda *_: [chaos.KillDriver()], postgres=True, weight=8),
    Kind("postgres-stopped", _stop_driver, postgres=True, weight=4),
    Kind("postgres-away", _outage, postgres=True, weight=5),
    Kind("postgres-away-driver", lambda *a: [*_outage(*a), chaos.KillDriver()], postgres=True),
    Kind("worker", lambda *_: [chaos.KillWorker()], mode="ray", weight=6),
    Kind("actor", lambda *_: [chaos.KillTrackerActor()], mode="ray", weight=4),
    Kind("raylet", lambda *_: [chaos.KillRaylet()], mode="ray", weight=4),
    Kind("ray-driver", lambda *_: [chaos.KillDriver()], mode="ray", weight=5),
    Kind("ray-stopped", _stop_driver, mode="ray", weight=2),
    Kind("ray-postgres", lambda *_: [chaos.KillDriver()], mode="ray", postgres=True, weight=3),
)


def run_case(kind: Kind, seed: int, world: World) -> Outcome:
    """Run a case.

    Returns:
        The report, and what is wrong, in sentences.
    """
    environment = {"SEMATIC_ARTIFACTS_URI": str(world.directory / "artifacts")}
    if world.disk is not None:
        environment["SEMATIC_CONFIG_DIR"] = str(world.disk / "config")
    if kind.postgres:
        assert world.postgres is not None
        environment["SEMATIC_DATABASE_URL"] = world.postgres.create_database()
    marks = str(world.directory / "marks")
    report = chaos.run(
        ["-m", _MODULE, kind.mode, str(_SIZES[kind.mode]), marks],
        kind.faults(_chance("faults", seed), world),
        directory=world.directory,
        seed=seed,
        calls=kind.calls or _CALLS[kind.mode],
        cwd=ROOT,
        environment=environment,
        lease_seconds=kind.lease_seconds,
        timeout_seconds=300,
        settle_seconds=30,
    )
    return report, find_problems(report, status=kind.status, size=_SIZES[kind.mode])


@contextmanager
def enter_world(kind: Kind, directory: Path, postgres: PostgresServer | None) -> Iterator[World]:
    """What a case needs, while the block runs.

    Raises:
        PermissionError: it needs a small disk, and this user cannot have one.
    """
    with ExitStack() as stack:
        disk = None
        if kind.disk_megabytes:
            disk = stack.enter_context(chaos.small_disk(kind.disk_megabytes))
        yield World(directory, postgres, disk)


def choose_kind(seed: int) -> Kind:
    """The kind that a seed stands for: of a hundred that follow, as many as the weights say."""
    kinds = [kind for kind in KINDS for _ in range(kind.weight)]
    hundred, place = divmod(seed, len(kinds))
    _chance("kind", hundred).shuffle(kinds)
    return kinds[place]


def _chance(purpose: str, seed: int) -> random.Random:
    """One for each purpose: the same numbers for all would make moments depend on kinds."""
    return random.Random(f"{purpose} {seed}")
