"""Which processes share cached outputs, and which never do."""

from pathlib import Path

import pytest

from tests.acceptance.programs import run_python

SCRIPT = """
import enum
import sematic
from dataclasses import dataclass

class Kind(enum.Enum):
    A = "a"

@dataclass(frozen=True)
class Config:
    rates: dict[str, float]
    words: frozenset[str]
    kind: Kind

@sematic.func(cache=True{options})
def f(config: Config) -> str:
    print("executes", flush=True)
    return "{output}"

@sematic.func
def pipeline() -> str:
    return f(Config({{"a": 1.0, "b": 2.0}}, frozenset(["x", "y", "z"]), Kind.A))

if __name__ == "__main__":
    print(sematic.LocalRunner(cache_namespace="n", progress="off").run(pipeline()))
"""


def write(place: Path, name: str = "script.py", *, output: str = "one", options: str = "") -> Path:
    place.mkdir(exist_ok=True)
    path = place / name
    path.write_text(SCRIPT.format(output=output, options=options))
    return path


def run(path: Path, *, module: bool = False, directory: Path | None = None) -> list[str]:
    arguments = ["-m", path.stem] if module else [str(path)]
    return run_python(*arguments, cwd=directory or path.parent).splitlines()


def test_every_process_has_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where hashes are random, and however the script is started."""
    path = write(tmp_path)
    assert run(path) == ["executes", "one"]
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        assert run(path) == ["one"]
    assert run(path, module=True) == ["one"]
    assert run(path, directory=tmp_path.parent) == ["one"]


def test_the_code_is_not_part_of_it_but_the_version_is(tmp_path: Path) -> None:
    run(write(tmp_path))
    assert run(write(tmp_path, output="two")) == ["one"]
    versioned = write(tmp_path, output="two", options=", cache_version=2")
    assert run(versioned) == ["executes", "two"]
    assert run(versioned) == ["two"]
    assert run(write(tmp_path)) == ["one"]


def test_two_scripts_do_not_share(tmp_path: Path) -> None:
    run(write(tmp_path))
    assert run(write(tmp_path, "other.py", output="two")) == ["executes", "two"]


def test_what_has_no_name_shares_with_the_same_code_only(tmp_path: Path) -> None:
    """Notebooks and consoles: each sees its functions in ``__main__``."""
    cell = """
import linecache, sys
source = open(sys.argv[1]).read()
linecache.cache["<cell>"] = (len(source), None, source.splitlines(True), "<cell>")
exec(compile(source, "<cell>", "exec"))
"""
    first, other = write(tmp_path), write(tmp_path, "other.py", output="two")
    assert run_python("-c", cell, str(first)).splitlines() == ["executes", "one"]
    assert run_python("-c", cell, str(first)).splitlines() == ["one"]
    assert run_python("-c", cell, str(other)).splitlines() == ["executes", "two"]


def test_without_a_name_and_without_source_nothing_is_shared(tmp_path: Path) -> None:
    program = "import sys; exec(open(sys.argv[1]).read())"
    path = write(tmp_path)
    for _ in range(2):
        assert run_python("-c", program, str(path)).splitlines() == ["executes", "one"]
