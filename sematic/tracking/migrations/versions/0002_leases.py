"""Leases of drivers, wishes to cancel, and earlier attempts of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS = {
    "heartbeat_at": sa.Double,
    "lease_seconds": sa.Double,
    "cancel_requested_at": sa.Double,
    "cancel_reason": sa.Text,
}


def upgrade() -> None:
    """Add the columns and the table."""
    for name, kind in _COLUMNS.items():
        op.add_column("pipeline_runs", sa.Column(name, kind))
    op.create_table(
        "attempts",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "attempt"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("attempts")
    with op.batch_alter_table("pipeline_runs") as table:
        for name in _COLUMNS:
            table.drop_column(name)
