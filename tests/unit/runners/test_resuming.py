"""What can be gone on with; what going on comes to is in tests/acceptance/chaos."""

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sematic.errors import InvalidOptionError
from sematic.runners.resuming import find_resumption, original_surroundings
from sematic.states import PipelineRunStatus
from sematic.tracking.queries import open_queries
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import info
from tests.directories import deleted_directory

ROOT = "0a" * 16


def lose_driver(path: Path) -> None:
    """Let the record say that a process drives that is not there."""
    with closing(sqlite3.connect(path)) as connection:
        (driver,) = connection.execute("SELECT driver FROM pipeline_runs").fetchone()
        gone = json.dumps({**json.loads(driver), "started": "long ago"})
        connection.execute("UPDATE pipeline_runs SET driver = ?", (gone,))
        connection.commit()


def test_a_pipeline_run_that_was_lost_as_it_began_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    url = f"sqlite:///{path}"
    with closing(SqlTracker(url)) as tracker:
        tracker.begin(replace(info(), root_id=ROOT))
    with pytest.raises(InvalidOptionError, match="drives it"):
        find_resumption(url, ROOT)
    lose_driver(path)
    with pytest.raises(InvalidOptionError, match="nothing to go on with"):
        find_resumption(url, ROOT)
    pipeline_run = open_queries(url).pipeline_run(ROOT)
    assert pipeline_run.status is PipelineRunStatus.FAILED
    assert "gone" in (pipeline_run.reason or "")


def test_the_original_surroundings_of_a_deleted_directory(tmp_path: Path) -> None:
    before = list(sys.path)
    there = {"directory": str(tmp_path), "main": str(tmp_path / "main.py")}
    with deleted_directory(tmp_path / "gone"):
        with original_surroundings(there):
            assert Path.cwd() == tmp_path
        with original_surroundings({"directory": None, "main": None}):
            pass
    assert sys.path == before
