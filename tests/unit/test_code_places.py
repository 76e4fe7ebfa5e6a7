"""What tells functions of one path in two files apart."""

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic import code_places
from sematic.code_places import (
    LOOSE,
    NO_PLACE,
    TRACKED,
    file_of,
    find_place,
    repository_address,
)
from sematic.function import func
from tests.repositories import commit, git

CODE = "def f() -> int:\n    return {value}\n"


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    yield
    code_places._place_of_file.cache_clear()
    code_places._find_repository.cache_clear()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Callable[[], int]]:
    """Executes a file as a module, and returns its function ``f``."""

    def execute(path: Path) -> Any:
        module = types.ModuleType("loaded")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "loaded", module)
        exec(compile(path.read_text(), str(path), "exec"), vars(module))
        return module.f

    return execute


def write(path: Path, value: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CODE.format(value=value))
    return path


def place_of(f: Callable[[], int]) -> str:
    file = file_of(f)
    assert file is not None
    code_places._place_of_file.cache_clear()
    return find_place(file)


def test_a_tracked_file_is_told_by_its_path_in_the_repository(tmp_path: Path, load) -> None:
    paths = [write(tmp_path / name) for name in ("a/x.py", "b/x.py", "[a] ü.py", ":x.py")]
    commit(tmp_path)
    places = [place_of(load(path)) for path in paths]
    assert all(place.startswith(TRACKED) for place in places)
    assert len(set(places)) == len(paths)
    write(paths[0], 2)
    assert place_of(load(paths[0])) == places[0]


def test_what_git_does_not_track_is_told_by_its_path(tmp_path: Path, load) -> None:
    """Two clones may have different files of this name."""
    write(tmp_path / "tracked.py")
    commit(tmp_path)
    untracked = write(tmp_path / "untracked.py")
    place = place_of(load(untracked))
    assert place.startswith(LOOSE)
    assert place != place_of(load(write(tmp_path / "other" / "untracked.py")))
    (tmp_path / "link").symlink_to(tmp_path)
    assert place == place_of(load(write(tmp_path / "link" / "untracked.py", 2)))
    git(tmp_path, "add", "untracked.py")
    assert place_of(load(untracked)).startswith(TRACKED)


def test_a_repository_without_a_commit_tells_nothing(tmp_path: Path, load) -> None:
    path = write(tmp_path / "x.py")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "x.py")
    assert place_of(load(path)).startswith(LOOSE)


def test_where_a_repository_comes_from_counts_more_than_its_first_commit(
    tmp_path: Path, load
) -> None:
    places = []
    for name, url in (
        ("one", "git@github.com:acme/flows.git"),
        ("two", "https://token@github.com/acme/flows"),
        ("three", "https://github.com/acme/other"),
    ):
        path = write(tmp_path / name / "x.py")
        commit(path.parent, message=name)
        git(path.parent, "remote", "add", "origin", url)
        places.append(place_of(load(path)))
    assert places[0] == places[1] != places[2]


def test_hooks_of_git_do_not_mislead(tmp_path: Path, load, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name their own repository in the environment, whose ``x.py`` is another one."""
    write(tmp_path / "hook" / "x.py")
    commit(tmp_path / "hook")
    loose = write(tmp_path / "loose" / "x.py")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "hook" / ".git"))
    assert place_of(load(loose)).startswith(LOOSE)


def test_without_git_there_are_paths(tmp_path: Path, load, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.py")
    commit(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert place_of(load(path)).startswith(LOOSE)


def test_installed_packages_need_no_more_than_their_names(tmp_path: Path, load) -> None:
    path = write(tmp_path / "lib" / "site-packages" / "package" / "x.py")
    assert place_of(load(path)) == NO_PLACE
    assert place_of(types.resolve_bases) == NO_PLACE


def test_a_function_keeps_its_place_when_the_process_goes_elsewhere(
    tmp_path: Path, load, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.py")
    monkeypatch.chdir(tmp_path)
    loaded = load(path)
    sys.modules["loaded"].__file__ = "x.py"
    function = func(loaded)
    monkeypatch.chdir(tmp_path.parent)
    assert function.place == place_of(load(path))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("git@github.com:acme/flows.git", "github.com/acme/flows"),
        ("https://github.com/acme/flows", "github.com/acme/flows"),
        ("https://user:word@GitHub.com/acme/flows.git/", "github.com/acme/flows"),
        ("ssh://git@github.com/acme/flows.git", "github.com/acme/flows"),
        ("ssh://git@example.org:7999/acme/flows.git", "example.org:7999/acme/flows"),
        ("example.org:flows", "example.org/flows"),
        ("/home/me/flows", None),
        ("../flows.git", None),
        ("file:///home/me/flows", None),
        ("http://localhost:3000/acme/flows", None),
        ("", None),
    ],
)
def test_addresses(url: str, address: str | None) -> None:
    assert repository_address(url) == address
