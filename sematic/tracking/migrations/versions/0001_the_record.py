"""The record: pipeline runs, runs, inputs, functions, artifacts, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "pipeline_runs",
        sa.Column("root_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("function_path", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("runner", sa.Text, nullable=False),
        sa.Column("client_version", sa.Text, nullable=False),
        sa.Column("cache_namespace", sa.Text),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("next_seq", sa.Integer, nullable=False),
        sa.Column("driver", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    op.create_index("ix_pipeline_runs_created_at", "pipeline_runs", ["created_at"])
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("root_id", sa.String(32), nullable=False),
        sa.Column("parent_id", sa.String(32)),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("function_path", sa.Text, nullable=False),
        sa.Column("function_id", sa.String(40), nullable=False),
        sa.Column("standalone", sa.Boolean, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("scheduled_at", sa.Double),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("resolved_at", sa.Double),
        sa.Column("failed_at", sa.Double),
        sa.Column("nested_run_id", sa.String(32)),
        sa.Column("output_id", sa.String(40)),
        sa.Column("original_run_id", sa.String(32)),
        sa.Column("cache_key", sa.String(100)),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_index("ix_runs_root_id_ordinal", "runs", ["root_id", "ordinal"])
    op.create_index("ix_runs_cache_key", "runs", ["cache_key"])
    op.create_table(
        "run_inputs",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("sources", sa.Text),
        sa.Column("artifact_id", sa.String(40)),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
    op.create_table(
        "expression_constants",
        sa.Column("root_id", sa.String(32), nullable=False),
        sa.Column("artifact_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("root_id", "artifact_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "functions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("docstring", sa.Text),
    )
    op.create_table(
        "artifacts",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("codec", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("summary", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("root_id", sa.String(32), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("root_id", "epoch", "seq"),
    )


def downgrade() -> None:
    """Drop every table: what they hold is lost."""
    for table in (
        *("events", "artifacts", "functions", "expression_constants"),
        *("run_inputs", "runs", "pipeline_runs"),
    ):
        op.drop_table(table)
