"""Pictures, plotly figures, estimators, tensors and modules: they come back, and are shown."""

import base64
import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sematic.artifacts import FileSystemStore
from sematic.artifacts.summaries import LIMIT_BYTES
from sematic.errors import ArtifactError
from sematic.types import Image

RANDOM = np.random.default_rng(0)


def _put(store: FileSystemStore, value: Any) -> tuple[Any, dict[str, Any]]:
    """What comes back, and the summary."""
    ref = store.put(value, type(value))
    assert ref.summary is not None
    assert len(ref.summary.encode()) <= LIMIT_BYTES
    content: dict[str, Any] = json.loads(ref.summary, parse_constant=pytest.fail)
    assert "error" not in content
    assert "cut" not in content
    return store.get(ref), content


# --- pictures --------------------------------------------------------------------------------


def _encoded(picture: PIL.Image.Image, form: str = "PNG") -> bytes:
    output = io.BytesIO()
    picture.save(output, form)
    return output.getvalue()


def _noise(width: int, height: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(RANDOM.integers(0, 255, (height, width, 3), np.uint8))


def _shown(content: dict[str, Any]) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(base64.b64decode(content["data"])))


def test_an_encoded_picture_is_stored_and_shown_as_it_is(store: FileSystemStore) -> None:
    value = Image(_encoded(_noise(150, 100)))
    read, content = _put(store, value)
    assert read == value
    assert (content["kind"], content["mime_type"]) == ("image", "image/png")
    assert base64.b64decode(content["data"]) == value.bytes
    assert store.put(value, Image).codec == "picture"


def test_an_encoded_picture_is_stored_without_a_copy_as_text(store: FileSystemStore) -> None:
    value = Image(bytes(50_000_000))
    tracemalloc.start()
    try:
        ref = store.put(value, Image)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    assert ref.size < 50_010_000


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_long_one_is_shown_smaller(store: FileSystemStore, form: str) -> None:
    value = Image(_encoded(_noise(2000, 1000), form))
    read, content = _put(store, value)
    assert read == value
    assert content["mime_type"] == f"image/{form.lower()}"
    assert (content["length"], content["size"]) == (len(value.bytes), [2000, 1000])
    width, height = _shown(content).size
    assert width == pytest.approx(2 * height, abs=2)
    assert content["shown_as"] == "image/png"


@pytest.mark.parametrize("beginning", [b"\x89PNG\r\n\x1a\n", b"GIF89a", b"no picture"])
def test_a_damaged_picture_is_stored_all_the_same(store: FileSystemStore, beginning: bytes) -> None:
    value = Image(beginning + bytes(200_000))
    read, content = _put(store, value)
    assert read == value
    assert "data" not in content
    assert content["length"] == len(value.bytes)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I", "F", "LAB"])
def test_pictures_of_pillow_come_back_in_every_mode(store: FileSystemStore, mode: str) -> None:
    value = PIL.Image.new(mode, (30, 20))
    read, content = _put(store, value)
    assert (read.mode, read.size, read.tobytes()) == (mode, (30, 20), value.tobytes())
    assert (content["kind"], content["mode"], content["size"]) == ("image", mode, [30, 20])
    assert _shown(content).size == (30, 20)


def test_a_long_picture_of_pillow_is_shown_smaller(store: FileSystemStore) -> None:
    value = _noise(3000, 100)
    read, content = _put(store, value)
    assert read.tobytes() == value.tobytes()
    assert max(_shown(content).size) <= 1200
    assert value.size == (3000, 100)


# --- estimators ------------------------------------------------------------------------------


def test_an_estimator_is_shown_with_its_parameters_and_what_it_learned(
    store: FileSystemStore,
) -> None:
    inputs = RANDOM.random((50, 3))
    fitted = LogisticRegression(C=0.5).fit(inputs, inputs[:, 0] > 0.5)
    read, content = _put(store, fitted)
    np.testing.assert_array_equal(read.predict(inputs), fitted.predict(inputs))
    assert content["kind"] == "estimator"
    assert content["type"].endswith(".LogisticRegression")
    assert content["parameters"]["C"] == {"kind": "scalar", "value": 0.5}
    assert content["learned"]["coef_"]["shape"] == [1, 3]


def test_estimators_inside_of_others_are_shown_too(store: FileSystemStore) -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=2.0))
    _, content = _put(store, GridSearchCV(pipeline, {"logisticregression__C": [1, 2]}))
    steps = content["parameters"]["estimator"]["parameters"]["steps"]["items"]
    name, scaler = steps[0]["items"]
    assert (name["text"], scaler["kind"]) == ("standardscaler", "estimator")
    assert steps[1]["items"][1]["parameters"]["C"]["value"] == 2.0


# --- plotly ----------------------------------------------------------------------------------


@pytest.fixture
def go() -> Any:
    return pytest.importorskip("plotly.graph_objects")


def test_a_plotly_figure_is_shown_as_its_json(store: FileSystemStore, go: Any) -> None:
    scatter = go.Scatter(x=np.arange(3), y=[1.5, None, float("nan")], name="é")
    figure = go.Figure(scatter, layout={"title": "T"})
    read, content = _put(store, figure)
    assert json.loads(read.to_json()) == json.loads(figure.to_json())
    np.testing.assert_array_equal(read.data[0].x, np.arange(3))
    assert content["kind"] == "plotly"
    (trace,) = content["figure"]["data"]
    assert (trace["x"], trace["y"], trace["name"]) == ([0, 1, 2], [1.5, None, None], "é")
    assert go.Figure(content["figure"]).layout.title.text == "T"
    assert "sampled" not in content


@pytest.mark.parametrize("points", [5_000, 1_000_000])
def test_a_long_plotly_figure_is_thinned(store: FileSystemStore, go: Any, points: int) -> None:
    figure = go.Figure([go.Scatter(x=np.arange(points), y=np.arange(points) * 2.0)] * 3)
    read, content = _put(store, figure)
    assert len(read.data[0].x) == points
    assert content["sampled"]
    for trace in go.Figure(content["figure"]).data:
        assert 1 < len(trace.x) < points
        assert list(trace.y) == [2 * x for x in trace.x]


def test_a_plotly_surface_is_thinned_in_both_directions(store: FileSystemStore, go: Any) -> None:
    _, content = _put(store, go.Figure(go.Heatmap(z=RANDOM.random((300, 600)))))
    rows = content["figure"]["data"][0]["z"]
    assert len(rows[0]) == pytest.approx(2 * len(rows), abs=2)


def test_a_plotly_figure_that_cannot_be_thinned_is_named(store: FileSystemStore, go: Any) -> None:
    figure = go.Figure([go.Scatter(x=[1], y=[1], name="x" * 5_000) for _ in range(50)])
    _, content = _put(store, figure)
    assert content["traces"] == ["scatter"] * 50


# --- torch -----------------------------------------------------------------------------------


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int64", "bool", "complex64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4), (300, 400)])
def test_tensors_come_back(
    store: FileSystemStore, torch: Any, dtype: str, shape: tuple[int, ...]
) -> None:
    value = torch.ones(shape).to(getattr(torch, dtype))
    read, content = _put(store, value)
    assert (read.dtype, read.shape) == (value.dtype, value.shape)
    assert torch.equal(read, value)
    assert (content["kind"], content["dtype"], content["shape"]) == ("array", dtype, list(shape))
    assert store.put(value.clone(), torch.Tensor).id == store.put(read, torch.Tensor).id


def test_other_tensors_come_back(store: FileSystemStore, torch: Any) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    for value in (base.T, base[:, ::2], base.clone().requires_grad_(), base.conj(), base[1]):
        read, _ = _put(store, value)
        assert torch.equal(read, value)
        assert read.requires_grad == value.requires_grad
    read, _ = _put(store, base.to_sparse())
    assert torch.equal(read.to_dense(), base)
    read, _ = _put(store, torch.nn.Parameter(base))
    assert isinstance(read, torch.nn.Parameter)
    assert torch.equal(read, base)


def test_a_tensor_that_is_read_can_be_written_to_and_is_a_view(
    store: FileSystemStore, torch: Any
) -> None:
    ref = store.put(torch.zeros(1_000_000), torch.Tensor)
    assert ref.size < 4_010_000
    read: Any = store.get(ref)
    read += 1
    again: Any = store.get(ref)
    assert again.sum() == 0
    store.check(ref)


def test_a_tensor_is_shown_with_its_statistics(store: FileSystemStore, torch: Any) -> None:
    _, content = _put(store, torch.tensor([1.0, float("nan"), 3.0]))
    facts = ("min", "max", "mean", "missing", "values")
    assert [content[name] for name in facts] == [1.0, 3.0, 2.0, 1, [1.0, "nan", 3.0]]
    _, content = _put(store, torch.arange(1_000_000))
    assert content["sampled"] == pytest.approx(10_000)


def test_a_module_comes_back_and_is_shown_with_its_structure(
    store: FileSystemStore, torch: Any
) -> None:
    layers = torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)
    module = torch.nn.Sequential(*layers)
    module[2].weight = torch.nn.Parameter(module[0].weight.detach().T.contiguous())
    module[0].requires_grad_(False)
    read, content = _put(store, module)
    inputs = torch.ones(2, 3)
    assert torch.equal(read(inputs), module(inputs))
    assert content["kind"] == "module"
    assert (content["parameters"], content["trainable"]) == (31, 15)
    assert content["children"]["0"]["settings"] == "in_features=3, out_features=4, bias=True"


def test_weights_that_are_one_stay_one(store: FileSystemStore, torch: Any) -> None:
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    second.weight = first.weight
    read, _ = _put(store, torch.nn.Sequential(first, second))
    assert read[0].weight is read[1].weight


def test_a_data_loader_comes_back_and_is_shown(store: FileSystemStore, torch: Any) -> None:
    dataset = torch.utils.data.TensorDataset(torch.arange(10))
    read, content = _put(store, torch.utils.data.DataLoader(dataset, batch_size=4))
    assert [batch[0].tolist() for batch in read] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert content["kind"] == "loader"
    assert content["fields"]["batch_size"] == 4
    assert content["fields"]["dataset"]["length"] == 10


def test_tensors_inside_of_other_values_come_back(store: FileSystemStore, torch: Any) -> None:
    value = {"state": torch.ones(3), "more": [torch.zeros(100_000)]}
    read, content = _put(store, value)
    assert torch.equal(read["state"], value["state"])
    assert torch.equal(read["more"][0], value["more"][0])
    assert content["items"][0][1]["shape"] == [3]


# --- all -------------------------------------------------------------------------------------


def test_a_library_that_is_missing_is_named(
    store: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = store.put(LogisticRegression(), LogisticRegression)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "sematic.artifacts.codecs.estimators")
    with pytest.raises(ArtifactError, match=r"needs the package sklearn\.base, which is not inst"):
        store.get(ref)


def test_no_library_is_loaded_for_the_values_of_another(tmp_path: Path) -> None:
    program = (
        "import sys, numpy; from sematic.artifacts import FileSystemStore; from sematic.types "
        "import Image; store = FileSystemStore('store');"
        "[store.put(value, object) for value in (numpy.arange(9), Image(bytes(99)), {1: object})];"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", program]
    environ = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    libraries = {"torch", "plotly", "polars", "sklearn", "PIL", "pandas", "matplotlib"}
    assert not libraries & set(done.stdout.split())
