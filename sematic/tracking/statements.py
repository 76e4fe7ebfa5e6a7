"""The recorder's statements: plain SQL that SQLite and PostgreSQL read alike.

Not built with SQLAlchemy: importing it and compiling with it would take longer than most small
pipelines run. A test compares the columns with ``tables.py``, and every statement is executed on
both databases.
"""

from dataclasses import dataclass
from functools import cache

from sematic.events import CancelRequested
from sematic.states import STATUS_TRANSITIONS, TERMINAL_STATES, PipelineRunStatus

PIPELINE_COLUMNS = (
    *("root_id", "name", "function_path", "status", "runner", "client_version"),
    *("cache_namespace", "environment", "epoch", "next_seq", "driver", "created_at", "updated_at"),
    "lease_seconds",
)
"""The columns of ``pipeline_runs`` that are known from the start."""

RUN_DETAILS = (
    *("state", "attempt", "scheduled_at", "started_at", "ended_at", "resolved_at"),
    *("failed_at", "canceled_at", "nested_run_id", "output_id", "original_run_id", "cache_key"),
    *("error", "reason"),
)
"""The columns of ``runs`` that change after its creation."""

RUN_COLUMNS = (
    *("id", "root_id", "parent_id", "ordinal", "name", "function_path", "function_id"),
    *("standalone", "options", "created_at", *RUN_DETAILS),
)
ATTEMPT_COLUMNS = (
    *("run_id", "attempt", "scheduled_at", "started_at", "ended_at", "error", "reason"),
)
INPUT_COLUMNS = ("run_id", "name", "position", "sources", "artifact_id")
CONSTANT_COLUMNS = ("root_id", "artifact_id")
FUNCTION_COLUMNS = ("id", "path", "source", "docstring")
ARTIFACT_COLUMNS = ("id", "codec", "type", "size", "payload", "summary", "created_at")
EVENT_COLUMNS = ("root_id", "epoch", "seq", "kind", "at", "payload")

_ARTIFACT = "a.id, a.codec, a.type, a.size, a.payload, a.summary"

CACHE_KEY_LENGTH = 100
"""The most characters of a cache key."""

# What an update never takes back: a time or an output, once known.
_KEPT = frozenset(
    {
        *("scheduled_at", "started_at", "ended_at", "resolved_at", "failed_at", "canceled_at"),
        *("nested_run_id", "output_id", "original_run_id", "cache_key"),
    }
)


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL texts with positional parameters, in the order in which each line names them.

    Attributes:
        begin: PIPELINE_COLUMNS; nothing happens if the pipeline run exists.
        take_over: driver, lease_seconds, root_id, epoch, heartbeat_at or None: the next epoch of a
            pipeline run that has not ended, and that nobody has shown a sign of life of since.
        renew: lease_seconds, at, root_id, epoch.
        end_lease: root_id, epoch; what is left of it are no seconds.
        request_cancel: reason, root_id; the first wish stays.
        read_wish: root_id; selects the reason, if there is a wish.
        void_wish: root_id; there is none any more, unless a driver has heard of it.
        advance: end, at, root_id, epoch, first_seq.
        status: status, reason, ended_at, root_id, status again; no row where it may not follow.
        environment: environment, root_id.
        position: root_id; selects epoch, next_seq and status.
        find_outputs: cache keys (JSON for SQLite, else a list), state; selects the key, the run
            that computed it, when that was, and the columns of an ArtifactRef. From SQLite comes
            one row with a JSON list of all of them, and the time in whole microseconds.
        find_copies: the same of the runs that were served it, which may be many: one row for each
            artifact of a key, with the first moment.
        count_runs: root_id.
        new_runs: RUN_COLUMNS.
        changed_runs: RUN_DETAILS, run_id; a run that has ended stays as it is.
        inputs: INPUT_COLUMNS.
        input_artifacts: artifact_id, run_id, name; before changed_runs, for the same reason.
        attempts, constants, functions, artifacts, events: their columns.
    """

    begin: str
    take_over: str
    renew: str
    end_lease: str
    request_cancel: str
    read_wish: str
    void_wish: str
    advance: str
    status: str
    environment: str
    position: str
    find_outputs: str
    find_copies: str
    count_runs: str
    new_runs: str
    changed_runs: str
    inputs: str
    input_artifacts: str
    attempts: str
    constants: str
    functions: str
    artifacts: str
    events: str


def clock_expression(*, sqlite: bool) -> str:
    """The database's own clock in SQL: seconds since the epoch, UTC."""
    if sqlite:
        return "((julianday('now') - 2440587.5) * 86400.0)"
    return "EXTRACT(EPOCH FROM clock_timestamp())"


@cache
def build_statements(*, sqlite: bool) -> Statements:
    """Every statement, with the parameter markers of one kind of database."""
    now = clock_expression(sqlite=sqlite)
    one_of = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY(?)"
    details = ", ".join(
        f"{name} = COALESCE(?, {name})" if name in _KEPT else f"{name} = ?" for name in RUN_DETAILS
    )
    in_one = _in_one_row if sqlite else str
    texts = {
        "begin": (
            f"INSERT INTO pipeline_runs ({', '.join(PIPELINE_COLUMNS)}, heartbeat_at) "
            f"VALUES ({_marks(PIPELINE_COLUMNS)}, {now}) ON CONFLICT (root_id) DO NOTHING"
        ),
        "take_over": (
            "UPDATE pipeline_runs SET epoch = epoch + 1, next_seq = 0, driver = ?, "
            f"lease_seconds = ?, heartbeat_at = {now} WHERE root_id = ? AND epoch = ? "
            f"AND status IN ({_unended()}) "
            # In records of older versions there may be none: that is 0, for those who look too.
            "AND COALESCE(heartbeat_at, 0) = COALESCE(?, heartbeat_at, 0)"
        ),
        "renew": (
            f"UPDATE pipeline_runs SET heartbeat_at = {now}, lease_seconds = ?, "
            # Until it has recorded something, the time of the driver before it is what counts.
            "updated_at = CASE WHEN next_seq > 0 THEN ? ELSE updated_at END "
            "WHERE root_id = ? AND epoch = ?"
        ),
        "end_lease": "UPDATE pipeline_runs SET lease_seconds = 0 WHERE root_id = ? AND epoch = ?",
        "request_cancel": (
            f"UPDATE pipeline_runs SET cancel_requested_at = {now}, cancel_reason = ? "
            "WHERE root_id = ? AND cancel_requested_at IS NULL"
        ),
        "read_wish": (
            "SELECT cancel_reason FROM pipeline_runs "
            "WHERE root_id = ? AND cancel_requested_at IS NOT NULL"
        ),
        "void_wish": (
            "UPDATE pipeline_runs SET cancel_requested_at = NULL, cancel_reason = NULL "
            "WHERE root_id = ? AND cancel_requested_at IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM events WHERE root_id = pipeline_runs.root_id "
            f"AND kind = '{CancelRequested.__name__}')"
        ),
        "advance": (
            "UPDATE pipeline_runs SET next_seq = ?, updated_at = COALESCE(?, updated_at), "
            f"heartbeat_at = {now} WHERE root_id = ? AND epoch = ? AND next_seq = ?"
        ),
        "status": (
            "UPDATE pipeline_runs SET status = ?, reason = ?, ended_at = ? "
            f"WHERE root_id = ? AND status || '>' || ? IN ({_status_moves()})"
        ),
        "environment": "UPDATE pipeline_runs SET environment = ? WHERE root_id = ?",
        "position": "SELECT epoch, next_seq, status FROM pipeline_runs WHERE root_id = ?",
        "find_outputs": in_one(_find_outputs(sqlite=sqlite)),
        "find_copies": in_one(_find_copies(one_of)),
        "count_runs": "SELECT COUNT(*) FROM runs WHERE root_id = ?",
        "new_runs": _insert("runs", RUN_COLUMNS),
        "changed_runs": (
            f"UPDATE runs SET {details} WHERE id = ? AND state NOT IN ({_terminal_states()})"
        ),
        "inputs": _insert("run_inputs", INPUT_COLUMNS),
        "input_artifacts": (
            "UPDATE run_inputs SET artifact_id = ? WHERE run_id = ? AND name = ? AND NOT EXISTS "
            "(SELECT 1 FROM runs WHERE id = run_inputs.run_id "
            f"AND state IN ({_terminal_states()}))"
        ),
        "attempts": _insert("attempts", ATTEMPT_COLUMNS),
        "constants": _insert("expression_constants", CONSTANT_COLUMNS),
        "functions": _insert("functions", FUNCTION_COLUMNS),
        "artifacts": _insert("artifacts", ARTIFACT_COLUMNS),
        "events": _insert("events", EVENT_COLUMNS),
    }
    mark = "?" if sqlite else "%s"
    return Statements(**{name: text.replace("?", mark) for name, text in texts.items()})


def _unended() -> str:
    return ", ".join(f"'{status.value}'" for status in PipelineRunStatus if not status.is_terminal)


def _status_moves() -> str:
    """``'RUNNING>FAILED'`` and so on, as :data:`sematic.states.STATUS_TRANSITIONS` has them."""
    moves = {
        (before.value, after.value)
        for before, followers in STATUS_TRANSITIONS.items()
        if before is not None
        for after in followers
    }
    # A driver that begins, or takes over, says so whether or not it was recorded before.
    moves.add((PipelineRunStatus.RUNNING.value, PipelineRunStatus.RUNNING.value))
    return ", ".join(f"'{before}>{after}'" for before, after in sorted(moves))


def _terminal_states() -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(TERMINAL_STATES))


def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) VALUES ({_marks(columns)}) ON CONFLICT DO NOTHING"


def _marks(columns: tuple[str, ...]) -> str:
    return ", ".join("?" for _ in columns)


def _find_outputs(*, sqlite: bool) -> str:
    # SQLite sorts what stands behind IN before it looks for any of it.
    keys = "json_each(?) k CROSS JOIN runs r ON r.cache_key = k.value" if sqlite else "runs r"
    wanted = "" if sqlite else "r.cache_key = ANY(?) AND "
    return (
        f"SELECT r.cache_key, r.id AS run_id, r.resolved_at AS known_at, {_ARTIFACT} "
        f"FROM {keys} JOIN artifacts a ON a.id = r.output_id "
        f"WHERE {wanted}r.original_run_id IS NULL AND r.state = ?"
    )


def _find_copies(one_of: str) -> str:
    return (
        "SELECT r.cache_key, MIN(r.original_run_id) AS run_id, MIN(r.resolved_at) AS known_at, "
        f"{_ARTIFACT} "
        "FROM runs r JOIN artifacts a ON a.id = r.output_id "
        f"WHERE r.cache_key {one_of} AND r.original_run_id IS NOT NULL AND r.state = ? "
        "GROUP BY r.cache_key, a.id"
    )


def _in_one_row(found: str) -> str:
    """What a query of SQLite finds as JSON.

    For each row Python lets other threads run, and then waits for them: where they are busy that
    takes several times as long as to find it.
    """
    whole = "CAST(known_at * 1000000 AS INTEGER)"  # JSON would not have all digits of a fraction
    columns = f"cache_key, run_id, {whole}, id, codec, type, size, payload, summary"
    return f"SELECT json_group_array(json_array({columns})) FROM ({found})"
