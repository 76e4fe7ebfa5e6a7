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


@pytest.mark.parametrize("has_accelerate", [True, False])
def test_a_model_is_stored_in_a_folder_and_loaded(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_accelerate: bool
) -> None:
    """By default, whether or not there is what places models on devices."""
    stored = HuggingFaceStoredModel.store(model, str(tmp_path / "a"))
    assert stored.model_type == "transformers.models.bert.modeling_bert.BertModel"
    if has_accelerate:
        pytest.importorskip("accelerate", reason="needs the package accelerate")
    else:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    loaded = stored.load()
    assert type(loaded) is type(model)
    assert _are_equal(loaded, model)


@pytest.mark.parametrize(
    "settings", [{}, {"modules_to_save": ["pooler"]}, {"use_dora": True}], ids=str
)
def test_a_fine_tuned_model_gives_the_same_when_it_is_loaded(
    model: Any, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """What peft trains is put into the base model, which must not be stored so."""
    peft: Any = pytest.importorskip("peft", reason="needs the package peft")
    config = peft.LoraConfig(r=2, target_modules=["query", "word_embeddings"], **settings)
    fine_tuned = peft.get_peft_model(model, config)
    for parameter in fine_tuned.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    stored = HuggingFaceStoredModel.store(fine_tuned, str(tmp_path / "a"))
    assert stored.model_type == "transformers.models.bert.modeling_bert.BertModel"
    assert stored.peft_model_type == "peft.peft_model.PeftModel"
    loaded = stored.load(device_map="cpu")
    assert _are_equal(loaded, fine_tuned)
    words = torch.tensor([[1, 2, 3]])
    outputs = [each.eval()(words).pooler_output for each in (loaded, fine_tuned)]
    torch.testing.assert_close(*outputs)


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
