"""Commands that make room, or end what is lost, where not even reading has any room left."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from sematic.client import open_record
from sematic.tracking.ballast import Ballast
from sematic.tracking.kept_open import close_kept
from tests.disks import SmallDisk
from tests.unit.cli import pipelines

Cli = Callable[..., Result]


@pytest.fixture
def home(small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The config directory, on a disk of its own."""
    path = small_disk.path / "sematic"
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(path))
    yield path
    close_kept()


@pytest.fixture
def run_id(home: Path) -> str:
    found = pipelines.run(pipelines.data())
    close_kept()
    return found


@pytest.fixture
def lost_id(home: Path, lost_template: tuple[str, Path]) -> str:
    root_id, template = lost_template
    shutil.copytree(template, home)
    assert Ballast(home / "sematic.db").make()
    return root_id


def test_delete(sematic_cli: Cli, run_id: str, small_disk: SmallDisk) -> None:
    small_disk.fill()
    result = sematic_cli("delete", "--yes", run_id)
    assert (result.exit_code, result.stderr) == (0, "")
    assert open_record().pipeline_runs() == ()


def test_cancel(sematic_cli: Cli, lost_id: str, small_disk: SmallDisk) -> None:
    small_disk.fill()
    assert sematic_cli("cancel", "--yes", lost_id).exit_code == 0
    assert open_record().pipeline_run(lost_id).status.is_terminal


def test_clean(sematic_cli: Cli, lost_id: str, small_disk: SmallDisk) -> None:
    small_disk.fill()
    assert sematic_cli("clean", "--yes").exit_code == 0
    assert open_record().pipeline_run(lost_id).status.is_terminal


def test_gc(sematic_cli: Cli, run_id: str, small_disk: SmallDisk) -> None:
    small_disk.fill()
    assert sematic_cli("gc").stdout == "Deleted 0 files, 0 B\n"


def test_what_it_says_where_there_is_no_ballast(
    sematic_cli: Cli, home: Path, run_id: str, small_disk: SmallDisk
) -> None:
    (home / "sematic.db.ballast").unlink()
    small_disk.fill()
    result = sematic_cli("delete", "--yes", run_id)
    assert result.exit_code == 1
    assert f"for the record at {home}/sematic.db. Free some on that disk, and do" in result.stderr
