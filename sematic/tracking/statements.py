"""The recorder's statements: plain SQL that SQLite and PostgreSQL read alike.

Not built with SQLAlchemy: importing it and compiling with it would take longer than most small
pipelines run. A test compares the columns with ``tables.py``, and every statement is executed on
both databases.
"""

from dataclasses import dataclass
from functools import cache

PIPELINE_COLUMNS = (
    *("root_id", "name", "function_path", "status", "runner", "client_version"),
    *("cache_namespace", "environment", "epoch", "next_seq", "driver", "created_at", "updated_at"),
)
"""The columns of ``pipeline_runs`` that are known from the start."""

RUN_DETAILS = (
    *("state", "attempt", "scheduled_at", "started_at", "ended_at", "resolved_at"),
    *("failed_at", "nested_run_id", "output_id", "original_run_id", "cache_key"),
    *("error", "reason"),
)
"""The columns of ``runs`` that change after its creation."""

RUN_COLUMNS = (
    *("id", "root_id", "parent_id", "ordinal", "name", "function_path", "function_id"),
    *("standalone", "options", "created_at", *RUN_DETAILS),
)
INPUT_COLUMNS = ("run_id", "name", "position", "sources", "artifact_id")
CONSTANT_COLUMNS = ("root_id", "artifact_id")
FUNCTION_COLUMNS = ("id", "path", "source", "docstring")
ARTIFACT_COLUMNS = ("id", "codec", "type", "size", "payload", "summary", "created_at")
EVENT_COLUMNS = ("root_id", "epoch", "seq", "kind", "at", "payload")

# What an update never takes back: a time or an output, once known.
_KEPT = frozenset(
    {
        *("scheduled_at", "started_at", "ended_at", "resolved_at", "failed_at"),
        *("nested_run_id", "output_id", "original_run_id", "cache_key"),
    }
)


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL texts with positional parameters, in the order in which each line names them.

    Attributes:
        begin: PIPELINE_COLUMNS; a pipeline run that exists gets a new epoch and driver.
        advance: end, now, root_id, epoch, first_seq.
        status: status, reason, ended_at, root_id.
        environment: environment, root_id.
        position: root_id; selects epoch and next_seq.
        find_output: cache_key, state; selects the run and the columns of an ArtifactRef.
        new_runs: RUN_COLUMNS.
        changed_runs: RUN_DETAILS, run_id.
        inputs: INPUT_COLUMNS.
        input_artifacts: artifact_id, run_id, name.
        constants, functions, artifacts, events: their columns.
    """

    begin: str
    advance: str
    status: str
    environment: str
    position: str
    find_output: str
    new_runs: str
    changed_runs: str
    inputs: str
    input_artifacts: str
    constants: str
    functions: str
    artifacts: str
    events: str


@cache
def build_statements(*, sqlite: bool) -> Statements:
    """Every statement, with the parameter markers of one kind of database."""
    details = ", ".join(
        f"{name} = COALESCE(?, {name})" if name in _KEPT else f"{name} = ?" for name in RUN_DETAILS
    )
    texts = {
        "begin": (
            f"INSERT INTO pipeline_runs ({', '.join(PIPELINE_COLUMNS)}) "
            f"VALUES ({_marks(PIPELINE_COLUMNS)}) ON CONFLICT (root_id) DO UPDATE SET "
            "epoch = pipeline_runs.epoch + 1, next_seq = 0, driver = excluded.driver, "
            "updated_at = excluded.updated_at"
        ),
        "advance": (
            "UPDATE pipeline_runs SET next_seq = ?, updated_at = ? "
            "WHERE root_id = ? AND epoch = ? AND next_seq = ?"
        ),
        "status": "UPDATE pipeline_runs SET status = ?, reason = ?, ended_at = ? WHERE root_id = ?",
        "environment": "UPDATE pipeline_runs SET environment = ? WHERE root_id = ?",
        "position": "SELECT epoch, next_seq FROM pipeline_runs WHERE root_id = ?",
        "find_output": (
            "SELECT COALESCE(r.original_run_id, r.id), "
            "a.id, a.codec, a.type, a.size, a.payload, a.summary "
            "FROM runs r JOIN artifacts a ON a.id = r.output_id "
            "WHERE r.cache_key = ? AND r.state = ? ORDER BY r.resolved_at, r.id LIMIT 1"
        ),
        "new_runs": _insert("runs", RUN_COLUMNS),
        "changed_runs": f"UPDATE runs SET {details} WHERE id = ?",
        "inputs": _insert("run_inputs", INPUT_COLUMNS),
        "input_artifacts": "UPDATE run_inputs SET artifact_id = ? WHERE run_id = ? AND name = ?",
        "constants": _insert("expression_constants", CONSTANT_COLUMNS),
        "functions": _insert("functions", FUNCTION_COLUMNS),
        "artifacts": _insert("artifacts", ARTIFACT_COLUMNS),
        "events": _insert("events", EVENT_COLUMNS),
    }
    mark = "?" if sqlite else "%s"
    return Statements(**{name: text.replace("?", mark) for name, text in texts.items()})


def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) VALUES ({_marks(columns)}) ON CONFLICT DO NOTHING"


def _marks(columns: tuple[str, ...]) -> str:
    return ", ".join("?" for _ in columns)
