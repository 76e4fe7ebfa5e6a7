"""What must hold after every case, whatever struck."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from sematic.events import Change, PipelineMoved, RunCreated, RunMoved
from sematic.ports import Batch, PipelineRunInfo
from sematic.shipping import locate_function
from sematic.state_machine import PipelineState
from sematic.testing import chaos
from sematic.tracking.connections import is_sqlite, sqlite_path
from sematic.tracking.history import read_history
from sematic.tracking.queries import open_queries
from sematic.tracking.sql_tracker import SqlTracker
from sematic.tracking.views import PipelineRunRow, RunRow
from tests.acceptance.chaos.pipeline import expected


def find_problems(report: chaos.Report, *, status: str, size: int) -> list[str]:
    """What is wrong, in sentences."""
    problems = report.problems()
    if not report.pipeline_runs:
        # Where its disk was full before anything had begun, the script has said so.
        if status == "FAILED" and not report.executions and report.drivers[-1].code == 1:
            return problems
        return [*problems, f"There is no record. {_last_output(report)}"]
    if report.status != status:
        problems.append(f"It ended {report.status}, not {status}. {_last_output(report)}")
    elif status == "COMPLETE" and report.value != expected(size):
        problems.append(f"Its value is {report.value}, not {expected(size)}.")
    for pipeline_run in report.pipeline_runs:
        problems += _differences(report, pipeline_run)
    return [*problems, *_damages(report.database_url)]


def _last_output(report: chaos.Report) -> str:
    last = report.drivers[-1]
    return f"The last driver ended {last.code}: {last.output[-2000:]}"


def _differences(report: chaos.Report, pipeline_run: PipelineRunRow) -> list[str]:
    """How the runs differ from what the events say when they are replayed."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/replayed.db"
        _replay(report.database_url, pipeline_run, url)
        replayed = open_queries(url).runs(pipeline_run.root_id)
        status = open_queries(url).pipeline_run(pipeline_run.root_id).status
    recorded = report.record.runs(pipeline_run.root_id)
    problems = _differing_runs(recorded, replayed)
    if status is not pipeline_run.status:
        problems.append(f"Replayed, the status is {status}, but {pipeline_run.status} is recorded.")
    return problems


def _replay(source: str, pipeline_run: PipelineRunRow, target: str) -> None:
    root_id = pipeline_run.root_id
    events = tuple(read_history(source, root_id, function_of=locate_function))
    state = PipelineState()
    changes: list[Change] = []
    for event in events:
        instructions = state.handle(event)
        changes += [i for i in instructions if isinstance(i, (RunCreated, RunMoved, PipelineMoved))]
    info = PipelineRunInfo(
        root_id=root_id,
        name=pipeline_run.name,
        function_path=pipeline_run.function_path,
        runner=pipeline_run.runner,
        created_at=pipeline_run.created_at,
        client_version=pipeline_run.client_version,
    )
    with closing(SqlTracker(target)) as tracker:
        epoch = tracker.begin(info)
        tracker.record(Batch(root_id, epoch, 0, events, tuple(changes)))


def _differing_runs(recorded: tuple[RunRow, ...], replayed: tuple[RunRow, ...]) -> list[str]:
    if len(recorded) != len(replayed):
        return [f"{len(recorded)} runs are recorded, but the events tell of {len(replayed)}."]
    differing = [
        f"{run.function_path}.{field.name} is {told} by the events, but {found} in the table."
        for run, again in zip(recorded, replayed, strict=True)
        for field in fields(run)
        if (found := getattr(run, field.name)) != (told := getattr(again, field.name))
    ]
    return differing[:3]


def _damages(url: str) -> list[str]:
    """What SQLite itself finds wrong with its file."""
    if not is_sqlite(url):
        return []
    with closing(sqlite3.connect(Path(sqlite_path(url)))) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else [f"The record is damaged: {found}"]
