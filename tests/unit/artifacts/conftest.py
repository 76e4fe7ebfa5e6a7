from pathlib import Path

import pytest

from sematic.artifacts import FileSystemStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(folder: Path) -> FileSystemStore:
    return FileSystemStore(folder)
