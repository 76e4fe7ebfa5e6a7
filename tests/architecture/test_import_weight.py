"""You pay for what you use: heavy libraries load with the first thing that needs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "alembic",
    "click",
    "kubernetes",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "ray",
    "rich",
    "snowflake",
    "sqlalchemy",
    "starlette",
}
REPORT = """
import json, sys
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
PIPELINE = """
import sematic

@sematic.func
def double(x: int) -> int:
    return 2 * x

@sematic.func
def pipeline(x: int) -> int:
    return double(double(x))

assert sematic.{runner}().run(pipeline(1)) == 4
"""


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a program."""
    done = subprocess.run(
        [sys.executable, "-c", program + REPORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_import_is_light() -> None:
    loaded = loaded_by("import sematic")
    assert "sematic" in loaded
    assert loaded & HEAVY == set()


def test_a_silent_pipeline_is_light() -> None:
    assert loaded_by(PIPELINE.format(runner="SilentRunner")) & HEAVY == set()


@pytest.mark.parametrize(
    "library", ["ray", "kubernetes", "alembic", "numpy", "pandas", "starlette"]
)
def test_an_inline_local_pipeline_does_without(library: str) -> None:
    assert library not in loaded_by(PIPELINE.format(runner="LocalRunner"))
