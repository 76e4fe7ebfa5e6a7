"""Modules that are called ray."""

from pathlib import Path

from tests.acceptance.programs import run_python

_PROGRAM = """
import sys
import sematic

@sematic.func
def f() -> int:
    import ray
    return ray.init()

print(sematic.LocalRunner(progress="off").run(f()))
import ray
print(type(ray.__loader__).__name__, ray.__spec__.loader is ray.__loader__)
print(sematic.LocalRunner(progress="off").run(f()))
"""


def test_another_module_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("def init(): return 5")
    (tmp_path / "program.py").write_text(_PROGRAM)
    output = run_python(str(tmp_path / "program.py"), cwd=tmp_path)
    assert output == "5\nSourceFileLoader True\n5\n"
