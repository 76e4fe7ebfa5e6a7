"""Classes that other processes cannot import: of scripts and of function bodies."""

import dataclasses
import enum
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from sematic.artifacts import FileSystemStore
from sematic.errors import ArtifactError
from sematic.types.names import set_main_module_name

SCRIPT = """
import collections, dataclasses, enum, pickle, sys
import cloudpickle
from sematic.artifacts import FileSystemStore

class Kind(enum.Enum):
    BIG = 1

Pair = collections.namedtuple("Pair", "x y")

@dataclasses.dataclass
class Config:
    size: int
    kind: Kind
    pairs: list

    def doubled(self):
        return 2 * self.size

class Model:
    kind = Kind.BIG

    def __init__(self, weight):
        self.weight = weight

    def config(self):
        return Config(self.weight, self.kind, [])

def describe(value):
    assert type(value) is Config, type(value)
    assert type(value.kind) is Kind
    return value.doubled()

store = FileSystemStore(sys.argv[1])
value = Config(4, Kind.BIG, [Pair(1, 2)])
values = [value, Model(3), [value] * 1000]
refs = [store.put(value, object) for value in values]
print(*(ref.id for ref in refs))
if sys.argv[2] == "write":
    assert store.get(refs[0]) == value
    assert type(store.get(refs[1])) is Model
    with open(sys.argv[3], "wb") as file:
        pickle.dump(refs, file)
if sys.argv[2] == "read":
    with open(sys.argv[3], "rb") as file:
        refs = pickle.load(file)
    assert store.get(refs[0]) == value
    assert store.get(refs[1]).weight == 3
    assert type(store.get(refs[1])) is Model
    assert store.get(refs[2]) == values[2]
    with open(sys.argv[4], "wb") as file:
        cloudpickle.dump(describe, file)
"""

WORKER = """
import pickle, sys
from sematic.artifacts import FileSystemStore
from sematic.types.names import set_main_module_name
set_main_module_name("train")
with open(sys.argv[2], "rb") as file:
    refs = pickle.load(file)
store = FileSystemStore(sys.argv[1])
if len(sys.argv) > 3:
    with open(sys.argv[3], "rb") as file:
        function = pickle.load(file)
    print(function(store.get(refs[0])))
else:
    value, model, values = map(store.get, refs)
    print(value.doubled(), value.kind.name, value.pairs[0].y, model.config().size, len(values))
    assert type(values[0]) is type(value)
    assert value.kind is model.kind
print(store.put(store.get(refs[0]), object).id)
"""


def _run(script: Path, *arguments: object) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a script, the same script again, and two workers of the second printed."""
    folder = tmp_path_factory.mktemp("local")
    script, worker = folder / "train.py", folder / "elsewhere" / "worker.py"
    script.write_text(SCRIPT)
    worker.parent.mkdir()
    worker.write_text(WORKER)
    store, refs, function = folder / "artifacts", folder / "refs", folder / "function"
    return {
        "script": _run(script, store, "write", refs),
        "again": _run(script, store, "read", refs, function),
        "worker": _run(worker, store, refs),
        "worker with function": _run(worker, store, refs, function),
    }


def test_classes_of_a_script_reach_workers(runs: dict[str, list[str]]) -> None:
    assert runs["worker"] == ["8 BIG 2 3 1000", runs["script"][0].split()[0]]


def test_the_next_process_of_the_script_has_the_same_ids_and_its_own_classes(
    runs: dict[str, list[str]],
) -> None:
    assert runs["again"] == runs["script"]


def test_in_a_worker_a_value_has_the_class_that_the_function_knows(
    runs: dict[str, list[str]],
) -> None:
    """Also where the value was stored by an earlier process of the script."""
    assert runs["worker with function"] == ["8", runs["script"][0].split()[0]]


def _make_class(default: int) -> type:
    @dataclasses.dataclass
    class Local:
        a: int = default

        def total(self) -> int:
            return self.a + default

    return Local


def test_classes_of_function_bodies_come_back_as_themselves(store: FileSystemStore) -> None:
    first, second = _make_class(1), _make_class(2)
    refs = [store.put(cls(), cls) for cls in (first, second)]
    for ref, cls in zip(refs, (first, second), strict=True):
        assert ref.codec == "local"
        read = store.get(ref, verify=True)
        assert type(read) is cls
        store.check(ref)


def test_enums_of_function_bodies_keep_their_members(store: FileSystemStore) -> None:
    class Color(enum.Enum):
        RED = 1

    assert store.get(store.put({"c": [Color.RED]}, dict)) == {"c": [Color.RED]}


def test_long_values_of_local_classes_come_back(store: FileSystemStore) -> None:
    cls = _make_class(1)
    value = [cls(i) for i in range(3000)]
    ref = store.put(value, list)
    assert ref.payload is None
    assert store.get(ref) == value


def test_plain_payloads_never_unpickle_a_class(store: FileSystemStore) -> None:
    """A reader that must not execute code can tell by the codec's name."""
    cls = _make_class(1)
    ref = store.put(cls(), cls)
    content = json.loads(ref.payload or "")
    assert content["definitions"]
    forged = dataclasses.replace(ref, codec="plain")
    with pytest.raises(ArtifactError):
        store.get(forged, verify=False)


def test_a_class_that_cannot_be_pickled_can_still_be_used_in_its_process(
    store: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()

    @dataclasses.dataclass
    class Guarded:
        a: int

        def use(self) -> bool:
            return lock.locked()

    main = sys.modules["__main__"]
    Guarded.__module__, Guarded.__qualname__ = "__main__", "Guarded"
    monkeypatch.setattr(main, "Guarded", Guarded, raising=False)
    assert store.get(store.put(Guarded(1), Guarded)) == Guarded(1)


def test_where_a_script_is_imported_its_classes_are_those_of_the_module(
    store: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_class(module: str) -> type:
        cls = dataclasses.make_dataclass("Shadow", [("a", int)])
        cls.__module__ = module
        return cls

    own = build_class("__main__")
    set_main_module_name("shadowed")
    try:
        refs = [store.put(own(1), own), store.put({"a": [own(1), object]}, dict)]
    finally:
        set_main_module_name(None)
    module = ModuleType("shadowed")
    module.Shadow = build_class("shadowed")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shadowed", module)
    assert type(store.get(refs[0])) is module.Shadow
    assert store.get(refs[1]) == {"a": [module.Shadow(1), object]}
