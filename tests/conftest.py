"""What holds for every test: no real home directory, no settings of the user, no luck."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.disks import small_disk
from tests.postgres import postgres_server, postgres_url
from tests.rays import ray_session

# Where the tests were started by nohup, or in the background of a script, too: programs inherit
# what is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["config_directory", "postgres_server", "postgres_url", "ray_session", "small_disk"]

# The same examples each time, no time limit on a machine that others use too, and no minutes spent
# on explaining a failure.
settings.register_profile(
    "deterministic", derandomize=True, deadline=None, phases=set(Phase) - {Phase.explain}
)
settings.load_profile("deterministic")


@pytest.fixture(autouse=True)
def config_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config directory of the test's own, in its environment and in that of its children.

    Settings that the user has in the environment are taken out. The directory does not exist yet.
    """
    for name in list(os.environ):
        if name.startswith("SEMATIC_"):
            monkeypatch.delenv(name)
    directory = tmp_path / ".sematic"
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(directory))
    return directory
