"""``sematic gc``."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from sematic.artifacts import FileSystemStore
from tests.unit.cli import pipelines

Cli = Callable[..., Result]


def _age_all(folder: Path) -> None:
    old = time.time() - 2 * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (old, old))


def test_what_no_record_refers_to_is_deleted(sematic_cli: Cli, config_directory: Path) -> None:
    pipelines.run(pipelines.data())
    folder = config_directory / "artifacts"
    store = FileSystemStore(folder)
    assert sematic_cli("gc").stdout == "Deleted 0 files, 0 B\n"
    ref = store.put(np.arange(10), object)
    (path,) = (path for path in folder.rglob(f"{ref.id[2:]}*") if path.is_file())
    young = f"1 file ({path.stat().st_size} B) that no run refers to is younger than a day."
    assert sematic_cli("gc").stdout == f"Deleted nothing: {young}\n"
    assert sematic_cli("gc", "--dry-run").stdout == f"Would delete nothing: {young}\n"
    assert store.exists(ref)
    _age_all(folder)
    result = sematic_cli("gc", "--dry-run")
    name, last = result.stdout.splitlines()
    assert name == ref.id
    assert last.startswith("Would delete 1 file, ")
    assert store.exists(ref)
    assert sematic_cli("gc").stdout.splitlines()[-1].startswith("Deleted 1 file, ")
    assert not store.exists(ref)
    assert sematic_cli("artifacts", "check").exit_code == 0


def test_values_of_deleted_runs_go_but_not_those_that_others_use(
    sematic_cli: Cli, config_directory: Path
) -> None:
    deleted, kept = pipelines.run(pipelines.data()), pipelines.run(pipelines.data())
    folder = config_directory / "artifacts"
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    assert sematic_cli("delete", deleted, "--yes").exit_code == 0
    _age_all(folder)
    assert sematic_cli("gc").stdout == "Deleted 0 files, 0 B\n"
    assert sematic_cli("delete", kept, "--yes").exit_code == 0
    assert sematic_cli("gc").stdout.splitlines()[-1].startswith("Deleted 1 file, ")
    assert not path.exists()
    assert sematic_cli("artifacts", "check").exit_code == 0


def test_nothing_is_deleted_without_a_record(sematic_cli: Cli, config_directory: Path) -> None:
    store = FileSystemStore(config_directory / "artifacts")
    ref = store.put(np.arange(10), object)
    _age_all(config_directory / "artifacts")
    result = sematic_cli("gc")
    assert result.exit_code == 1
    assert "There is no record here" in result.stderr
    assert store.exists(ref)


def test_a_place_that_does_not_answer_is_an_error(
    sematic_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipelines.run(pipelines.data())
    monkeypatch.setenv("SEMATIC_ARTIFACTS_URI", "gs:///x")
    result = sematic_cli("gc")
    assert (result.exit_code, "Cannot use gs:///x" in result.stderr) == (1, True)
