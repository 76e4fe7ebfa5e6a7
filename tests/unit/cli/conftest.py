"""What tests of the command line share."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sematic.cli import main
from tests.driver import driver, run_until_killed
from tests.unit.cli import pipelines

__all__ = ["driver"]


_KILLED = """
    import os, signal, sematic
    from tests.waits import wait_until_recorded

    @sematic.func
    def die() -> int:
        wait_until_recorded()
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    @sematic.func
    def after(x: int) -> int:
        return x

    @sematic.func
    def pipeline() -> int:
        return after(die())

    future = pipeline()
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""


@pytest.fixture
def sematic_cli() -> Callable[..., Result]:
    """Call ``sematic``, with its output in a pipe."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, catch_exceptions=False)

    return call


@pytest.fixture
def complete_id() -> str:
    """The id of a pipeline run that succeeded: add_up with add twice and total."""
    return pipelines.run(pipelines.add_up(2, pipelines.Config()))


@pytest.fixture
def failed_id() -> str:
    """The id of a pipeline run that failed: broken with add and divide."""
    return pipelines.run(pipelines.broken())


@pytest.fixture
def lost_id(config_directory: Path, lost_template: tuple[str, Path]) -> str:
    """The id of a pipeline run whose process was killed: die executes, after waits."""
    if config_directory.exists():
        return run_until_killed(_KILLED, config_directory)
    root_id, template = lost_template
    shutil.copytree(template, config_directory, ignore=shutil.ignore_patterns("*.ballast"))
    return root_id


@pytest.fixture(scope="session")
def lost_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The same, with a config directory that has nothing else in it: copying it takes less time."""
    directory = tmp_path_factory.mktemp("lost") / ".sematic"
    return run_until_killed(_KILLED, directory), directory


def iter_ids(output: str) -> Iterator[str]:
    """The ids of runs in an output, in order."""
    yield from re.findall(r"\b[0-9a-f]{32}\b", output)
