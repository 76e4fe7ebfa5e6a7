"""The tables of the record. ``migrations/`` brings older databases to this shape.

Times are seconds since the epoch, UTC. Ids of runs are 32 hex digits, of artifacts 40. Columns
that hold structure hold JSON text in ASCII, so that no character can offend a database.

Only a table of short rows is WITHOUT ROWID: in such a table SQLite reads whole rows where it looks
for a key, and one event may hold ten thousand calls.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from sematic.tracking.statements import CACHE_KEY_LENGTH

_TABLES_LOCK = 7363617  # any number that nobody else takes

metadata = MetaData()

_HAS_KEY = text("cache_key IS NOT NULL")

pipeline_runs = Table(
    "pipeline_runs",
    metadata,
    Column("root_id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("function_path", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("runner", Text, nullable=False),
    Column("client_version", Text, nullable=False),
    Column("cache_namespace", Text),
    Column("environment", Text, nullable=False),
    # Who drives it: the epoch fences older drivers, next_seq refuses gaps and repetitions.
    Column("epoch", Integer, nullable=False),
    Column("next_seq", Integer, nullable=False),
    Column("driver", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("ended_at", Double),
    # The driver's last sign of life by the database's clock, and how long it counts.
    Column("heartbeat_at", Double),
    Column("lease_seconds", Double),
    # What others want of the driver.
    Column("cancel_requested_at", Double),
    Column("cancel_reason", Text),
    Index("ix_pipeline_runs_created_at", "created_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("root_id", String(32), nullable=False),
    Column("parent_id", String(32)),
    # Counts the runs of a pipeline run in the order in which they were created.
    Column("ordinal", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("function_path", Text, nullable=False),
    Column("function_id", String(40), nullable=False),
    Column("standalone", Boolean, nullable=False),
    Column("options", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    # From here on: what changes while it runs.
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("scheduled_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("resolved_at", Double),
    Column("failed_at", Double),
    Column("canceled_at", Double),
    Column("nested_run_id", String(32)),
    Column("output_id", String(40)),
    Column("original_run_id", String(32)),
    Column("cache_key", String(CACHE_KEY_LENGTH)),
    Column("error", Text),
    Column("reason", Text),
    Index("ix_runs_root_id_ordinal", "root_id", "ordinal"),
    # Who computed an output comes first, however often it was served since.
    Index(
        "ix_runs_cache_key_original_run_id",
        *("cache_key", "original_run_id"),
        sqlite_where=_HAS_KEY,
        postgresql_where=_HAS_KEY,
    ),
)

# The attempts that were followed by another one; the last one of a run is in its own row.
attempts = Table(
    "attempts",
    metadata,
    Column("run_id", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double, nullable=False),
    Column("error", Text),
    Column("reason", Text),
    Column("scheduled_at", Double),
    PrimaryKeyConstraint("run_id", "attempt"),
)

run_inputs = Table(
    "run_inputs",
    metadata,
    Column("run_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    # Of the argument in the function's signature.
    Column("position", Integer, nullable=False),
    # The runs whose outputs it is made of, JSON; null for a constant.
    Column("sources", Text),
    Column("artifact_id", String(40)),
    PrimaryKeyConstraint("run_id", "name"),
)

# Artifacts that only expressions name: constants beside futures, templates of containers.
expression_constants = Table(
    "expression_constants",
    metadata,
    Column("root_id", String(32), nullable=False),
    Column("artifact_id", String(40), nullable=False),
    PrimaryKeyConstraint("root_id", "artifact_id"),
    sqlite_with_rowid=False,
)

functions = Table(
    "functions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("path", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("docstring", Text),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("codec", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("payload", Text),
    Column("summary", Text),
    Column("created_at", Double, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("root_id", String(32), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", Double, nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("root_id", "epoch", "seq"),
)

schema_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), primary_key=True),
)


def lock_tables(connection: Connection) -> None:
    """Begin a transaction in which nobody else makes the tables or changes their shape.

    Waits for another process that does. What shape they have is to be read afterwards.

    Args:
        connection: one that is in no transaction; the lock is kept until it commits.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # autocommit is on
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TABLES_LOCK})")
