"""For scale: the rows of a recorded pipeline run, written again by ``sqlite3`` alone."""

import sqlite3
import time
from pathlib import Path
from typing import Any

# Of each run: the rows that its execution adds, by the table that they are in.
_ROWS = {
    "runs": "SELECT * FROM runs WHERE id = :id",
    "run_inputs": "SELECT * FROM run_inputs WHERE run_id = :id",
    "artifacts": "SELECT * FROM artifacts WHERE id = :output_id",
    "events": "SELECT * FROM events WHERE root_id = :root_id AND seq = :ordinal",
}


class RecordedRows:
    """The rows of the latest pipeline run of a record, grouped by run.

    Args:
        path: the SQLite file of the record.
    """

    def __init__(self, path: Path) -> None:
        record = sqlite3.connect(path)
        record.row_factory = sqlite3.Row
        self._schema = [
            row["sql"] for row in record.execute("SELECT sql FROM sqlite_master WHERE sql NOTNULL")
        ]
        latest = "SELECT root_id FROM pipeline_runs ORDER BY created_at DESC LIMIT 1"
        runs = record.execute(f"SELECT * FROM runs WHERE root_id = ({latest}) ORDER BY ordinal")
        self._runs = [
            {name: record.execute(query, dict(run)).fetchall() for name, query in _ROWS.items()}
            for run in runs.fetchall()
        ]
        record.close()

    def write_again(self, path: Path, *, per_commit: int) -> float:
        """Insert all rows into a new database and return the milliseconds per run.

        Args:
            path: where the database is made.
            per_commit: how many runs a transaction has.
        """
        connection = _build_database(path, self._schema)
        start = time.perf_counter()
        for first in range(0, len(self._runs), per_commit):
            connection.execute("BEGIN IMMEDIATE")
            for run in self._runs[first : first + per_commit]:
                _insert(connection, run)
            connection.execute("COMMIT")
        seconds = time.perf_counter() - start
        connection.close()
        return seconds / len(self._runs) * 1000


def _build_database(path: Path, schema: list[str]) -> sqlite3.Connection:
    """With the settings that the record has."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    for statement in schema:
        connection.execute(statement)
    return connection


def _insert(connection: sqlite3.Connection, run: dict[str, list[Any]]) -> None:
    for table, rows in run.items():
        if rows:
            places = ",".join("?" * len(rows[0]))
            connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)
