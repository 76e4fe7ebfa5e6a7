"""What a fault sees of the pipeline run that it strikes."""

import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sematic.testing.chaos.processes import Process

# Ray's processes have titles: ray::<what they execute>.
_EXECUTES = "ray::execute_remotely"
_ACTOR = "ray::TrackerHost"


@dataclass(frozen=True)
class Scene:
    """A pipeline run at the moment of a fault.

    Attributes:
        driver: the process that drives it.
        environment: of that process: the settings say where record and artifacts are.
        database_url: of the record.
        random: where chance comes from; the experiment's seed decides.
        look: the processes of the experiment that live now.
    """

    driver: Process
    environment: Mapping[str, str]
    database_url: str
    random: random.Random
    look: Callable[[], list[Process]]

    def workers(self) -> list[Process]:
        """Ray's workers that execute functions now."""
        return [p for p in self.look() if p.command.startswith(_EXECUTES)]

    def tracker_actors(self) -> list[Process]:
        """The actors that write the record."""
        return [p for p in self.look() if p.command.startswith(_ACTOR)]

    def raylets(self) -> list[Process]:
        """The processes that run Ray on this machine; one for each driver that uses it."""
        return [p for p in self.look() if p.command.partition(" ")[0].endswith("/raylet")]

    def python(self, program: str, *arguments: str) -> list[str]:
        """A command that executes a Python program beside the pipeline run."""
        return [sys.executable, "-c", program, *arguments]
