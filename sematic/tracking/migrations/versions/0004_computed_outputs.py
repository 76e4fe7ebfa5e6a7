"""Who computed an output is found among all that were served it, of which there may be many."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Have the index tell them apart, and leave out the runs that never asked the cache."""
    op.drop_index("ix_runs_cache_key", "runs")
    has_key = sa.text("cache_key IS NOT NULL")
    op.create_index(
        "ix_runs_cache_key_original_run_id",
        "runs",
        ["cache_key", "original_run_id"],
        sqlite_where=has_key,
        postgresql_where=has_key,
    )


def downgrade() -> None:
    """As it was."""
    op.drop_index("ix_runs_cache_key_original_run_id", "runs")
    op.create_index("ix_runs_cache_key", "runs", ["cache_key"])
