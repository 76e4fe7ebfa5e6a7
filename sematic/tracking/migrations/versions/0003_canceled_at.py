"""When a run was cancelled, apart from when its function ended to execute."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column. What was in ``ended_at`` of cancelled runs is what it is for."""
    op.add_column("runs", sa.Column("canceled_at", sa.Double))
    op.execute("UPDATE runs SET canceled_at = ended_at, ended_at = NULL WHERE state = 'CANCELED'")


def downgrade() -> None:
    """Take it away."""
    op.execute("UPDATE runs SET ended_at = canceled_at WHERE state = 'CANCELED'")
    with op.batch_alter_table("runs") as table:
        table.drop_column("canceled_at")
