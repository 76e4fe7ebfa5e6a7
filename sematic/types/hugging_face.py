"""Models and data sets of the Hugging Face Hub by name, and models in a local folder.

References are names: nothing here connects to the hub. ``HuggingFaceStoredModel`` needs the
library that its model is of (``transformers``, ``peft``), which the user has imported already.
"""

import importlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_PART = "[^/@:]+"
_REFERENCE = re.compile(
    f"((?P<owner>{_PART})/)?(?P<repo>{_PART})(:(?P<subset>{_PART}))?(@(?P<commit_sha>{_PART}))?"
)
_FULL, _BASE, _PEFT = "full", "base", "peft"
"""Folders of a stored model: all of it, or a base model and what was fine-tuned on it."""

# What peft calls the layers that it put its own around, and its trained copies of whole layers.
_PEFT_WRAPPED = ("base_layer", "original_module")
_PEFT_COPIES = "modules_to_save"

T = TypeVar("T", bound="HuggingFaceReference")


@dataclass(frozen=True)
class HuggingFaceReference:
    """What the references to the Hugging Face Hub have in common.

    Attributes:
        owner: who owns the repository; ``None`` for those of Hugging Face itself.
        repo: the repository's name.
        commit_sha: the version; ``None`` for whatever is the latest when it is used.

    Raises:
        ValueError: there is no repository.
    """

    __module__ = "sematic.types"

    owner: str | None
    repo: str
    commit_sha: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.repo, str) or not self.repo:
            raise ValueError(f"Repo must be provided. Got: {self.repo}")

    @classmethod
    def from_string(cls: type[T], as_string: str) -> T:
        """The reference that ``to_string`` wrote.

        Raises:
            ValueError: it has another form.
        """
        match = _REFERENCE.fullmatch(as_string)
        parts: dict[str, Any] = match.groupdict() if match is not None else {}
        if match is not None and not hasattr(cls, "subset") and parts.pop("subset") is not None:
            match = None  # models have no subsets
        if match is None:
            raise ValueError(f"Improperly formatted reference: '{as_string}'")
        return cls(**parts)

    def to_string(self, full_dataset: bool = False) -> str:
        """The form ``[owner/]repo[:subset][@commit_sha]``.

        Args:
            full_dataset: leave out the subset, if there is one.
        """
        subset = None if full_dataset else getattr(self, "subset", None)
        return "".join(
            [
                self.repo_reference(),
                "" if subset is None else f":{subset}",
                "" if self.commit_sha is None else f"@{self.commit_sha}",
            ]
        )

    def repo_reference(self) -> str:
        """The form ``[owner/]repo``, which the hub's own libraries take."""
        return self.repo if self.owner is None else f"{self.owner}/{self.repo}"


@dataclass(frozen=True)
class HuggingFaceModelReference(HuggingFaceReference):
    """A model on the Hugging Face Hub: ``[owner/]repo[@commit_sha]``."""

    __module__ = "sematic.types"


@dataclass(frozen=True)
class HuggingFaceDatasetReference(HuggingFaceReference):
    """A data set on the Hugging Face Hub: ``[owner/]repo[:subset][@commit_sha]``.

    Attributes:
        subset: a part of the data set; ``None`` for all of it.
    """

    __module__ = "sematic.types"

    subset: str | None = None


@dataclass(frozen=True)
class HuggingFaceStoredModel:
    """A model that is stored in a local folder; it may be a fine-tuned one of ``peft``.

    Attributes:
        path: the folder; it must be there where the model is loaded.
        model_type: the model's class, or that of the base model, with its module.
        peft_model_type: the class of the fine-tuned model, if it is one.
    """

    __module__ = "sematic.types"

    path: str
    model_type: str
    peft_model_type: str | None = None

    @classmethod
    def store(cls, model: Any, directory: str) -> "HuggingFaceStoredModel":
        """Save a model to a folder, which is made if need be.

        Args:
            model: of ``transformers`` or ``peft``: anything with ``save_pretrained``.
            directory: where to; ``~`` is the user's home.
        """
        folder = Path(directory).expanduser().absolute()
        if not hasattr(model, "get_base_model"):
            model.save_pretrained(str(folder / _FULL))
            return cls(str(folder), _class_name(type(model)))
        base = model.get_base_model()
        _save_base(base, model, str(folder / _BASE))
        model.save_pretrained(str(folder / _PEFT))
        return cls(str(folder), _class_name(type(base)), _class_name(type(model)))

    def load(self, device_map: str | dict[str, Any] = "auto") -> Any:
        """The model.

        Args:
            device_map: which part of the model goes to which device, in the words of
                ``from_pretrained``. Without the package ``accelerate``, which places models,
                ``"auto"`` is the processor.

        Raises:
            ImportError: the model's library is not installed.
            OSError: the folder is not there, or has no model in it.
        """
        folder = Path(self.path)
        own = folder / (_FULL if self.peft_model_type is None else _BASE)
        if not own.is_dir():  # else its library would ask the hub for a model of that name
            raise FileNotFoundError(
                f"There is no model in {folder}: it was deleted, or is on another machine."
            )
        placing = _placing(device_map)
        model = _find_class(self.model_type).from_pretrained(str(own), **placing)
        if self.peft_model_type is None:
            return model
        fine_tuned = _find_class(self.peft_model_type)
        return fine_tuned.from_pretrained(model, str(folder / _PEFT), **placing)


def _save_base(base: Any, fine_tuned: Any, directory: str) -> None:
    """Save a base model as it was before ``peft`` put its own layers around some of its own."""
    prefix = getattr(fine_tuned.base_model, "prefix", None)
    if prefix is None:  # nothing was put into it
        base.save_pretrained(directory)
        return
    weights = {}
    for name, weight in base.state_dict().items():
        parts = name.split(".")
        if not any(part.startswith((prefix, _PEFT_COPIES)) for part in parts):
            weights[".".join(part for part in parts if part not in _PEFT_WRAPPED)] = weight
    base.save_pretrained(directory, state_dict=weights)


def _placing(device_map: str | dict[str, Any]) -> dict[str, Any]:
    """The arguments that place a model."""
    if device_map == "auto" and importlib.util.find_spec("accelerate") is None:
        return {}
    return {"device_map": device_map}


def _class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _find_class(name: str) -> Any:
    module, _, qualname = name.rpartition(".")
    return getattr(importlib.import_module(module), qualname)
