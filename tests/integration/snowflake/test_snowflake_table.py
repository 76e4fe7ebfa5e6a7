"""`SnowflakeTable` with the official connector, over its protocol, against a stand-in's server."""

import functools
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.errors import SettingsError, SnowflakeError
from sematic.types import SnowflakeTable

fakesnow: Any = pytest.importorskip("fakesnow", reason="needs the package fakesnow")
connector: Any = pytest.importorskip("snowflake.connector")

PASSWORD = "across-the-universe"


@pytest.fixture(scope="module")
def address() -> Iterator[dict[str, Any]]:
    """Where the stand-in is, with a table of five rows, one in lower case, and an empty one."""
    with fakesnow.server() as parameters:
        with connector.connect(**parameters, database="MARKET") as connection:
            run = connection.cursor().execute
            run("CREATE SCHEMA IF NOT EXISTS PUBLIC")
            run("USE SCHEMA PUBLIC")
            run("CREATE TABLE ORDERS (ID INTEGER, NAME TEXT, PRICE FLOAT)")
            rows = ", ".join(f"({i}, 'name {i}', {i}.5)" for i in range(5))
            run(f"INSERT INTO ORDERS VALUES {rows}")
            run('CREATE TABLE "odd name" (ID INTEGER)')
            run('INSERT INTO "odd name" VALUES (7)')
            run("CREATE TABLE NOTHING (ID INTEGER, NAME TEXT)")
        yield parameters


@pytest.fixture(autouse=True)
def _settings(address: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's settings; what they do not name, the stand-in's port, the connector is told."""
    monkeypatch.setenv("SNOWFLAKE_USER", "george")
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", PASSWORD)
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "the-beatles")
    where = {key: address[key] for key in address if key not in ("user", "password", "account")}
    connect = functools.partial(connector.connect, **where, schema="PUBLIC")
    monkeypatch.setattr(connector, "connect", connect)


@pytest.mark.parametrize(("limit", "rows"), [(-1, 5), (None, 5), (3, 3), (0, 0), (100, 5)], ids=str)
def test_rows_come_as_a_frame(limit: int | None, rows: int) -> None:
    frame = SnowflakeTable("MARKET", "ORDERS").to_df(limit=limit)
    assert list(frame.columns) == ["ID", "NAME", "PRICE"]
    assert sorted(frame["NAME"])[:rows] == [f"name {i}" for i in range(rows)]
    assert len(frame) == rows


@pytest.mark.parametrize(
    ("database", "table"),
    [("market", "orders"), ("Market", "public.Orders"), ('"MARKET"', '"PUBLIC"."ORDERS"')],
)
def test_names_are_read_as_snowflake_reads_them(database: str, table: str) -> None:
    assert len(SnowflakeTable(database, table).to_df()) == 5


def test_a_name_in_quotes_is_that_very_name() -> None:
    assert SnowflakeTable("MARKET", '"odd name"').to_df()["ID"].tolist() == [7]


def test_an_empty_table_has_its_columns() -> None:
    frame = SnowflakeTable("MARKET", "NOTHING").to_df()
    assert (len(frame), list(frame.columns)) == (0, ["ID", "NAME"])


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(SnowflakeError, match=r"Cannot read MISSING of MARKET .*: .*MISSI"):
        SnowflakeTable("MARKET", "MISSING").to_df()


@pytest.mark.parametrize("name", ["SNOWFLAKE_USER", "SNOWFLAKE_PASSWORD", "SNOWFLAKE_ACCOUNT"])
def test_a_missing_setting_says_how_to_set_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=f"sematic settings set {name} VALUE"):
        SnowflakeTable("MARKET", "ORDERS").to_df()


def test_a_table_is_passed_on_and_read_by_a_pipeline(config_directory: Path) -> None:
    @sematic.func
    def find() -> SnowflakeTable:
        return SnowflakeTable("MARKET", "ORDERS")

    @sematic.func
    def count(table: SnowflakeTable) -> int:
        return len(table.to_df())

    @sematic.func
    def pipeline() -> int:
        return count(find())

    runner = sematic.LocalRunner(progress="off")
    assert runner.run(pipeline()) == 5
    files = [path for path in config_directory.rglob("*") if path.is_file()]
    assert files
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)


def test_the_password_is_in_no_log_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    table = SnowflakeTable("MARKET", "ORDERS")
    table.to_df()
    assert caplog.records
    shown = [record.getMessage() for record in caplog.records]
    assert PASSWORD not in json.dumps([*shown, repr(table), repr(vars(table))])


def test_the_password_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the other side sends it back."""

    def refuse(**arguments: Any) -> None:
        raise connector.errors.DatabaseError(f"login of {arguments['password']} failed")

    monkeypatch.setattr(connector, "connect", refuse)
    with pytest.raises(SnowflakeError, match=r"login of \*+ failed") as caught:
        SnowflakeTable("MARKET", "ORDERS").to_df()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
