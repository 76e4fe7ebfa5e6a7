"""Pipeline runs on the Ray of the session."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sematic
from sematic.client import open_record
from sematic.tracking.views import PipelineRunRow, RunRow


class Result:
    """What became of a pipeline run: a value or an error, and what is recorded.

    Attributes:
        value: what the runner returned, ``None`` if it raised.
        error: what the runner raised, ``None`` if it returned.
    """

    def __init__(self, root_id: str, directory: Path) -> None:
        self.root_id = root_id
        self.value: Any = None
        self.error: BaseException | None = None
        self._directory = directory

    @property
    def pipeline_run(self) -> PipelineRunRow:
        return open_record().pipeline_run(self.root_id)

    def runs(self, name: str) -> list[RunRow]:
        """The runs of the functions of this name, in the order of their creation."""
        return [run for run in open_record().runs(self.root_id) if run.name == name]

    def run(self, name: str) -> RunRow:
        (found,) = self.runs(name)
        return found

    def states(self) -> dict[str, str]:
        """The state of every run; names must differ."""
        return {run.name: run.state.value for run in open_record().runs(self.root_id)}

    def log(self, run: RunRow) -> str | None:
        """The output of a run, ``None`` if it has no log."""
        path = self._directory / "logs" / self.root_id / f"{run.id}-1.log"
        return path.read_text() if path.exists() else None

    def log_files(self) -> list[Path]:
        """Everything that was left where the logs of this pipeline run are kept."""
        return sorted((self._directory / "logs" / self.root_id).rglob("*"))


@pytest.fixture
def run(ray_session: ModuleType, config_directory: Path) -> Callable[..., Result]:
    """Runs a future with a LocalRunner on the Ray of the session."""

    def run(future: sematic.Future, **options: Any) -> Result:
        result = Result(future.id, config_directory)
        runner = sematic.LocalRunner(progress="off", **options)
        try:
            result.value = runner.run(future)
        except Exception as error:
            result.error = error
        left = [run for run in open_record().runs(future.id) if not run.state.is_terminal]
        assert not left, "half-recorded"
        assert result.pipeline_run.status.is_terminal
        return result

    return run
