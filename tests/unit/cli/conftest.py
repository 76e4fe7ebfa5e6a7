"""What tests of the command line share."""

import re
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from sematic.cli import main
from tests.unit.cli import pipelines


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


def iter_ids(output: str) -> Iterator[str]:
    """The ids of runs in an output, in order."""
    yield from re.findall(r"\b[0-9a-f]{32}\b", output)
