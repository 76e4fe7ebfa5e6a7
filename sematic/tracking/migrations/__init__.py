"""Alembic migrations of the record: ``upgrade`` brings any older database to ``HEAD``."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

from sematic.tracking.tables import lock_tables


def upgrade(engine: sqlalchemy.Engine, revision: str = "head") -> None:
    """Run the migrations up to ``revision``, each in a transaction."""
    _run(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: sqlalchemy.Engine, revision: str) -> None:
    """Run the migrations back to ``revision``; ``"base"`` leaves no tables."""
    _run(engine, lambda config: command.downgrade(config, revision))


def stamp(engine: sqlalchemy.Engine, revision: str) -> None:
    """Say that the tables have the shape of ``revision``."""
    _run(engine, lambda config: command.stamp(config, revision))


def _run(engine: sqlalchemy.Engine, run: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.connect() as connection:
        # Two processes may migrate at once: Alembic finds the second one's work done.
        lock_tables(connection)
        config.attributes["connection"] = connection
        run(config)
        connection.commit()
