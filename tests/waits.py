"""Waits for what a test is about to end: in its scripts, from their functions."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sematic
from tests.waiting import wait_until

_SECONDS = 60.0


def wait_until_recorded() -> None:
    """Return when the record says that the call executes from which this is called.

    Inline calls run ahead of the record. It says then too what was before.
    """
    path = Path(os.environ["SEMATIC_CONFIG_DIR"], "sematic.db")
    run_id = sematic.context().run_id
    with closing(sqlite3.connect(path, timeout=_SECONDS)) as record:
        wait_until(lambda: _executes(record, run_id), seconds=_SECONDS)


def _executes(record: sqlite3.Connection, run_id: str) -> bool:
    query = "SELECT state FROM runs WHERE id = ?"
    return record.execute(query, (run_id,)).fetchone() == ("SCHEDULED",)
