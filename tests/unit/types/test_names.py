import subprocess
import sys
from pathlib import Path

import pytest

from sematic.types.names import (
    canonical_module,
    main_module_name,
    qualified_name,
    set_main_module_name,
)

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from sematic.types.names import qualified_name

class Config:
    class Inner:
        pass

print(qualified_name(Config.Inner))
"""


@pytest.fixture
def told():
    """Undoes what a test tells this process."""
    yield set_main_module_name
    set_main_module_name(None)


def run(*arguments, cwd, **options):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        **options,
    )
    return done.stdout.strip()


def test_other_modules_keep_their_names():
    assert canonical_module("package.module") == "package.module"
    assert qualified_name(subprocess.Popen.wait) == "subprocess.Popen.wait"


def test_a_script_is_known_by_the_stem_of_its_file(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    assert run("train.py", cwd=tmp_path) == "train.Config.Inner"


def test_a_module_is_known_by_its_import_name(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(SCRIPT)
    assert run("-m", "package.train", cwd=tmp_path) == "package.train.Config.Inner"


def test_a_folder_is_known_by_its_name(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__main__.py").write_text(SCRIPT)
    assert run("pipeline", cwd=tmp_path) == "pipeline.Config.Inner"


@pytest.mark.parametrize("arguments", [["-c", SCRIPT], ["-"]])
def test_without_a_file_main_stays_main(tmp_path, arguments):
    source = SCRIPT if arguments == ["-"] else None
    assert run(*arguments, cwd=tmp_path, input=source) == "__main__.Config.Inner"


def test_a_child_process_takes_the_name_from_its_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMATIC_MAIN_MODULE", "driver")
    (tmp_path / "worker.py").write_text(SCRIPT)
    assert run("worker.py", cwd=tmp_path) == "driver.Config.Inner"


def test_a_worker_can_be_told_the_name(told):
    own = main_module_name()
    told("driver")
    assert canonical_module("__main__") == "driver"
    assert canonical_module("__mp_main__") == "driver"
    assert canonical_module("other") == "other"
    told(None)
    assert canonical_module("__main__") == own
