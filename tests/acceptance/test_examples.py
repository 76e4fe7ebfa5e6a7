"""The examples that come with the package: they run, and what they find out is true."""

import importlib.util
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

import sematic.examples
from sematic.client import get_run_output, open_record
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.views import RunRow
from tests.acceptance.programs import run_python, run_sematic

EXAMPLES = sorted(module.name for module in pkgutil.iter_modules(sematic.examples.__path__))
PNG = b"\x89PNG"


def recorded_runs() -> tuple[RunRow, ...]:
    """The runs of the only pipeline run in the record, which is complete."""
    record = open_record()
    (pipeline_run,) = record.pipeline_runs()
    assert pipeline_run.status is PipelineRunStatus.COMPLETE
    runs = record.runs(pipeline_run.root_id)
    assert {run.state for run in runs} == {RunState.RESOLVED}
    return runs


def names(runs: tuple[RunRow, ...]) -> Counter[str]:
    return Counter(run.name for run in runs)


def accuracies(output: str) -> dict[str, float]:
    """The table of classifiers, in its order."""
    return {
        name: float(percent) for name, percent in re.findall(r"^(\S+) +([\d.]+)%", output, re.M)
    }


# --- all of them -----------------------------------------------------------------------------


def test_every_example_has_a_test() -> None:
    assert EXAMPLES == ["add", "cancer", "digits"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_explains_itself(name: str) -> None:
    folder = Path(sematic.examples.__path__[0], name)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert f"sematic run examples/{name}" in readme
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links
    assert [link for link in links if not (folder / link).is_file()] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_tells_its_options(name: str) -> None:
    assert "--silent" in run_python("-m", f"sematic.examples.{name}", "--help")


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_an_example_requires_is_installed_with_the_examples(name: str) -> None:
    requirements = Path(sematic.examples.__path__[0], name, "requirements.txt")
    wanted = requirements.read_text(encoding="utf-8").split() if requirements.exists() else []
    modules = {"scikit-learn": "sklearn"}
    assert all(importlib.util.find_spec(modules.get(package, package)) for package in wanted)


# --- add -------------------------------------------------------------------------------------

ADDED = """\
7 + 5 + 8 = 20, their mean is 6.667
7 * 5 = 4 * 8 + 3
squares up to 3: [1, 4, 9]
"""


def test_add() -> None:
    assert run_python("-m", "sematic.examples.add") == ADDED
    expected = {"pipeline": 1, "add3": 1, "add": 2, "divide": 1, "count_up_to": 1}
    assert names(recorded_runs()) == {**expected, "square.map": 1, "square": 3}


def test_add_has_as_many_calls_as_its_data_asks_for() -> None:
    output = run_sematic("run", "examples/add", "7", "7", "50")
    assert output.splitlines()[1] == "7 * 7 = 0 * 50 + 49"
    assert names(recorded_runs())["square"] == 49


def test_add_in_silence_leaves_nothing_behind(config_directory: Path) -> None:
    assert run_python("-m", "sematic.examples.add", "--silent") == ADDED
    assert not config_directory.exists()


# --- digits ----------------------------------------------------------------------------------


def test_digits_in_silence(tmp_path: Path, config_directory: Path) -> None:
    figure = tmp_path / "digits.png"
    chosen = ["bayes", "neighbours"]
    options = ["--classifiers", *chosen, "--figure", str(figure), "--silent"]
    output = run_python("-m", "sematic.examples.digits", *options)
    found = accuracies(output)
    assert list(found) == ["neighbours", "bayes"]
    assert found["neighbours"] > 95
    assert found["bayes"] > 75
    assert str(figure) in output
    assert figure.read_bytes().startswith(PNG)
    assert not config_directory.exists()


def test_digits_does_not_know_every_classifier() -> None:
    output = run_python("-m", "sematic.examples.digits", "--classifiers", "magic", code=2)
    assert "'magic'" in output
    assert "support-vectors" in output


@pytest.mark.ray
def test_digits(tmp_path: Path) -> None:
    figure = tmp_path / "digits.png"
    output = run_sematic("run", "examples/digits", "--figure", str(figure))
    found = accuracies(output)
    assert len(found) == 5
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found.values())) > 97
    assert figure.read_bytes().startswith(PNG)

    runs = recorded_runs()
    assert {run.name for run in runs if run.standalone} == {"train"}
    assert names(runs)["train"] == names(runs)["evaluate"] == 5
    report = get_run_output(runs[0].id)
    assert report.best.model.name == next(iter(found))
    assert report.best.accuracy == max(each.accuracy for each in report.evaluations)
    assert report.best.confusion.trace() / report.best.confusion.sum() == report.best.accuracy
    assert report.confusion.axes[0].get_xlabel() == "read as"


# --- cancer ----------------------------------------------------------------------------------


def test_cancer(tmp_path: Path) -> None:
    output = run_sematic("run", "examples/cancer", "--figures", str(tmp_path))
    assert float(re.search(r"accuracy +([\d.]+)%", output)[1]) > 90  # type: ignore[index]
    for name in ("weights", "roc"):
        assert (tmp_path / f"cancer-{name}.png").read_bytes().startswith(PNG)

    outputs = {run.name: get_run_output(run.id) for run in recorded_runs()}
    assert outputs["clean"].shape == (569, 31)
    assert outputs["clean"]["malignant"].sum() == 212
    assert outputs["add_features"].shape == (569, 34)
    assert len(outputs["split"].train) + len(outputs["split"].test) == 569
    assert outputs["evaluate"].area > 0.97
    chosen = outputs["split"].train[outputs["choose_features"]].corr().abs()
    assert (chosen.where(chosen < 1).max() <= 0.9).all()


def test_cancer_in_silence(tmp_path: Path, config_directory: Path) -> None:
    options = ["--silent", "--figures", str(tmp_path), "--seed", "7"]
    output = run_python("-m", "sematic.examples.cancer", *options)
    assert float(re.search(r"tumours found ([\d.]+)%", output)[1]) > 85  # type: ignore[index]
    assert not config_directory.exists()
