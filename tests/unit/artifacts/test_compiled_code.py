"""Values with code in them are for one version of Python; paths are for all."""

import dataclasses
import os
import pathlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sematic.artifacts import FileSystemStore
from sematic.artifacts.codecs import compiled_code
from sematic.artifacts.codecs.pickler import dump
from sematic.errors import ForeignCodeError

OTHER = "3.9"
"""None that this package runs on."""


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value


def make_class() -> type:
    @dataclasses.dataclass
    class Local:
        size: int

    return Local


@pytest.fixture
def other_python(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes this process think that it is one of another version."""
    return lambda: monkeypatch.setattr(compiled_code, "THIS_PYTHON", OTHER)


def make_function() -> Callable[[int], list[int]]:
    return lambda number: [number for _ in range(2)]


@pytest.mark.parametrize(
    "value",
    [make_function(), Holder({make_function(), 1, 2}), type("Made", (), {"f": lambda self: 1})()],
    ids=["function", "in a set", "class"],
)
def test_another_version_of_python_does_not_read_code(
    store: FileSystemStore, value: object, other_python: Callable[[], None]
) -> None:
    """It would take the bytes for other instructions, and crash."""
    ref = store.put(value, object)
    assert type(store.get(ref)).__qualname__ == type(value).__qualname__
    store.check(ref)
    other_python()
    message = f"that Python {sys.version_info[0]}.{sys.version_info[1]} compiled, and this is"
    for ask in (store.get, store.check):
        with pytest.raises(ForeignCodeError, match=message):
            ask(ref)


def test_it_reads_what_has_names(store: FileSystemStore, other_python: Callable[[], None]) -> None:
    refs = [store.put(value, object) for value in (Holder(1), make_function, [Holder] * 9999)]
    other_python()
    for ref in refs:
        store.check(ref)
    assert [type(store.get(ref)) for ref in refs] == [Holder, type(make_function), list]


def test_a_class_of_a_function_is_not_served_to_it(
    store: FileSystemStore, other_python: Callable[[], None]
) -> None:
    ref = store.put(make_class()(3), object)
    assert ref.codec == "local"
    store.check(ref)
    other_python()
    with pytest.raises(ForeignCodeError):
        store.check(ref)


WRITER = """
import dataclasses, pickle, sys
from sematic.artifacts import FileSystemStore

class Model:
    def __init__(self, weight):
        self.weight = weight

@dataclasses.dataclass
class Config:
    size: int

if len(sys.argv) == 3:
    @dataclasses.dataclass
    class Gone:
        size: int

def make():
    @dataclasses.dataclass
    class Local:
        size: int
    return Local(7)

def write(store, refs):
    values = [Model(4), Config(4), Gone(4), make()]
    with open(refs, "wb") as file:
        pickle.dump([store.put(value, object) for value in values], file)

def read(store, refs, python):
    from sematic.artifacts.codecs import compiled_code
    compiled_code.THIS_PYTHON = python
    with open(refs, "rb") as file:
        refs = pickle.load(file)
    print(store.get(refs[0]).weight, store.get(refs[1]))
    store.check(refs[0]), store.check(refs[1])
    for ref in refs[2:]:
        try:
            print(store.get(ref))
        except Exception as error:
            print(type(error).__name__)

if __name__ == "__main__":
    (write if len(sys.argv) == 3 else read)(FileSystemStore(sys.argv[1]), *sys.argv[2:])
"""


def test_classes_of_a_script_are_found_by_their_names(tmp_path: Path) -> None:
    """What came with the value is not used, nor is it unpickled to find nothing of use."""
    script = tmp_path / "train.py"
    script.write_text(WRITER)
    arguments = [sys.executable, str(script), str(tmp_path / "artifacts"), str(tmp_path / "refs")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def run(*more: str) -> list[str]:
        done = subprocess.run(
            [*arguments, *more], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    run()
    assert run(OTHER) == ["4 Config(size=4)", "ForeignCodeError", "ForeignCodeError"]


class Folder(type(Path())):  # type: ignore[misc]
    """A path of the user's."""


@pytest.mark.parametrize(
    "path",
    [
        *(Path("data/a.csv"), Path(), Path("/"), Path("~/ü")),
        *(pathlib.PurePosixPath("a/../b"), pathlib.PureWindowsPath(r"c:\a\b")),
    ],
)
def test_paths_have_the_same_pickle_in_every_version(path: pathlib.PurePath) -> None:
    """Python 3.13 has them in a module of its own, which others do not find."""
    content = dump(Holder([path, path]))
    assert b"_local" not in content
    first, second = pickle.loads(content).value
    assert (type(first), first) == (type(path), path)
    assert first is second


def test_paths_of_other_classes_pickle_as_they_want() -> None:
    read = pickle.loads(dump(Folder("a/b")))
    assert (type(read), read) == (Folder, Folder("a/b"))
