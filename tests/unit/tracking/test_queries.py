"""Questions to the record."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.errors import NotFoundError, UnknownSchemaError
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking import liveness, reading
from sematic.tracking.connections import connect
from sematic.tracking.queries import Queries, open_queries
from tests.driver import run_until_killed
from tests.recorded import execute


@sematic.func
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@sematic.func
def total(numbers: list[int]) -> int:
    return sum(numbers)


@sematic.func
def add_up(count: int) -> int:
    return total([add(number, 1) for number in range(count)])


@sematic.func
def fail() -> int:
    raise ValueError("no luck")


def run(future: Any) -> str:
    with suppress(sematic.PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    return str(future.id)


def open_record(directory: Path) -> Queries:
    return open_queries(f"sqlite:///{directory}/sematic.db")


def insert_run(directory: Path, run_id: str, name: str = "f") -> None:
    with sqlite3.connect(directory / "sematic.db") as connection:
        connection.execute(
            "INSERT INTO runs (id, root_id, ordinal, name, function_path, function_id, standalone,"
            " options, created_at, state, attempt) VALUES (?, ?, 0, ?, 'm.f', '', 0, '{}', 1,"
            " 'RESOLVED', 1)",
            (run_id, run_id, name),
        )


class TestPipelineRuns:
    def test_the_newest_comes_first(self, config_directory: Path) -> None:
        ids = [run(add(1, 2)), run(add(1, 3)), run(add(1, 4))]
        record = open_record(config_directory)
        assert [row.root_id for row in record.pipeline_runs()] == ids[::-1]
        assert [row.root_id for row in record.pipeline_runs(limit=2)] == ids[:0:-1]

    def test_filters(self, config_directory: Path) -> None:
        added, failed = run(add(1, 2)), run(fail())
        named = run(add(1, 3).set(name="100% Special_Name"))
        record = open_record(config_directory)

        def found(**filters: Any) -> list[str]:
            return [row.root_id for row in record.pipeline_runs(**filters)]

        assert found(statuses={"FAILED"}) == [failed]
        assert found(statuses={"COMPLETE"}, limit=1) == [named]
        assert found(statuses={"RUNNING", "DRIVER LOST"}) == []
        assert found(name="special_n") == [named]
        assert found(name="0%") == [named]
        assert found(name="%") == [named]
        assert found(function_path=f"{__name__}.add") == [named, added]

    def test_what_a_row_says(self, config_directory: Path) -> None:
        root_id = run(fail())
        row = open_record(config_directory).pipeline_run(root_id)
        assert (row.name, row.function_path) == ("fail", f"{__name__}.fail")
        assert row.status is PipelineRunStatus.FAILED
        assert not row.driver_lost
        assert row.shown_status == "FAILED"
        assert row.driver["pid"] == os.getpid()
        assert row.ended_at is not None
        assert row.created_at <= row.ended_at <= row.updated_at

    def test_environment(self, config_directory: Path) -> None:
        root_id = run(add(1, 2))
        assert open_record(config_directory).environment(root_id)["pid"] == os.getpid()
        with pytest.raises(NotFoundError):
            open_record(config_directory).environment("f" * 32)

    def test_state_counts(self, config_directory: Path) -> None:
        good, bad = run(add_up(3)), run(fail())
        counts = open_record(config_directory).state_counts([good, bad])
        assert counts == {good: {RunState.RESOLVED: 5}, bad: {RunState.FAILED: 1}}

    def test_first_failures(self, config_directory: Path) -> None:
        """By time, and in the order of the calls where that is the same."""
        good, bad, other = run(add_up(3)), run(fail()), run(add_up(3))
        record = open_record(config_directory)
        _, first, second, third = record.runs(other)[:4]
        with sqlite3.connect(config_directory / "sematic.db") as connection:
            for run_id, at in ((first.id, 3.0), (second.id, 2.0), (third.id, 2.0)):
                connection.execute(
                    "UPDATE runs SET state = 'FAILED', failed_at = ? WHERE id = ?", (at, run_id)
                )
        failures = record.first_failures([good, bad, other])
        assert {root_id: found.id for root_id, found in failures.items()} == {
            bad: bad,
            other: second.id,
        }
        assert record.first_failures([]) == {}


class TestRuns:
    def test_order_and_nesting(self, config_directory: Path) -> None:
        root_id = run(add_up(2))
        rows = open_record(config_directory).runs(root_id)
        assert [row.name for row in rows] == ["add_up", "add", "add", "total"]
        assert [row.ordinal for row in rows] == [0, 1, 2, 3]
        assert [row.parent_id for row in rows] == [None, root_id, root_id, root_id]
        assert {row.state for row in rows} == {RunState.RESOLVED}
        assert rows[0].id == root_id
        assert rows[0].nested_run_id == rows[3].id

    def test_an_error_is_whole(self, config_directory: Path) -> None:
        root_id = run(fail())
        row = open_record(config_directory).run(root_id)
        assert row.error is not None
        assert (row.error.type, row.error.message) == ("builtins.ValueError", "no luck")
        assert "builtins.Exception" in row.error.ancestors
        assert 'raise ValueError("no luck")' in row.error.traceback

    def test_inputs_and_their_sources(self, config_directory: Path) -> None:
        root_id = run(add_up(2))
        record = open_record(config_directory)
        _, first, second, last = record.runs(root_id)
        (numbers,) = record.inputs(last.id)
        assert numbers.name == "numbers"
        assert set(numbers.sources) == {first.id, second.id}
        assert numbers.artifact is not None
        assert numbers.artifact.payload == "[1,2]"
        a, b = record.inputs(second.id)
        assert [(i.name, i.sources, i.artifact and i.artifact.payload) for i in (a, b)] == [
            ("a", (), "1"),
            ("b", (), "1"),
        ]

    def test_when_a_driver_of_an_older_version_cancelled_a_run(
        self, config_directory: Path
    ) -> None:
        """It lives on after the tables were changed, and has no column of its own for that."""
        run(add(1, 2))
        for run_id, state in (("a", "CANCELED"), ("b", "RESOLVED")):
            insert_run(config_directory, run_id)
            url = f"sqlite:///{config_directory}/sematic.db"
            times = "started_at = 2, ended_at = 3"
            execute(url, f"UPDATE runs SET state = '{state}', {times} WHERE id = '{run_id}'")
        rows = map(open_record(config_directory).run, "ab")
        assert [(row.started_at, row.ended_at, row.canceled_at) for row in rows] == [
            (2, None, 3),
            (2, 3, None),
        ]

    def test_artifact_and_function(self, config_directory: Path) -> None:
        root_id = run(add(1, 2))
        record = open_record(config_directory)
        row = record.run(root_id)
        assert row.output_id is not None
        ref = record.artifact(row.output_id)
        assert (ref.id, ref.codec, ref.type, ref.payload) == (row.output_id, "plain", "int", "3")
        function = record.function(row.function_id)
        assert function.path == f"{__name__}.add"
        assert "return a + b" in function.source
        assert function.docstring == "Add two numbers."

    def test_unknown_ids(self, config_directory: Path) -> None:
        run(add(1, 2))
        record = open_record(config_directory)
        for ask in (record.run, record.pipeline_run, record.artifact, record.function):
            with pytest.raises(NotFoundError, match=r"No .* has the id 'abc'\."):
                ask("abc")


class TestShortIds:
    def test_a_unique_prefix(self, config_directory: Path) -> None:
        root_id = run(add(1, 2))
        record = open_record(config_directory)
        output_id = record.run(root_id).output_id
        assert output_id is not None
        for prefix in (root_id, root_id[:6], root_id[:6].upper()):
            assert record.resolve_run_id(prefix) == root_id
            assert record.resolve_pipeline_run_id(prefix) == root_id
        assert record.resolve_artifact_id(output_id[:10]) == output_id

    @pytest.mark.parametrize("prefix", ["abc0", "xyz", "", "%", "_", "g", "abc%"])
    def test_none(self, config_directory: Path, prefix: str) -> None:
        run(add(1, 2))
        insert_run(config_directory, "abc1" + 28 * "0")
        message = f"^No run has an id that starts with '{prefix}'\\.$"
        with pytest.raises(NotFoundError, match=message):
            open_record(config_directory).resolve_run_id(prefix)

    def test_more_than_one(self, config_directory: Path) -> None:
        run(add(1, 2))
        for digit in "0123456789":
            insert_run(config_directory, f"abc{digit}" + 28 * "0", name=f"f{digit}")
        record = open_record(config_directory)
        assert record.resolve_run_id("abc7") == "abc7" + 28 * "0"
        with pytest.raises(NotFoundError) as caught:
            record.resolve_run_id("abc")
        first, *candidates, last = str(caught.value).split("\n")
        assert first == "More than one run has an id that starts with 'abc'; write more of it:"
        assert len(candidates) == 8
        assert last == "  ..."
        assert all(line.split()[0].startswith("abc") for line in candidates)
        assert {len(line.split()[0]) for line in candidates} == {32}

    def test_the_last_prefix_of_all(self, config_directory: Path) -> None:
        run(add(1, 2))
        insert_run(config_directory, "f" * 32)
        assert open_record(config_directory).resolve_run_id("ffff") == "f" * 32

    def test_prefixes_are_looked_up_in_the_index(
        self, config_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(add(1, 2))
        record = open_record(config_directory)
        asked: list[str] = []

        def connect_and_listen(url: str, *, reading: bool) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(url, reading=reading)
            connection.set_trace_callback(asked.append)
            return connection

        monkeypatch.setattr(reading, "connect", connect_and_listen)
        for resolve in (
            record.resolve_run_id,
            record.resolve_pipeline_run_id,
            record.resolve_artifact_id,
        ):
            with pytest.raises(NotFoundError):
                resolve("0000")
        queries = [text for text in asked if text.startswith("SELECT")]
        assert len(queries) == 3
        with sqlite3.connect(config_directory / "sematic.db") as connection:
            for text in queries:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall()
                assert plan[0][3].startswith("SEARCH"), plan


class TestLostDrivers:
    @pytest.fixture
    def lost(self, config_directory: Path) -> str:
        """A pipeline run whose process was killed."""
        program = """
            import os, signal, sematic
            from tests.waits import wait_until_recorded

            @sematic.func
            def die() -> int:
                wait_until_recorded()
                os.kill(os.getpid(), signal.SIGKILL)
                return 1

            future = die()
            print(future.id, flush=True)
            sematic.LocalRunner(progress="off").run(future)
        """
        return run_until_killed(program)

    def test_it_is_told_and_not_written(self, config_directory: Path, lost: str) -> None:
        row = open_record(config_directory).pipeline_run(lost)
        assert row.driver_lost
        assert row.shown_status == "DRIVER LOST"
        assert row.status is PipelineRunStatus.RUNNING
        with sqlite3.connect(config_directory / "sematic.db") as connection:
            query = "SELECT status, ended_at FROM pipeline_runs"
            assert connection.execute(query).fetchall() == [("RUNNING", None)]

    def test_filters_go_by_what_is_shown(self, config_directory: Path, lost: str) -> None:
        run(add(1, 2))
        record = open_record(config_directory)
        assert [r.root_id for r in record.pipeline_runs(statuses={"DRIVER LOST"})] == [lost]
        assert record.pipeline_runs(statuses={"RUNNING"}) == ()

    def test_a_driver_that_ends_while_we_look_is_not_lost(
        self, config_directory: Path, lost: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def end(_: object) -> bool:
            with sqlite3.connect(config_directory / "sematic.db") as connection:
                connection.execute("UPDATE pipeline_runs SET status = 'COMPLETE', ended_at = 5")
            return False

        monkeypatch.setattr(liveness, "is_alive", end)
        row = open_record(config_directory).pipeline_run(lost)
        assert (row.status, row.driver_lost) == (PipelineRunStatus.COMPLETE, False)
        assert row.ended_at == 5

    def test_a_driver_on_another_machine_is_not_judged(
        self, config_directory: Path, lost: str
    ) -> None:
        with sqlite3.connect(config_directory / "sematic.db") as connection:
            connection.execute(
                "UPDATE pipeline_runs SET driver = ?", ('{"host": "elsewhere", "pid": 1}',)
            )
        assert not open_record(config_directory).pipeline_run(lost).driver_lost


class TestNoRecord:
    def test_nothing_is_found(self) -> None:
        record = open_queries(None)
        assert record.is_empty
        assert record.pipeline_runs() == ()
        assert record.runs("a") == ()
        assert record.runs_like("a", limit=5) == ()
        assert record.inputs("a") == ()
        assert record.state_counts(["a"]) == {"a": {}}
        assert record.first_failures(["a"]) == {}
        for ask in (record.run, record.pipeline_run, record.environment, record.resolve_run_id):
            with pytest.raises(NotFoundError):
                ask("a")

    def test_nothing_is_made(self, tmp_path: Path) -> None:
        assert open_record(tmp_path / "nowhere").is_empty
        assert list(tmp_path.iterdir()) == []

    def test_a_database_without_tables(self, tmp_path: Path) -> None:
        (tmp_path / "sematic.db").touch()
        assert open_record(tmp_path).is_empty

    @pytest.mark.parametrize(
        ("version", "advice"), [("9999", "pip install -U sematic"), ("0000", "next pipeline run")]
    )
    def test_other_versions(self, config_directory: Path, version: str, advice: str) -> None:
        run(add(1, 2))
        with sqlite3.connect(config_directory / "sematic.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        with pytest.raises(UnknownSchemaError, match=advice):
            open_record(config_directory)
