"""The migrations make what the tables say, and can be taken back."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sematic.errors import UnknownSchemaError
from sematic.tracking import migrations
from sematic.tracking.connections import HEAD, read_schema_version
from sematic.tracking.database import Database
from sematic.tracking.tables import metadata


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path}/record.db")
    else:
        yield Database(request.getfixturevalue("postgres_url"))


def _differences(engine: sqlalchemy.Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    # Alembic's own table is in the metadata, so that it can be made without Alembic.
    return [item for item in found if "alembic_version" not in str(item)]


def test_head_is_the_newest_migration():
    script = ScriptDirectory(str(migrations.__path__[0]))
    assert script.get_heads() == [HEAD]


def test_migrations_make_the_tables(database):
    migrations.upgrade(database.engine)
    assert _differences(database.engine) == []
    assert read_schema_version(database.url) == HEAD


def test_tables_made_at_once_are_those_of_the_migrations(database):
    database.prepare()
    assert _differences(database.engine) == []
    assert read_schema_version(database.url) == HEAD


def test_down_and_up_again(database):
    migrations.upgrade(database.engine)
    migrations.downgrade(database.engine, "base")
    assert set(sqlalchemy.inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrations.upgrade(database.engine)
    assert _differences(database.engine) == []


def test_a_cancelled_run_has_a_time_of_its_own_for_that(database):
    """What older versions took for the end of its function is when it was cancelled."""
    names = "id, root_id, ordinal, name, function_path, function_id, standalone, options"
    insert = (
        f"INSERT INTO runs ({names}, created_at, attempt, state, started_at, ended_at) "
        "VALUES ('{0}', 'r', 0, 'f', 'm.f', 'i', false, '{{}}', 1, 1, '{0}', 2, 3)"
    )
    migrations.upgrade(database.engine, "0002")
    with database.engine.connect() as connection:
        for state in ("CANCELED", "RESOLVED"):
            connection.exec_driver_sql(insert.format(state))
        connection.commit()
    migrations.upgrade(database.engine)
    times = "SELECT id, started_at, ended_at{} FROM runs ORDER BY id"
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(times.format(", canceled_at")).fetchall()
    assert [tuple(row) for row in rows] == [("CANCELED", 2, None, 3), ("RESOLVED", 2, 3, None)]
    migrations.downgrade(database.engine, "0002")
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(times.format("")).fetchall()
    assert [tuple(row) for row in rows] == [("CANCELED", 2, 3), ("RESOLVED", 2, 3)]


@pytest.mark.postgres
def test_two_first_starts_after_an_upgrade_at_once(postgres_url):
    """Both see the older schema; the second one finds the work of the first done."""
    migrations.upgrade(Database(postgres_url).engine, "0002")
    reader = Database(postgres_url).engine
    apart = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=apart) as pool, reader.connect() as reading:
        reading.exec_driver_sql("SELECT count(*) FROM runs")  # no ALTER until this has ended
        starts = [pool.submit(Database(postgres_url).prepare) for _ in range(2)]
        _await_waiting(reader, 2)
        reading.commit()
        for start in starts:
            start.result(timeout=120)
    assert read_schema_version(postgres_url) == HEAD
    assert _differences(reader) == []


def _await_waiting(engine: sqlalchemy.Engine, count: int) -> None:
    """Return when that many connections wait for a lock; on their way to it they may be slow."""
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.exec_driver_sql(query).scalar() == count:
                return
        time.sleep(0.02)
    raise AssertionError(f"{count} connections should wait for a lock")


def test_a_newer_schema_is_refused(database):
    database.prepare()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(UnknownSchemaError, match="newer version of sematic"):
        database.prepare()
