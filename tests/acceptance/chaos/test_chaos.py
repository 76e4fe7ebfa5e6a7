"""One fault of each kind, on both databases. ``make chaos`` tries a hundred at random."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from sematic.testing import chaos
from tests.acceptance.chaos.cases import KINDS, Kind, enter_world, run_case
from tests.postgres import PostgresServer

pytestmark = pytest.mark.chaos

_CHOSEN = (
    ("driver", 1),
    ("driver-twice", 2),
    ("stopped", 3),
    ("locked-driver", 4),
    ("full-disk", 32),  # strikes early, so that it is not over before the disk is full
    ("postgres-away-driver", 6),
    ("worker", 7),
    ("actor", 8),
    ("raylet", 9),
    ("ray-postgres", 10),
)
_NAMES = {kind.name: kind for kind in KINDS}


@pytest.mark.parametrize(("kind", "seed"), [(_NAMES[name], seed) for name, seed in _CHOSEN])
def test_nothing_recorded_is_lost_or_repeated(
    kind: Kind, seed: int, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    try:
        with enter_world(kind, tmp_path, postgres_server) as world:
            report, problems = run_case(kind, seed, world)
    except PermissionError as error:
        pytest.skip(str(error))
    assert problems == [], str(report)


TRAINING = """
import sys
import time

import sematic


@sematic.func
def load(path: str) -> list[int]:
    time.sleep(0.3)
    return [1, 2, 3]


@sematic.func
def train(data: list[int], rate: float) -> float:
    time.sleep(0.3)
    return sum(data) * rate


@sematic.func
def pipeline(rate: float) -> list[float]:
    return [train(load("data"), rate * i) for i in range(5)]


if __name__ == "__main__":
    print(sematic.LocalRunner().run(pipeline(float(sys.argv[1]))))
"""


def test_a_script_of_ones_own(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(TRAINING))
    report = chaos.run(
        [str(script), "0.5"],
        [chaos.KillDriver(), chaos.Strike(chaos.KillDriver(), calls=5, seconds=0.1)],
        directory=tmp_path / "experiment",
        seed=7,
        calls=4,
    )
    assert report.problems() == []
    assert report.value == [0.0, 3.0, 6.0, 9.0, 12.0]
    assert [driver.code for driver in report.drivers] == [-9, -9, 0]
    assert report.counts["train.pipeline"] == 1
    assert report.counts["train.load"] + report.counts["train.train"] <= 12
    assert str(report).startswith("seed 7: killed driver ")


EPOCHS = """
import sys
import time

import sematic


@sematic.func
def load() -> int:
    time.sleep(0.1)
    return 90


@sematic.func
def train(accuracy: int) -> int:
    time.sleep(0.1)
    return accuracy + 1


@sematic.func
def percent(accuracy: int) -> float:
    return accuracy / 100


@sematic.func
def pipeline(epochs: int) -> float:
    accuracy = load()
    for _ in range(epochs):
        accuracy = train(accuracy)
    return percent(accuracy)


if __name__ == "__main__":
    sematic.LocalRunner().run(pipeline(int(sys.argv[2])))
"""


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text(EPOCHS)
    monkeypatch.chdir(tmp_path)
    assert chaos.__doc__ is not None
    block = chaos.__doc__.partition(".. code-block:: python\n\n")[2].partition("\nThe script")[0]
    example: dict[str, Any] = {}
    exec(textwrap.dedent(block), example)
    example["test_training_survives"](tmp_path / "experiment")
