"""What is recorded of a command's circumstances, where some of them are missing."""

import subprocess
import sys
from pathlib import Path

from sematic.client import open_record
from sematic.runners.local_runner import LocalRunner
from sematic.tracking.environment import (
    describe_command,
    describe_packages,
    describe_surroundings,
)
from tests.directories import deleted_directory
from tests.unit.cli import pipelines


def test_a_deleted_directory_is_not_known(tmp_path: Path) -> None:
    with deleted_directory(tmp_path / "gone"):
        assert describe_command()["directory"] is None
        assert describe_surroundings()["git"] is None


def test_a_script_of_a_deleted_directory_is_named_as_it_was(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "script.py", raising=False)
    assert describe_command()["main"] == str(Path("script.py").absolute())
    with deleted_directory(tmp_path / "gone"):
        assert describe_command()["main"] == "script.py"


def test_passwords_are_recorded_neither_of_the_command_nor_of_its_arguments(monkeypatch) -> None:
    url = "postgresql://me:hidden@host/db"
    monkeypatch.setattr(sys, "argv", ["script.py", url, f"--to={url}", "1"])
    known = describe_command()
    assert "hidden" not in str(known)
    assert known["arguments"][::3] == ["script.py", "1"]


def test_packages_without_a_name_are_passed_over(tmp_path: Path, monkeypatch) -> None:
    for name, metadata in (("whole", "Name: whole\nVersion: 1"), ("broken", "Version: 1")):
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(tmp_path)
    assert describe_packages()["whole"] == "1"


def test_a_pipeline_runs_in_a_deleted_directory(tmp_path: Path) -> None:
    future = pipelines.add(1, 2)
    with deleted_directory(tmp_path / "gone"):
        assert LocalRunner(progress="off").run(future) == 3
    assert open_record().environment(future.id)["directory"] is None


_FORKS_MEANWHILE = """
import os, signal, sys, threading, time
from sematic.tracking.environment import describe_packages

half_imported = threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "importlib.metadata":
            half_imported.set()
            time.sleep(1)

assert "importlib.metadata" not in sys.modules
sys.meta_path.insert(0, Slow())
threading.Thread(target=describe_packages).start()
half_imported.wait()
pid = os.fork()
if not pid:
    signal.alarm(20)
    import importlib.metadata
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0, "it waits for an import that nobody completes"
"""


def test_a_child_that_a_function_forks_at_the_beginning_can_import() -> None:
    subprocess.run([sys.executable, "-c", _FORKS_MEANWHILE], check=True, timeout=60)
