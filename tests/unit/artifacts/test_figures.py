"""matplotlib figures: pickled, with a picture of them, and left alone."""

import base64
import json
import subprocess
import sys
from typing import Any

import pytest

from sematic.artifacts import FileSystemStore

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402  after the backend is chosen
import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


def _picture(summary: str | None) -> bytes:
    return base64.b64decode(json.loads(summary or "")["png"])


def test_figures_come_back_with_a_picture(store: FileSystemStore) -> None:
    figure = Figure()
    figure.subplots().plot([1, 2, 3], label="line")
    ref = store.put(figure, Figure)
    read = store.get(ref, verify=True)
    assert ref.codec == "figure"
    assert isinstance(read, Figure)
    assert read.axes[0].lines[0].get_label() == "line"
    assert json.loads(ref.summary or "")["kind"] == "figure"
    assert _picture(ref.summary).startswith(b"\x89PNG")


def test_windows_of_pyplot_stay_as_they_are(store: FileSystemStore) -> None:
    figure, axes = plt.subplots(layout="constrained")
    axes.set_title("long " * 20)
    try:
        canvas, position, numbers = figure.canvas, axes.get_position().bounds, plt.get_fignums()
        read = store.get(store.put({"figure": figure, "alone": [figure]}, dict))
        ref = store.put(figure, Figure)
        again = store.get(ref)
        assert plt.get_fignums() == numbers
        assert plt.gcf() is figure
        assert figure.canvas is canvas
        assert canvas.manager is not None
        assert axes.get_position().bounds == position
        for found in (again, read["figure"]):  # type: ignore[index]
            assert isinstance(found, Figure)
            assert found.canvas.manager is None
    finally:
        plt.close(figure)


def test_pictures_are_bounded(store: FileSystemStore) -> None:
    figure = Figure(figsize=(300, 200), dpi=100)
    axes: Any = figure.subplots()
    axes.imshow(np.random.default_rng(0).random((800, 800, 3)))
    ref = store.put(figure, Figure)
    assert len((ref.summary or "").encode()) <= 128 * 1024
    assert json.loads(ref.summary or "")["inches"] == [300, 200]
    header = _picture(ref.summary)[16:24]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    assert 100 < width <= 1200
    assert 100 < height <= 1200


def test_a_figure_that_cannot_be_drawn_is_stored_all_the_same(store: FileSystemStore) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, r"$\nonsense{$")
    ref = store.put(figure, Figure)
    assert "png" not in json.loads(ref.summary or "")
    assert isinstance(store.get(ref), Figure)


def test_pyplot_is_not_imported_for_a_figure() -> None:
    code = (
        "import sys, tempfile\n"
        "from matplotlib.figure import Figure\n"
        "from sematic.artifacts import FileSystemStore\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    store = FileSystemStore(folder)\n"
        "    store.get(store.put(Figure(), Figure))\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
