"""Ids: the same in every process for all but pickled values."""

import os
import subprocess
import sys
from pathlib import Path

from sematic.artifacts import FileSystemStore

_PRINT_IDS = """
import sys
from sematic.artifacts import FileSystemStore
from tests.unit.artifacts.test_identity import iter_ids
for id in iter_ids(FileSystemStore(sys.argv[1])):
    print(*id)
"""


def iter_ids(store: FileSystemStore):  # type: ignore[no-untyped-def]
    from tests.unit.artifacts.test_arrays import ARRAYS
    from tests.unit.artifacts.test_frames import FRAMES, SERIES
    from tests.unit.artifacts.test_plain_values import VALUES
    from tests.unit.artifacts.test_sequences import PLAIN, SEQUENCES

    words = [f"word{i}" for i in range(50)]
    sets = [set(words), frozenset(words), {frozenset(words): 1}, [set(words)] * 1000]
    named = {**ARRAYS, **FRAMES, **SERIES, **PLAIN, **SEQUENCES}
    for name, value in [*enumerate([*VALUES, *sets]), *named.items()]:
        yield store.put(value, object).id, str(name)


def test_ids_are_the_same_in_every_process(store: FileSystemStore, folder: Path) -> None:
    assert os.environ.get("PYTHONHASHSEED") != "7"
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_IDS, str(folder)],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    own = list(iter_ids(store))
    assert done.stdout.splitlines() == [" ".join(pair) for pair in own]
    assert all(len(id_) == 40 and int(id_, 16) >= 0 for id_, _ in own)


def test_ids_stay_what_they_are(store: FileSystemStore) -> None:
    """Whoever changes these makes every recorded result look like a new one."""
    assert store.put(1, int).id == "493996d3812be31d5821a5891507b5c4eed56c6f"
    assert store.put({"a": [1.5, None]}, dict).id == "a62496d9dff75d7cc508aadf75c045125cec9c38"
