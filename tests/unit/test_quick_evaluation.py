"""Which expressions are evaluated where the event is taken: those that run no user code."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.artifacts.store import FileSystemStore
from sematic.calls import ArtifactRef, Call, Collect, Expression, Input, Operate, OutputOf, Select
from sematic.engine import Engine
from sematic.events import EvaluateInputs, EvaluateOutput
from sematic.execution import build_root_call
from sematic.function import Function
from sematic.quick_evaluation import is_quick
from sematic.testing import MemoryTracker
from tests.builders import call, info, list_of


@dataclass
class Point:
    x: int


@sematic.func
def numbers() -> list[int]:
    return []


@sematic.func
def points() -> list[Point]:
    return []


@sematic.func
def table() -> dict[str, tuple[int, ...] | None]:
    return {}


@sematic.func
def anything() -> list[object]:
    return []


def ref(value: object = 1, *, codec: str = "plain") -> ArtifactRef:
    payload = json.dumps(value)
    return ArtifactRef("0" * 40, codec, "int", len(payload), payload)


def is_quick_output(
    output: Input,
    *refs: ArtifactRef,
    function: Function[..., Any] = numbers,
) -> bool:
    """Of an expression over the outputs of the runs "0", "1" and so on."""
    outputs = {str(number): ref for number, ref in enumerate(refs)}
    return is_quick(EvaluateOutput(call("root", function=function), output, outputs, 1))


def test_lists_of_builtin_values_are_quick() -> None:
    assert is_quick_output(list_of("0", "1"), ref(), ref("text"))


def test_items_are_quick() -> None:
    assert is_quick_output(Expression((OutputOf("0"), ref(0), Select("item", 0, 1))), ref([1]))


def test_an_output_of_another_type_is_quick() -> None:
    assert is_quick_output(OutputOf("0"), ref())


@pytest.mark.parametrize(("function", "quick"), [(table, True), (points, False), (anything, False)])
def test_casts_to_classes_are_not(function: Function[..., Any], quick: bool) -> None:
    assert is_quick_output(list_of("0"), ref({"x": 1}), function=function) is quick


@pytest.mark.parametrize(
    "expression",
    [
        Expression((OutputOf("0"), ref("real"), Select("attribute", 0, 1))),
        Expression((OutputOf("0"), ref(), Operate("add", (0, 1)))),
        Expression((OutputOf("0"), Collect(ref({}), (0,)))),
    ],
    ids=["attribute", "operator", "template"],
)
def test_steps_that_may_run_user_code_are_not(expression: Expression) -> None:
    assert not is_quick_output(expression, ref())


@pytest.mark.parametrize(
    "other",
    [
        ref({"$": "dataclass", "class": "m.C", "fields": {}}),
        ref(codec="local"),
        ref("x" * 10_000),
        ArtifactRef("0" * 40, "plain", "list[int]", 10_000, None),
    ],
    ids=["class", "local class", "long", "file"],
)
def test_other_values_are_not(other: ArtifactRef) -> None:
    assert not is_quick_output(list_of("0", "1"), ref(), other)


def test_many_values_are_not() -> None:
    names = [str(number) for number in range(1_000)]
    assert not is_quick_output(list_of(*names), *[ref() for _ in names])


@sematic.func
def take(values: list[int], points: list[Point]) -> int:
    return len(values)


def test_inputs_are_quick_if_all_of_them_are() -> None:
    def ask(points: Input) -> bool:
        inputs = {"values": list_of("0"), "points": points}
        made: Call = call("f", function=take, inputs=inputs)
        return is_quick(EvaluateInputs(made, {"0": ref()}))

    assert ask(ref([]))  # it is not touched
    assert not ask(list_of("0"))


# --- in an engine


@sematic.func
def leaf(n: int) -> int:
    return n


@sematic.func
def deep(n: int) -> list[int]:
    return [leaf(n)] if n == 0 else [deep(n - 1)[0]]


@sematic.func
def overflow() -> list[float]:
    return [leaf(10**400)]  # type: ignore[list-item]


def run(future: Any, directory: Path) -> Any:
    store = FileSystemStore(directory)
    engine = Engine(store=store, tracker=MemoryTracker(), standalone=None, clock=time.time)
    return engine.run(build_root_call(future, store), info(future.id))


def test_it_takes_no_thread_and_no_recursion(tmp_path: Path, monkeypatch: Any) -> None:
    started: list[str] = []
    start = threading.Thread.start

    def note(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", note)
    assert run(deep(2_000), tmp_path) == [0]
    assert "sematic-evaluation" not in started
    assert "sematic-engine" in started


def test_what_goes_wrong_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(sematic.PipelineRunError, match=r"Invalid output type for .*overflow"):
        run(overflow(), tmp_path)


def test_many_uses_of_one_value_are_not() -> None:
    steps = (OutputOf("0"), Collect(None, (0,) * 1_000))
    assert not is_quick_output(Expression(steps), ref("x" * 100))
    assert is_quick_output(Expression(steps), ref(1))
