"""Alembic migrations of the record: ``upgrade`` brings any older database to ``HEAD``."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config


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
        if engine.dialect.name == "sqlite":
            # Autocommit is on: two processes that migrate at once must wait for each other.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        run(config)
        connection.commit()
