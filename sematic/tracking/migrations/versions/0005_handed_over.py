"""When an earlier attempt of a run was handed over, for where nobody knows when it began."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column. Of attempts that are recorded nobody knows any more."""
    op.add_column("attempts", sa.Column("scheduled_at", sa.Double))


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("attempts") as table:
        table.drop_column("scheduled_at")
