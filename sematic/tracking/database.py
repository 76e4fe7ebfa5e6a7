"""The database of the record: its tables, and SQLAlchemy's way to it."""

import os

import sqlalchemy
from sqlalchemy.pool import NullPool

from sematic.errors import UnknownSchemaError
from sematic.tracking.connections import (
    HEAD,
    check_place,
    display_url,
    explain,
    is_sqlite,
    prepare_sqlite,
    read_schema_version,
    sqlite_path,
)
from sematic.tracking.tables import lock_tables, metadata, schema_version


class Database:
    """One database of records. Cheap to construct; nothing is opened before it is needed.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql://user:password@host/name``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: sqlalchemy.Engine | None = None
        self._pid = 0

    @property
    def display_name(self) -> str:
        """The URL without its password."""
        return display_url(self.url)

    @property
    def engine(self) -> sqlalchemy.Engine:
        """The SQLAlchemy engine; made anew after a fork, so that no connection survives one."""
        if self._engine is None or self._pid != os.getpid():
            self._engine = self._create_engine()
            self._pid = os.getpid()
        return self._engine

    def _create_engine(self) -> sqlalchemy.Engine:
        if is_sqlite(self.url):
            path = sqlite_path(self.url)
            check_place(path)
            address = sqlalchemy.URL.create("sqlite", database=str(path))
            engine = sqlalchemy.create_engine(address, poolclass=NullPool)
            sqlalchemy.event.listen(engine, "connect", lambda made, _: prepare_sqlite(made))
            return engine
        address = sqlalchemy.make_url(self.url).set(drivername="postgresql+psycopg")
        return sqlalchemy.create_engine(address, poolclass=NullPool)

    def prepare(self) -> None:
        """Bring the tables to the shape that this version needs, creating them where needed.

        Raises:
            UnknownSchemaError: they were made by a newer version.
            RecordError: the database cannot be reached.
        """
        version = read_schema_version(self.url)
        if version == HEAD:
            return
        try:
            self._change(version)
        except sqlalchemy.exc.DBAPIError as error:
            raise explain(
                error.orig if isinstance(error.orig, Exception) else error, self.url
            ) from error

    def _change(self, version: str | None) -> None:
        if version is None:
            self._create_tables()
        elif version < HEAD:
            from sematic.tracking.migrations import upgrade  # Alembic takes half a second

            upgrade(self.engine)
        else:
            raise UnknownSchemaError(
                f"The record at {self.display_name} was made by a newer version of sematic "
                f"(schema {version}, this version knows {HEAD}). Upgrade: pip install -U sematic"
            )

    def _create_tables(self) -> None:
        """Two processes may come here at once: the second one finds the tables there."""
        with self.engine.connect() as connection:
            lock_tables(connection)
            metadata.create_all(connection)
            if connection.execute(schema_version.select()).fetchone() is None:
                connection.execute(schema_version.insert().values(version_num=HEAD))
            connection.commit()
