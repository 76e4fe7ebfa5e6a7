"""Which processes share cached outputs, and which never do."""

from pathlib import Path

import pytest

from sematic.client import open_record
from tests.acceptance.programs import run_python, run_sematic
from tests.repositories import commit, git

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


def run(path: Path, *more: str, module: bool = False, directory: Path | None = None) -> list[str]:
    arguments = ["-m", path.stem] if module else [str(path)]
    return run_python(*arguments, *more, cwd=directory or path.parent).splitlines()


def test_every_process_has_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where hashes are random, and however the script is started."""
    path = write(tmp_path)
    assert run(path) == ["executes", "one"]
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        assert run(path) == ["one"]
    assert run(path, module=True) == ["one"]
    assert run(path, directory=tmp_path.parent) == ["one"]


@pytest.mark.parametrize("tracked", [False, True])
def test_the_code_is_not_part_of_it_but_the_version_is(tmp_path: Path, tracked: bool) -> None:
    """Whether or not git tracks the file; changes need not be committed."""
    path = write(tmp_path / "script", output="one")
    if tracked:
        commit(path.parent)
    run(path)
    assert run(write(path.parent, output="two")) == ["one"]
    versioned = write(path.parent, output="two", options=", cache_version=2")
    assert run(versioned) == ["executes", "two"]
    assert run(versioned) == ["two"]
    assert run(write(path.parent)) == ["one"]


def test_two_scripts_do_not_share(tmp_path: Path) -> None:
    run(write(tmp_path))
    assert run(write(tmp_path, "other.py", output="two")) == ["executes", "two"]


def test_why_names_the_other_script(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, output=name) for name in ("one", "other")]
    for path in paths:
        run(path)
    root = open_record().pipeline_runs(limit=1)[0].root_id
    (called,) = (found.id for found in open_record().runs(root) if found.name == "f")
    line = run_sematic("why", called).splitlines()[-1]
    assert line.split() == ["script", str(paths[1]), str(paths[0])]


@pytest.mark.parametrize("module", [False, True])
def test_scripts_of_one_name_do_not_share(tmp_path: Path, module: bool) -> None:
    """Loose ones; in two directories of a repository; at the same path in two repositories."""
    run(write(tmp_path / "loose"), module=module)
    other = write(tmp_path / "other", output="two")
    assert run(other, module=module) == ["executes", "two"]
    places = [tmp_path / "one" / "a", tmp_path / "one" / "b", tmp_path / "two" / "a"]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    paths = [write(place, output=str(number)) for number, place in enumerate(places)]
    commit(tmp_path / "one", message="first")
    commit(tmp_path / "two", message="second")
    for number, path in enumerate(paths):
        assert run(path, module=module) == ["executes", str(number)]
    for number, path in enumerate(paths):
        assert run(path, module=not module) == [str(number)]


def test_clones_and_work_trees_share(tmp_path: Path) -> None:
    """Under whatever name, reached through whatever link, on whatever branch."""
    path = write(tmp_path / "repository")
    commit(path.parent)
    run(path)
    git(tmp_path, "clone", "-q", "repository", "clone")
    git(path.parent, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    (tmp_path / "link").symlink_to(path.parent)
    for name in ("clone", "tree", "link"):
        assert run(tmp_path / name / path.name) == ["one"]


def test_whoever_imports_a_script_shares_with_it(tmp_path: Path) -> None:
    """But values of its own classes, which carry their code where it is the script that runs."""
    path = tmp_path / "script.py"
    path.write_text(
        "import sematic\n"
        "@sematic.func(cache=True)\n"
        "def f(x: int) -> str:\n"
        "    print('executes', flush=True)\n"
        "    return 'one'\n"
        "def main() -> None:\n"
        "    print(sematic.LocalRunner('n', progress='off').run(f(1)))\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    assert run(path) == ["executes", "one"]
    importing = tmp_path / "importing.py"
    importing.write_text("import script; script.main()")
    assert run(importing) == ["one"]


def test_zip_files_that_are_run_do_not_share(tmp_path: Path) -> None:
    zips = []
    for number, output in enumerate(("one", "two")):
        source = write(tmp_path / output, "__main__.py", output=output).parent
        zips.append(tmp_path / str(number) / "app.pyz")
        zips[-1].parent.mkdir()
        run_python("-m", "zipapp", str(source), "-o", str(zips[-1]))
    assert run(zips[0]) == ["executes", "one"]
    assert run(zips[1]) == ["executes", "two"]
    assert run(zips[0]) == ["one"]


def test_what_is_typed_in_after_a_script_does_not_share_with_it(tmp_path: Path) -> None:
    path = write(tmp_path)
    typed = path.read_text().replace('"one"', '"two"')
    assert run(path) == ["executes", "one"]
    program = f"import sys, runpy; exec(compile({typed!r}, '<stdin>', 'exec'))"
    path.write_text(program)
    for _ in range(2):
        assert run(path) == ["executes", "two"]


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


def test_dots_and_packages_make_no_difference(tmp_path: Path) -> None:
    """``train.v2.py``, and ``python -m src.train``, in two projects."""
    for number, project in enumerate(("one", "two")):
        (tmp_path / project / "src").mkdir(parents=True)
        dotted = write(tmp_path / project, "train.v2.py", output=str(number))
        assert run(dotted) == ["executes", str(number)]
        write(tmp_path / project / "src", "train.py", output=str(number))
        printed = run_python("-m", "src.train", cwd=tmp_path / project).splitlines()
        assert printed == ["executes", str(number)]


CLOSURES = """
import sematic

def make(k, **options):
    @sematic.func(cache=True, **options)
    def scale(xs: list[float]) -> list[float]:
        print("executes", k, flush=True)
        return [x * k for x in xs]
    return scale

double, triple = make(2), make(3)
fourfold, fivefold = make(4, standalone=True), make(5, standalone=True)

@sematic.func(cache=True)
def first() -> int:
    return 1

old = first

@sematic.func(cache=True)
def first() -> int:
    return 2

@sematic.func
def pipeline() -> list[list[float]]:
    xs = [1.0]
    return [double(xs), triple(xs), double(xs), fourfold(xs), fivefold(xs), [old(), first()]]

if __name__ == "__main__":
    print(sematic.LocalRunner(cache_namespace="n", progress="off").run(pipeline()))
"""


def test_functions_of_one_name_do_not_share_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they close over tells them apart, in every process alike."""
    path = tmp_path / "script.py"
    path.write_text(CLOSURES)
    executed = ["executes 2", "executes 3"]  # what standalone ones print is in their logs
    value = "[[2.0], [3.0], [2.0], [4.0], [5.0], [1.0, 2.0]]"
    for seed, expected in (("1", [value, *executed]), ("2", [value])):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        assert sorted(run(path)) == sorted(expected)
    record = open_record()
    later, earlier = (record.runs(each.root_id) for each in record.pipeline_runs(limit=2))
    assert all(served.original_run_id for served in later[1:])
    runs = [each for each in earlier if each.name == "scale"]
    told = run_sematic("why", runs[1].id)
    assert "same call" not in told
    assert "another one of this name, or with other variables" in told


DECORATED = """
import functools, sys
import sematic

def times(n):
    def decorate(f):
        @functools.wraps(f)
        def scaled(x: int) -> int:
            return f(x) * n
        return scaled
    return decorate

def base(x: int) -> int:
    return x

first, second = (sematic.func(cache=True)(times(int(n))(base)) for n in sys.argv[1:])

@sematic.func
def pipeline() -> list[int]:
    return [first(7), second(7)]

print(sematic.LocalRunner(cache_namespace="n", progress="off").run(pipeline()))
"""


def test_what_a_decorator_has_made_of_one_function_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(DECORATED)
    assert run(path, "2", "3") == ["[14, 21]"], "in one process"
    assert run(path, "3", "4") == ["[21, 28]"], "and from one to the next"
