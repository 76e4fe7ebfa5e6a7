"""A real model of transformers, made from a configuration: saved to a folder, and loaded."""

from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.artifacts import FileSystemStore
from sematic.types import HuggingFaceStoredModel

torch: Any = pytest.importorskip("torch", reason="needs torch")
transformers: Any = pytest.importorskip("transformers", reason="needs the package transformers")


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "vocab_size": 50}
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2}
    return transformers.BertModel(transformers.BertConfig(**size, **layers))


def _are_equal(left: Any, right: Any) -> bool:
    found, expected = left.state_dict(), right.state_dict()
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name]) for name in expected
    )


def test_a_model_is_stored_in_a_folder_and_loaded(model: Any, tmp_path: Path) -> None:
    stored = HuggingFaceStoredModel.store(model, str(tmp_path / "a"))
    assert stored.model_type == "transformers.models.bert.modeling_bert.BertModel"
    for loaded in (stored.load(), stored.load(device_map="cpu") if _can_place() else None):
        if loaded is not None:
            assert type(loaded) is type(model)
            assert _are_equal(loaded, model)


def _can_place() -> bool:
    try:
        import accelerate  # noqa: F401
    except ImportError:
        return False
    return True


def test_one_that_is_gone_is_missed_without_asking_the_hub(tmp_path: Path) -> None:
    name = "transformers.models.bert.modeling_bert.BertModel"
    with pytest.raises(FileNotFoundError, match=f"no model in {tmp_path}"):
        HuggingFaceStoredModel(str(tmp_path), name).load()


def test_it_goes_through_a_pipeline(model: Any, tmp_path: Path) -> None:
    @sematic.func
    def train() -> HuggingFaceStoredModel:
        return HuggingFaceStoredModel.store(model, str(tmp_path / "a"))

    @sematic.func
    def count(stored: HuggingFaceStoredModel) -> int:
        return int(stored.load().num_parameters())

    @sematic.func
    def pipeline() -> int:
        return count(train())

    assert sematic.LocalRunner(progress="off").run(pipeline()) == model.num_parameters()


def test_a_model_is_a_value_too(model: Any, tmp_path: Path) -> None:
    store = FileSystemStore(tmp_path)
    ref = store.put(model, type(model))
    assert ref.codec == "torch"
    assert _are_equal(store.get(ref), model)
    assert store.put(model, type(model)).id == ref.id
