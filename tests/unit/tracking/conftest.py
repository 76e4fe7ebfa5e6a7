"""What several tests of the record have in common."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database; the tests that ask for it run once with each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/record.db"
    return str(request.getfixturevalue("postgres_url"))
