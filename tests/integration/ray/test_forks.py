"""Children that were forked after Ray ran here: an error in words, not a segmentation fault."""

from pathlib import Path

import pytest

from tests.acceptance.programs import run_python

pytestmark = pytest.mark.ray

_PROGRAM = """
import os
import sematic

@sematic.func(standalone=True)
def add(a: int, b: int) -> int:
    return a + b

def run() -> int:
    return sematic.LocalRunner(progress="off").run(add(1, 2))

print(run(), flush=True)
pid = os.fork()
if pid == 0:
    try:
        run()
    except sematic.SematicError as error:
        print(error.__cause__, flush=True)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), run())
"""


def test_a_child_forked_after_a_run_with_ray_is_told_why_it_cannot_use_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    first, words, last = run_python(str(tmp_path / "program.py")).strip().split("\n")[-3:]
    assert (first, last) == ("3", "7 3")
    assert "forked from one in which Ray runs or ran" in words
