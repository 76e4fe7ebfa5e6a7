"""Where a Ray of our own starts."""

from pathlib import Path

import pytest

from tests.acceptance.programs import run_python

pytestmark = pytest.mark.ray

_PROGRAM = """
import os, sys
import sematic

@sematic.func(standalone=True)
def add(a: int, b: int) -> int:
    return a + b

os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
os.rmdir(sys.argv[1])
print(sematic.LocalRunner(progress="off").run(add(1, 2)))
try:
    print(os.getcwd())
except FileNotFoundError:
    print("still deleted")
"""


def test_ray_starts_where_the_current_directory_was_deleted(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    printed = run_python(str(tmp_path / "program.py"), str(tmp_path / "gone"))
    assert printed == "3\nstill deleted\n"
