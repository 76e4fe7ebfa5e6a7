"""pydantic models: plain values like dataclasses, with one id in every process."""

import datetime
import functools
import os
import subprocess
import sys
import textwrap
from enum import Enum
from pathlib import Path
from typing import Any, Dict, Generic, List, Optional, TypeVar

import numpy as np
import pandas as pd
import pydantic
import pytest

import sematic
from sematic.artifacts import FileSystemStore
from sematic.errors import ArtifactError
from sematic.types import describe_type

T = TypeVar("T")


class Colour(Enum):
    RED = "r"


class Inner(pydantic.BaseModel):
    at: datetime.datetime
    colour: Colour = Colour.RED


class Model(pydantic.BaseModel):
    name: str
    inners: List[Inner] = []
    scores: Dict[str, float] = {}
    more: Optional["Model"] = None


class Frozen(pydantic.BaseModel, frozen=True):
    a: int


class Derived(Model):
    rate: float = 0.5


class Open(pydantic.BaseModel, extra="allow"):
    a: int


class Secretive(pydantic.BaseModel):
    a: int
    _count: int = pydantic.PrivateAttr(default=3)
    _unset: int = pydantic.PrivateAttr()


class Aliased(pydantic.BaseModel):
    name: str = pydantic.Field(alias="the-name")


class Numbers(pydantic.RootModel[List[int]]):
    pass


class Strict(pydantic.BaseModel):
    """A validator that would run again, were the value validated again."""

    a: int

    @pydantic.field_validator("a")
    @classmethod
    def _double(cls, value: int) -> int:
        return value * 2


class Cached(pydantic.BaseModel):
    a: int

    @functools.cached_property
    def double(self) -> int:
        return self.a * 2


class Box(pydantic.BaseModel, Generic[T]):
    item: T


class Table(pydantic.BaseModel, arbitrary_types_allowed=True):
    frame: pd.DataFrame


class Hooked(pydantic.BaseModel):
    a: int

    def __getstate__(self) -> Dict[Any, Any]:
        return super().__getstate__()


UTC = datetime.timezone.utc
INNER = Inner(at=datetime.datetime(2020, 1, 1, tzinfo=UTC))
MODELS = [
    Model(name="x"),
    Model(name="x", inners=[INNER], scores={"a": 1.5}, more=Model(name="y")),
    Frozen(a=1),
    Derived(name="x", rate=1.5),
    Open(a=1, b=[2], **{"$": 3}),
    Secretive(a=1),
    Aliased(**{"the-name": "x"}),
    Numbers([1, 2]),
    Strict(a=1),
    Model.model_construct(name=3),
]


@pytest.mark.parametrize("value", MODELS, ids=repr)
def test_models_are_plain(store: FileSystemStore, value: Any) -> None:
    ref = store.put(value, type(value))
    assert ref.codec == "plain"
    read: Any = store.get(ref)
    assert type(read) is type(value)
    assert read == value
    assert read.model_fields_set == value.model_fields_set
    assert read.__getstate__() == value.__getstate__()
    assert read.model_dump() == value.model_dump(warnings=False)
    assert store.put(read, type(value)).id == ref.id


def test_what_was_not_given_stays_so(store: FileSystemStore) -> None:
    read: Any = store.get(store.put(Model(name="x"), Model))
    assert read.model_dump(exclude_unset=True) == {"name": "x"}
    given = store.put(Model(name="x", scores={}), Model)
    assert given.id != store.put(Model(name="x"), Model).id


def test_cached_properties_do_not_change_the_id(store: FileSystemStore) -> None:
    value = Cached(a=1)
    before = store.put(value, Cached)
    assert value.double == 2
    assert store.put(value, Cached) == before


@pytest.mark.parametrize(
    "value", [Box[int](item=1), Hooked(a=1), Model.model_construct(name=object)], ids=repr
)
def test_others_are_pickled(store: FileSystemStore, value: Any) -> None:
    ref = store.put(value, type(value))
    assert ref.codec == "pickle"
    assert store.get(ref) == value


def test_models_in_containers_and_dataclasses_are_plain(store: FileSystemStore) -> None:
    value = {"a": [Model(name="x"), Frozen(a=1)], "b": (INNER,)}
    ref = store.put(value, Dict[str, object])
    assert ref.codec == "plain"
    assert store.get(ref) == value


def test_a_model_of_arrays_is_pickled_and_shown_as_a_tree(store: FileSystemStore) -> None:
    value = Table(frame=pd.DataFrame({"a": np.arange(3)}))
    ref = store.put(value, Table)
    assert ref.codec == "pickle"
    read: Any = store.get(ref)
    pd.testing.assert_frame_equal(read.frame, value.frame)
    assert ref.summary is not None
    assert '"kind":"model"' in ref.summary
    assert '"shape":[3,1]' in ref.summary


def test_fields_added_later_have_their_defaults(
    store: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = store.put(Frozen(a=1), Frozen)

    class Later(pydantic.BaseModel):
        a: int
        b: int = 2
        c: List[int] = pydantic.Field(default_factory=lambda data: [data["a"]])

    monkeypatch.setattr(sys.modules[__name__], "Frozen", Later)
    assert store.get(ref) == Later(a=1, b=2, c=[1])

    class Needy(pydantic.BaseModel):
        a: int
        b: int

    monkeypatch.setattr(sys.modules[__name__], "Frozen", Needy)
    with pytest.raises(ArtifactError, match="has a field 'b' that it did not have"):
        store.get(ref)
    monkeypatch.setattr(sys.modules[__name__], "Frozen", Colour)
    with pytest.raises(ArtifactError, match="was stored as a pydantic model and is none"):
        store.get(ref)


def test_models_go_through_a_pipeline(tmp_path: Path) -> None:
    @sematic.func
    def make(name: str) -> Model:
        return Model(name=name)

    @sematic.func
    def use(model: Model) -> str:
        return model.name

    @sematic.func
    def pipeline() -> str:
        return use(make("x"))

    assert sematic.LocalRunner(progress="off").run(pipeline()) == "x"


PROGRAM = """
    import numpy as np
    import pydantic
    from sematic.artifacts import FileSystemStore
    from tests.unit.artifacts.test_models import Model

    class OfScript(pydantic.BaseModel):
        alpha: int
        beta: str = "b"
        gamma: object = None
        delta: object = None

    store = FileSystemStore("store")
    given = {"name": "x", "scores": {"a": 1.0}, "inners": [np.arange(3)], "more": None}
    for value in (OfScript(alpha=1, beta="c", delta=2), Model.model_construct(**given)):
        ref = store.put(value, object)
        print(ref.codec, ref.id, repr(store.get(ref)) == repr(value))
"""


def test_ids_are_the_same_in_every_process_also_of_classes_of_scripts(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(PROGRAM))
    outputs = set()
    for seed in ("1", "2", "3"):
        path = os.pathsep.join(sys.path)
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, str(script)],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(done.stdout)
    (output,) = outputs
    lines = [line.split() for line in output.splitlines()]
    assert [(codec, intact) for codec, _, intact in lines] == [
        ("local", "True"),
        ("pickle", "True"),
    ]


def test_models_have_their_name_in_the_record() -> None:
    assert describe_type(Model).endswith("test_models.Model")
