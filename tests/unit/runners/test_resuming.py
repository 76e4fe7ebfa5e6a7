"""What can be gone on with; what going on comes to is in tests/acceptance/chaos."""

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.artifacts.store import FileSystemStore
from sematic.calls import Call, OutputOf
from sematic.errors import InvalidOptionError
from sematic.events import PipelineStarted
from sematic.execution import build_root_call
from sematic.log_files import log_path
from sematic.recorded_functions import RecordedFunction
from sematic.rerun import RecordedRun
from sematic.runners.recorded_roots import build_call
from sematic.runners.rerunning import Rerun
from sematic.runners.resuming import (
    Resumption,
    build_root_future,
    find_resumption,
    original_surroundings,
)
from sematic.states import PipelineRunStatus, RunState
from sematic.testing import MemoryStore
from sematic.tracking.environment import describe_command
from sematic.tracking.queries import open_queries
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, artifact, call, expanded, info, integer, list_of
from tests.directories import deleted_directory
from tests.recorded import RecordedPipeline, execute

LOST = "0a" * 16


def lose_driver(path: Path) -> None:
    """Let the record say that a process drives that is not there."""
    with closing(sqlite3.connect(path)) as connection:
        (driver,) = connection.execute("SELECT driver FROM pipeline_runs").fetchone()
        gone = json.dumps({**json.loads(driver), "started": "long ago"})
        connection.execute("UPDATE pipeline_runs SET driver = ?", (gone,))
        connection.commit()


def test_a_pipeline_run_that_was_lost_as_it_began_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    url = f"sqlite:///{path}"
    with closing(SqlTracker(url)) as tracker:
        tracker.begin(replace(info(), root_id=LOST))
    with pytest.raises(InvalidOptionError, match="drives it"):
        find_resumption(url, LOST)
    lose_driver(path)
    with pytest.raises(InvalidOptionError, match="nothing to go on with"):
        find_resumption(url, LOST)
    pipeline_run = open_queries(url).pipeline_run(LOST)
    assert pipeline_run.status is PipelineRunStatus.FAILED
    assert pipeline_run.reason is not None
    assert "gone; nothing was recorded of it, so run it again" in pipeline_run.reason
    with pytest.raises(InvalidOptionError, match=r"has ended FAILED\. Nothing was recorded of it"):
        find_resumption(url, LOST)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("driver", 100.0),  # its clock is that of its events; the record's may be another one
        ("json_remove(driver, '$.mark')", 5000.0),
    ],
)
def test_until_when_a_driver_was_there(tmp_path: Path, driver: str, expected: float) -> None:
    """One of the version before marks renews only the sign by the clock of the record."""
    path = tmp_path / "record.db"
    pipeline = RecordedPipeline(f"sqlite:///{path}", root_id=LOST)
    pipeline.record(PipelineStarted(1.0, replace(call(LOST, parent=None), root_id=LOST)))
    pipeline.close()
    lose_driver(path)
    signs = "updated_at = 100, heartbeat_at = 5000"
    execute(pipeline.url, f"UPDATE pipeline_runs SET {signs}, driver = {driver}")
    assert find_resumption(pipeline.url, LOST).alive_until == expected


def test_a_log_that_the_record_does_not_know_of_is_parted_from_the_next_execution(
    tmp_path: Path, config_directory: Path
) -> None:
    """The driver was killed when a call had begun, and before that was recorded."""
    path = tmp_path / "record.db"
    pipeline = RecordedPipeline(f"sqlite:///{path}", root_id=LOST)
    pipeline.record(PipelineStarted(1.0, replace(call(LOST, parent=None), root_id=LOST)))
    pipeline.close()
    lose_driver(path)
    (recorded,) = open_queries(pipeline.url).runs(LOST)
    known, unknown = (
        log_path(config_directory / "logs", LOST, LOST, recorded.attempt + more) for more in (0, 1)
    )
    known.parent.mkdir(parents=True)
    known.write_bytes(b"known\n")
    unknown.write_bytes(b"half a li")
    find_resumption(pipeline.url, LOST).end_leftovers()
    assert known.read_bytes() == b"known\n"
    first, parting = unknown.read_text().splitlines()
    assert first == "half a li"
    assert "lost before this execution was recorded" in parting


def test_the_original_surroundings_of_a_deleted_directory(tmp_path: Path) -> None:
    before = list(sys.path)
    there = {"directory": str(tmp_path), "main": str(tmp_path / "main.py")}
    with deleted_directory(tmp_path / "gone"):
        with original_surroundings(there):
            assert Path.cwd() == tmp_path
        with original_surroundings({"directory": None, "main": None}):
            pass
    assert sys.path == before


def test_the_original_surroundings_of_a_module_have_no_more_modules_than_python_m(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"directory": str(tmp_path), "main": str(tmp_path / "flows" / "main.py")}
    before = list(sys.path)
    with original_surroundings(there) as places:  # of a script, or of an older version
        assert places == [str(tmp_path / "flows"), str(tmp_path)]
    module = {**there, "modules": str(tmp_path)}
    with original_surroundings(module) as places:
        assert places == [str(tmp_path)]
        assert sys.path == [*places, *before]
        assert describe_command()["modules"] == str(tmp_path), "so it can be executed again, too"
    with original_surroundings({**module, "modules": before[-1]}) as places:
        assert places == [], "an installed one is found in its turn"


def test_the_original_surroundings_have_the_arguments_and_the_script_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["script.py", "--rate", "2"]
    there = {"arguments": arguments, "main": "/flows/script.py", "directory": str(tmp_path)}
    monkeypatch.setattr(sys, "argv", typed := ["/bin/sematic", "rerun", "12ab"])
    with original_surroundings(there):
        assert sys.argv == arguments
        sys.argv.append("changed by a module")
        known = describe_command()
    assert sys.argv is typed
    assert {name: known[name] for name in there} == there, "so it can be executed again, too"
    assert known["command"].endswith("/bin/sematic rerun 12ab")
    with original_surroundings({"directory": None, "main": None}):  # of an older version
        assert sys.argv == typed
    assert describe_command()["arguments"] == typed


def test_the_root_function_may_be_one_of_a_script_whose_name_is_no_text(tmp_path: Path) -> None:
    """The record escapes it, and it is found and compared as it is."""

    def function() -> int:
        return 1

    function.__module__ = "script\udcff"
    root = call(ROOT, function=sematic.func(function))
    url = f"sqlite:///{tmp_path}/record.db"
    pipeline = RecordedPipeline(url)
    pipeline.record(PipelineStarted(1.0, root))
    pipeline.close()
    resumption = Resumption(url, ROOT, 1, {}, 1.0)
    resumption.check_root(root, MemoryStore())
    with pytest.raises(InvalidOptionError, match="one of script"):
        resumption.check_root(call(ROOT), MemoryStore())
    with pytest.raises(ImportError, match="Unable to find function script\udcff"):
        resumption.find_function(root.function.path)


def test_a_root_function_that_has_lost_an_argument(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    pipeline = RecordedPipeline(url)
    pipeline.record(PipelineStarted(1.0, call(ROOT, inputs={"n": artifact()})))
    pipeline.close()
    with pytest.raises(InvalidOptionError, match=r"integer does not take the argument 'n' any"):
        build_root_future(Resumption(url, ROOT, 1, {}, 1.0), MemoryStore())


class Texts:
    def __init__(self, first: str, second: str) -> None:
        self.first, self.second = first, second


class Words:
    """Its pickle is never the same twice, as that of a set of texts is in no two processes."""

    made = 0

    def __init__(self, *words: str) -> None:
        self.words = set(words)

    def __getstate__(self) -> dict[str, object]:
        Words.made += 1
        return {"words": self.words, "number": Words.made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.words = state["words"]


@sematic.func
def count(words: Words) -> int:
    return len(words.words)


def _record_count(url: str, store: FileSystemStore, words: Words) -> Call:
    root = replace(build_root_call(count(words), store), run_id=ROOT, root_id=ROOT)
    pipeline = RecordedPipeline(url)
    pipeline.record(PipelineStarted(1.0, root))
    pipeline.close()
    return root


def test_arguments_are_compared_by_their_values_where_they_have_other_ids(tmp_path: Path) -> None:
    @sematic.func
    def joined(texts: Texts) -> str:
        return texts.first + texts.second

    def build(second: str) -> Call:
        return build_root_call(joined(Texts("text", second)), store)

    url, store = f"sqlite:///{tmp_path}/record.db", FileSystemStore(tmp_path / "artifacts")
    pipeline = RecordedPipeline(url)
    recorded = replace(build("text"), run_id=ROOT, root_id=ROOT)
    pipeline.record(PipelineStarted(1.0, recorded))
    pipeline.close()
    resumption = Resumption(url, ROOT, 1, {}, 1.0)
    given = build("".join(["te", "xt"]))  # is another object, so the pickle is another one
    assert given.inputs != recorded.inputs
    resumption.check_root(given, store)
    with pytest.raises(InvalidOptionError, match=r"'texts' of .* differs from the recorded one"):
        resumption.check_root(build("other"), store)


def test_what_is_read_from_the_record_is_not_compared_with_it(tmp_path: Path) -> None:
    url, store = f"sqlite:///{tmp_path}/record.db", FileSystemStore(tmp_path / "artifacts")
    recorded = _record_count(url, store, Words("a", "b"))
    resumption = Resumption(url, ROOT, 1, {}, 1.0)
    root = build_root_future(resumption, store)
    assert build_root_call(root, store).inputs != recorded.inputs
    assert build_call(root, store).inputs == recorded.inputs
    resumption.check_root(build_call(root, store), store)


def test_a_rerun_takes_recorded_arguments_as_they_are(tmp_path: Path) -> None:
    @sematic.func
    def pipeline(texts: Texts, words: Words) -> int:
        return count(words)

    store = FileSystemStore(tmp_path / "artifacts")
    old = build_root_call(pipeline(Texts("text", "text"), Words("a")), store)
    nested = replace(build_root_call(count(Words("a")), store), run_id="nested", parent_id=ROOT)
    made = {"expansion": OutputOf("nested"), "original_run_id": None}
    runs = tuple(
        RecordedRun(run, RunState.RESOLVED, run.inputs, store.put(1, int), **made)
        for run in (replace(old, run_id=ROOT), nested)
    )
    rerun = Rerun("nested", runs)
    root = build_call(rerun.build_root_future(store), store)
    assert root.inputs == old.inputs
    assert rerun.plan(root, store).seeds
    same = store.put(Texts("text", "".join(["te", "xt"])), Texts)
    similar = replace(old, inputs={**old.inputs, "texts": same})
    assert similar.inputs != old.inputs
    assert rerun.plan(similar, store).seeds
    other = replace(old, inputs={**old.inputs, "texts": store.put(Texts("a", "b"), Texts)})
    with pytest.raises(InvalidOptionError, match=r"'texts' of .* differs from the recorded one"):
        rerun.plan(other, store)


def test_functions_that_are_gone_count_as_unchanged(tmp_path: Path) -> None:
    """What is only to end does so without them; whether they must execute is asked elsewhere."""
    changed = RecordedFunction(integer.path, source_hash="0" * 40, output_descriptor="int")
    gone = RecordedFunction("tests.builders.gone", output_descriptor="int")
    url = f"sqlite:///{tmp_path}/record.db"
    pipeline = RecordedPipeline(url)
    calls = [call("a", function=gone), call("b", function=changed), call("c")]
    pipeline.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, list_of(*"abc")))
    pipeline.close()
    assert Resumption(url, ROOT, 1, {}, 1.0).changed_functions() == (integer.path,)
