"""What commands show of a pipeline run whose process was killed."""

import json
from collections.abc import Callable

from click.testing import Result

Cli = Callable[..., Result]


def test_runs(sematic_cli: Cli, lost_id: str) -> None:
    line = sematic_cli("runs", "--status", "lost").stdout.splitlines()[1]
    assert line.split()[:5] == [lost_id, "pipeline", "!", "DRIVER", "LOST"]
    assert line.endswith("3 unfinished")
    (row,) = json.loads(sematic_cli("runs", "--json").stdout)
    assert (row["status"], row["driver_lost"]) == ("RUNNING", True)


def test_show(sematic_cli: Cli, lost_id: str) -> None:
    output = sematic_cli("show", lost_id).stdout
    assert output.startswith("! pipeline  DRIVER LOST after ")
    assert ", which drove it, is gone; last heard of " in output
    assert "running" not in output
    assert [line.split()[-1] for line in output.splitlines()[-3:]] == ["unfinished"] * 3
