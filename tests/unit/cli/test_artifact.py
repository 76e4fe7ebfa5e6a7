"""``sematic artifact``."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from matplotlib.figure import Figure

import sematic
from tests.terminal import Terminal
from tests.unit.cli import pipelines

Cli = Callable[..., Result]
PROGRAM = "from sematic.cli import main; main(prog_name='sematic')"


@sematic.func
def frame() -> pd.DataFrame:
    numbers = range(40)
    columns = {f"column {letter}": numbers for letter in "abcdefghijkl"}
    return pd.DataFrame({"name": ["Ann", None] * 20, "score": np.linspace(0, 1, 40), **columns})


@sematic.func
def array() -> np.ndarray:
    return np.arange(3000.0).reshape(3, 1000)


@sematic.func
def figure() -> Figure:
    drawn = Figure()
    drawn.subplots().plot([1, 2, 3])
    return drawn


@sematic.func
def numbers() -> list[int]:
    return list(range(100_000))


@sematic.func
def picture() -> bytes:
    return b"\x89PNG..."


@pytest.fixture
def show(sematic_cli: Cli) -> Callable[..., Result]:
    """Run a pipeline and show its output's artifact."""

    def show(future: sematic.Future, *options: str) -> Result:
        run_id = pipelines.run(future)
        found = re.search(r"\b[0-9a-f]{40}\b", sematic_cli("show", run_id, "--no-inputs").stdout)
        assert found
        return sematic_cli("artifact", found[0][:12], *options)

    return show


def body(result: Result) -> list[str]:
    assert result.exit_code == 0
    return result.stdout.split("\n\n", 1)[1].rstrip("\n").split("\n")


def test_header(show: Callable[..., Result]) -> None:
    header = show(pipelines.add(1, 2)).stdout.split("\n\n")[0].splitlines()
    assert re.fullmatch("id    [0-9a-f]{40}", header[0])
    assert header[1:] == ["type  int", "size  1 B, stored as plain"]


def test_plain_values(show: Callable[..., Result]) -> None:
    assert body(show(pipelines.add(1, 2))) == ["3"]
    assert body(show(pipelines.greeting())) == ["hello", "world"]
    assert body(show(pipelines.data())) == ["<100.0 KiB of bytes, 0001020304050607...>"]


def test_long_lists_fill_lines(show: Callable[..., Result]) -> None:
    first, *lines, last = body(show(numbers()))
    assert (first, last) == ("[", "]")
    assert lines[0].startswith("    0, 1, 2, 3, ")
    assert lines[-1].endswith("98, 99, ... 99,900 more")
    assert max(map(len, lines)) <= 100


def test_a_frame(show: Callable[..., Result]) -> None:
    lines = body(show(frame()))
    assert lines[0] == "40 rows × 14 columns"
    assert lines[2].split()[:2] == ["name", "score"]
    assert lines[3].split()[:3] == ["0", "Ann", "0"]
    assert "... 30 more rows" in lines
    description = lines[lines.index("... 30 more rows") + 2 :]
    assert description[0].split() == [
        "COLUMN",
        "DTYPE",
        "MISSING",
        "MIN",
        "MEAN",
        "MAX",
        "UNIQUE",
        "TOP",
    ]
    assert description[1].split()[2] == "20"  # missing names
    assert description[2].split()[0] == "score"


def test_a_frame_that_is_wider_than_the_terminal(sematic_cli: Cli) -> None:
    run_id = pipelines.run(frame())
    found = re.search(r"\b[0-9a-f]{40}\b", sematic_cli("show", run_id, "--no-inputs").stdout)
    assert found
    terminal = Terminal(["-c", PROGRAM, "artifact", found[0]], columns=60, lines=60)
    assert terminal.wait() == 0  # the screen refuses lines that are too long
    assert any(
        re.fullmatch(r"\.\.\. \d+ more columns, see below", line) for line in terminal.screen.lines
    )


def test_an_array(show: Callable[..., Result]) -> None:
    shape, statistics, values = body(show(array()))
    assert shape == "3 × 1,000 of float64 (23.4 KiB)"
    assert statistics == "min 0, mean 1499.5, max 2999"
    assert values.startswith("[0, 1, 2, 3, ")
    assert values.endswith(", ...]")


def test_a_figure_is_saved(show: Callable[..., Result], tmp_path: Path) -> None:
    shown = show(figure())
    (line,) = body(shown)
    assert re.match(r"A figure of 6\.4 × 4\.8 inches\..* sematic artifact [0-9a-f]{8} --save", line)
    path = tmp_path / "figure.png"
    assert show(figure(), "--save", str(path)).stdout == f"Wrote {path}\n"
    assert path.read_bytes().startswith(b"\x89PNG")
    show(figure(), "--save", str(tmp_path / "figure.svg"))
    assert "<svg" in (tmp_path / "figure.svg").read_text()


def test_other_values_are_saved(show: Callable[..., Result], tmp_path: Path) -> None:
    show(pipelines.data(), "--save", str(tmp_path / "data.bin"))
    assert (tmp_path / "data.bin").read_bytes() == bytes(range(256)) * 400
    show(pipelines.greeting(), "--save", str(tmp_path / "text.txt"))
    assert (tmp_path / "text.txt").read_text() == "hello\nworld"
    show(frame(), "--save", str(tmp_path / "frame.csv"))
    assert len(pd.read_csv(tmp_path / "frame.csv")) == 40
    show(pipelines.add(1, 2), "--save", str(tmp_path / "number.json"))
    assert (tmp_path / "number.json").read_text() == "3"


def test_what_cannot_be_saved(show: Callable[..., Result], tmp_path: Path) -> None:
    result = show(pipelines.add(1, 2), "--save", str(tmp_path / "number.png"))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: A value of type int cannot be written to a file like")
    assert list(tmp_path.glob("*.png")) == []
    result = show(pipelines.greeting(), "--save", str(tmp_path / "no" / "text.txt"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_json(show: Callable[..., Result]) -> None:
    small = json.loads(show(pipelines.add(1, 2), "--json").stdout)
    assert (small["type"], small["codec"], small["value"]) == ("int", "plain", 3)
    assert small["summary"] is None
    large = json.loads(show(array(), "--json").stdout)
    assert large["value"] is None
    assert large["summary"]["shape"] == [3, 1000]


def test_unknown(sematic_cli: Cli, config_directory: Path) -> None:
    result = sematic_cli("artifact", "abc")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no artifact 'abc'. No runs yet.")
    pipelines.run(pipelines.add(1, 2))
    result = sematic_cli("artifact", "nope")
    assert result.stderr == "Error: No artifact has an id that starts with 'nope'.\n"


@pytest.mark.parametrize(
    ("future", "name", "words"),
    [
        (figure, "noext", "its ending must be one of ."),
        (figure, "figure.xyz", "For example figure.png."),
        (pipelines.greeting, "text.png", "The value is a text, which does not make a .png file."),
        (pipelines.greeting, "text.parquet", "for example text.txt."),
        (pipelines.data, "data.xlsx", "The value is bytes, which does not make a .xlsx file."),
    ],
)
def test_an_ending_that_does_not_fit_the_value_is_refused(
    show: Callable[..., Result],
    tmp_path: Path,
    future: Callable[[], sematic.Future],
    name: str,
    words: str,
) -> None:
    result = show(future(), "--save", str(tmp_path / name))
    assert result.exit_code == 1
    assert words in result.stderr
    assert not list(tmp_path.glob(f"{Path(name).stem}*"))


def test_bytes_of_a_picture_are_one(show: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    assert show(picture(), "--save", str(path)).exit_code == 0
    assert path.read_bytes() == b"\x89PNG..."


def test_what_is_damaged_or_gone_is_told(sematic_cli: Cli, config_directory: Path) -> None:
    run_id = pipelines.run(numbers())
    found = re.search(r"\b[0-9a-f]{40}\b", sematic_cli("show", run_id, "--no-inputs").stdout)
    assert found
    path = config_directory / "artifacts" / found[0][:2] / found[0][2:]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    shown = sematic_cli("artifact", found[0]).stdout
    assert "\ndamaged: Cannot read artifact " in shown
    assert json.loads(sematic_cli("artifact", found[0], "--json").stdout)["problem"] in shown
    path.unlink()
    assert "\ngone: " in sematic_cli("artifact", found[0]).stdout
