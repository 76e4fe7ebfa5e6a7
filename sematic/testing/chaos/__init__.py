"""Pipelines under faults: kill parts of your own ones, resume them, and see what came of it.

.. code-block:: python

    from pathlib import Path

    from sematic.testing import chaos


    def test_training_survives(tmp_path: Path) -> None:
        report = chaos.run(
            ["train.py", "--epochs", "3"],
            [chaos.KillDriver(), chaos.LockRecord(seconds=1)],
            directory=tmp_path,
            seed=7,
            calls=4,
        )
        assert report.problems() == []
        assert report.value == 0.93
        assert report.counts["train.load"] <= 2

The script is started in a process of its own, with a record of its own. Each fault strikes at a
moment that the seed decides, or at one of your choice: ``chaos.Strike(chaos.KillDriver(), 5)``
kills when five calls have begun. Whenever the driver is lost, ``sematic resume`` goes on, until the
pipeline run has ended. :meth:`Report.problems` compares what was executed, as the executing
processes noted it, with what is recorded, and looks for what is left behind. ``str(report)`` is one
line for a log.

Linux only. Ray is needed where the pipeline has standalone functions.
"""

from sematic.testing.chaos.executions import Execution
from sematic.testing.chaos.experiment import run
from sematic.testing.chaos.faults import (
    Fault,
    FillDisk,
    KillDriver,
    KillRaylet,
    KillTrackerActor,
    KillWorker,
    LockRecord,
    Outage,
    StopDriver,
)
from sematic.testing.chaos.moments import Strike
from sematic.testing.chaos.processes import Process
from sematic.testing.chaos.report import DriverExit, Leftovers, Report, Struck
from sematic.testing.chaos.scene import Scene
from sematic.testing.chaos.small_disks import small_disk

__all__ = [
    "DriverExit",
    "Execution",
    "Fault",
    "FillDisk",
    "KillDriver",
    "KillRaylet",
    "KillTrackerActor",
    "KillWorker",
    "Leftovers",
    "LockRecord",
    "Outage",
    "Process",
    "Report",
    "Scene",
    "StopDriver",
    "Strike",
    "Struck",
    "run",
    "small_disk",
]
