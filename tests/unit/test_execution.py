"""``execute_call``: from a call and its inputs to an outcome."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Tuple

import pytest

import sematic
from sematic.calls import Call, Collect, Expanded, Expression, Failed, Outcome, OutputOf, Succeeded
from sematic.execution import (
    CallInterrupted,
    build_root_call,
    evaluate_inputs,
    evaluate_output,
    execute_call,
    load_inputs,
)
from sematic.future import Future
from sematic.testing import MemoryStore
from tests.builders import list_of


@dataclass
class Config:
    rate: object
    layers: Optional[List[object]] = None


class Pair(NamedTuple):
    left: object
    right: object


@sematic.func
def number(value: int = 1) -> int:
    return value


@sematic.func
def half(value: float) -> float:
    return value / 2


@sematic.func
def items() -> List[int]:
    return [1, 2]


at_module_level = number(3)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def execute(store: MemoryStore, future: Future, **options: object) -> Outcome:
    call = build_root_call(future, store)
    return execute_call(call, call.inputs, store=store, **options)  # type: ignore[arg-type]


def outcome_of(store: MemoryStore, build, returns: type = object, **options: object) -> Outcome:
    """What comes of a function that returns ``build()``."""

    def body() -> returns:  # type: ignore[valid-type]
        return build()

    return execute(store, sematic.func(body)(), **options)


def error_of(outcome: Outcome) -> BaseException:
    assert isinstance(outcome, Failed)
    assert outcome.exception is not None
    return outcome.exception


# --- a root call


def test_a_root_call(store) -> None:
    future = half(3).set(name="first")
    call = build_root_call(future, store)
    assert (call.run_id, call.root_id, call.parent_id) == (future.id, future.id, None)
    assert call.function is half
    assert call.options == future.props
    assert store.get(call.inputs["value"]) == 3.0
    assert call.inputs["value"].type == "float"


@pytest.mark.parametrize(
    "build",
    [
        lambda f: half(f),
        lambda f: half(f + 1),
        lambda f: anything([{"a": f}]),
        lambda f: anything(Config(f)),
    ],
)
def test_the_arguments_of_a_root_must_be_concrete(store, build) -> None:
    with pytest.raises(ValueError, match="All input arguments of your root function should be co"):
        build_root_call(build(number()), store)


@sematic.func
def anything(value: object) -> object:
    return value


def test_the_argument_that_is_not_concrete_is_named(store) -> None:
    with pytest.raises(ValueError, match=r"'value' of .*half is, or holds, a future\. Call both"):
        build_root_call(half(number()), store)


# --- values


def test_a_value_is_an_output(store) -> None:
    outcome = execute(store, half(3))
    assert isinstance(outcome, Succeeded)
    assert (store.get(outcome.output), outcome.output.type) == (1.5, "float")


def test_outputs_are_cast(store) -> None:
    outcome = outcome_of(store, lambda: 3, float)
    assert isinstance(outcome, Succeeded)
    assert type(store.get(outcome.output)) is float


def test_inputs_of_another_type_are_cast(store) -> None:
    """The output of ``-> int`` goes to ``x: float`` as it was stored."""
    arguments = load_inputs(half, {"value": store.put(3, int)}, store)
    assert arguments == {"value": 3.0}
    assert type(arguments["value"]) is float


def test_a_recorded_argument_that_the_function_does_not_take_any_more(store) -> None:
    why = r"half' does not take the argument 'number' any more.* It takes: 'value'\."
    call = Call("run", "root", None, half, {"number": list_of("a")}, half.options)
    known = store.put(3.0, float)
    outcome = execute_call(call, {"number": known}, store=store)
    assert isinstance(outcome, Failed)
    assert outcome.error.type == "builtins.TypeError"
    assert re.search(why, outcome.error.message)
    with pytest.raises(TypeError, match=why):
        evaluate_inputs(call, {"a": known}, store)


def test_inputs_are_copies_of_the_functions_own(store) -> None:
    @sematic.func
    def append(values: List[int]) -> List[int]:
        values.append(9)
        return values

    given = [1]
    call = build_root_call(append(given), store)
    for _ in range(2):
        outcome = execute_call(call, call.inputs, store=store)
        assert isinstance(outcome, Succeeded)
        assert store.get(outcome.output) == [1, 9]
    assert given == [1]


def test_what_is_kept_of_a_returned_value_does_not_change_the_output(store) -> None:
    kept: List[int] = [1]
    outcome = outcome_of(store, lambda: kept)
    kept.append(2)
    assert isinstance(outcome, Succeeded)
    assert store.get(outcome.output) == [1]


# --- futures


def test_a_returned_future_is_expanded(store) -> None:
    made: List[Future] = []

    @sematic.func
    def pipeline(value: float) -> float:
        made.append(half(value))
        made.append(half(made[0]).set(name="second"))
        return made[1]

    root = pipeline(8)
    outcome = execute(store, root)
    assert isinstance(outcome, Expanded)
    first, second = made
    assert outcome.output == OutputOf(second.id)
    assert [call.run_id for call in outcome.calls] == [first.id, second.id]
    assert {call.parent_id for call in outcome.calls} == {root.id}
    assert {call.root_id for call in outcome.calls} == {root.id}
    assert store.get(outcome.calls[0].inputs["value"]) == 8.0
    assert outcome.calls[1].inputs == {"value": OutputOf(first.id)}
    assert outcome.calls[1].options.name == "second"


@pytest.mark.parametrize(
    "build",
    [
        lambda: [number(), number()],
        lambda: (number(), 1),
        lambda: {number(), 1},
        lambda: {"a": number(), "b": [number()]},
        lambda: Config(number(), [number(), 1]),
        lambda: Pair(number(), Config(number())),
        lambda: [[number()], {"a": (number(),)}],
        lambda: number() + 1,
        lambda: 1 + items()[0],
        lambda: items()[number() : number(2)],
        lambda: [items()[number()] * number(), -number()],
        lambda: anything([number(), Config(number())]),
        lambda: anything(number() > number()),
        lambda: [anything(number())] * 2,
    ],
)
def test_futures_are_found_wherever_they_are(store, build) -> None:
    outcome = outcome_of(store, build)
    assert isinstance(outcome, Expanded)
    assert all(call.parent_id for call in outcome.calls)


def test_a_list_of_futures_is_collected(store) -> None:
    outcome = outcome_of(store, lambda: [number(1), number(2)], List[int])
    assert isinstance(outcome, Expanded)
    first, second = (call.run_id for call in outcome.calls)
    steps = (OutputOf(first), OutputOf(second), Collect(None, (0, 1)))
    assert outcome.output == Expression(steps)


def test_the_returned_object_is_not_changed(store) -> None:
    kept: List[object] = []

    def build() -> object:
        kept.append(Config(number(), [number()]))
        return kept[0]

    assert isinstance(outcome_of(store, build), Expanded)
    config = kept[0]
    assert isinstance(config, Config)
    assert isinstance(config.rate, Future)
    assert isinstance(config.layers[0], Future)  # type: ignore[index]


def test_futures_of_a_thread_of_the_function_are_its_own(store) -> None:
    def build() -> object:
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(number, [1, 2]))

    outcome = outcome_of(store, build)
    assert isinstance(outcome, Expanded)
    assert len(outcome.calls) == 2


def test_a_future_of_a_foreign_thread_is_not_missed(store) -> None:
    """Another thread of the program builds another pipeline meanwhile."""

    def build() -> object:
        thread = threading.Thread(target=number)
        thread.start()
        thread.join()
        return number()

    outcome = outcome_of(store, build)
    assert isinstance(outcome, Expanded)
    assert len(outcome.calls) == 1


# --- refusals


def test_unused_futures_are_an_error(store) -> None:
    @sematic.func
    def pipeline() -> int:
        half(1)
        return number()

    error = error_of(execute(store, pipeline()))
    assert isinstance(error, sematic.SematicError)
    assert isinstance(error, RuntimeError)
    assert str(error) == (
        "The output of 'pipeline' does not depend on the output of 'half', thus 'half' will not "
        "be executed. See https://docs.sematic.dev/diving-deeper/future-algebra#unused-futures "
        "for details on what you can do in this situation: pass the future to another call, "
        "return it with the others, or leave the call out."
    )


@pytest.mark.parametrize("value", [None, 3, [1]])
def test_unused_futures_are_an_error_when_a_value_is_returned(store, value) -> None:
    def build() -> object:
        number()
        return value

    assert "does not depend on the output of" in str(error_of(outcome_of(store, build)))


def test_of_several_unused_futures_the_one_that_nothing_needs_is_named(store) -> None:
    def build() -> object:
        half(number())
        return number()

    message = str(error_of(outcome_of(store, build)))
    assert "on the output of 'half', thus 'half' will not be executed" in message


def test_a_used_future_may_be_used_through_a_selection_of_an_argument(store) -> None:
    assert isinstance(outcome_of(store, lambda: half(items()[0] + number())), Expanded)


@pytest.mark.parametrize(
    "build",
    [
        lambda: at_module_level,
        lambda: half(at_module_level),
        lambda: [number(), at_module_level + 1],
    ],
)
def test_futures_of_module_level_are_refused(store, build) -> None:
    error = error_of(outcome_of(store, build))
    assert isinstance(error, sematic.errors.FutureUseError)
    assert f"(id {at_module_level.id}) was not created by this function" in str(error)
    assert "make the call in here, or pass the value in as an argument" in str(error)


def test_a_future_that_another_call_has_made_is_refused(store) -> None:
    kept: List[Future] = []

    def first() -> object:
        kept.append(number())
        return kept[0]

    assert isinstance(outcome_of(store, first), Expanded)
    error = error_of(outcome_of(store, lambda: kept[0]))
    assert "was not created by this function" in str(error)


# --- failure


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_user_code_raises_is_a_failure(store, error) -> None:
    def build() -> object:
        raise error

    outcome = outcome_of(store, build)
    assert error_of(outcome) is error
    assert isinstance(outcome, Failed)
    assert outcome.error.type == f"builtins.{type(error).__name__}"
    assert outcome.error.pickled is None


def test_a_remote_failure_carries_the_pickled_exception(store) -> None:
    @sematic.func
    def broken() -> int:
        raise ValueError("x")

    outcome = execute(store, broken(), remote=True)
    assert isinstance(outcome, Failed)
    assert outcome.error.pickled


@pytest.mark.parametrize("returned", ["abc", 1.5, [1]])
def test_an_output_of_the_wrong_type_is_a_failure(store, returned) -> None:
    error = error_of(outcome_of(store, lambda: returned, int))
    assert isinstance(error, sematic.errors.CastError)
    assert "Invalid output type for" in str(error)


def test_a_future_of_the_wrong_type_is_a_failure(store) -> None:
    error = error_of(outcome_of(store, lambda: half(1), str))
    assert isinstance(error, sematic.errors.CastError)


def test_an_output_that_cannot_be_stored_is_a_failure(store) -> None:
    error = error_of(outcome_of(store, threading.Lock))
    assert isinstance(error, sematic.errors.UnserializableValueError)


def test_a_missing_input_is_a_failure(store) -> None:
    call = build_root_call(half(1), store)
    outcome = execute_call(call, call.inputs, store=MemoryStore())
    assert isinstance(error_of(outcome), sematic.errors.MissingArtifactError)


def test_an_interrupt_is_no_failure(store) -> None:
    def build() -> object:
        try:
            raise CallInterrupted
        except Exception:  # what user code does
            return 1

    with pytest.raises(CallInterrupted):
        outcome_of(store, build)


def test_only_user_code_can_be_interrupted(store) -> None:
    seen: List[Tuple[str, bool]] = []

    class Watched:
        def __reduce__(self) -> Tuple[object, ...]:
            seen.append(("stored", is_armed))
            return object, ()

    @contextmanager
    def arm() -> Iterator[None]:
        nonlocal is_armed
        is_armed = True
        yield
        is_armed = False

    def spy() -> object:
        seen.append(("executed", is_armed))
        return Watched()

    is_armed = False
    outcome_of(store, spy, interruptible=arm())
    assert seen == [("executed", True), ("stored", False)]


# --- child processes


@pytest.mark.parametrize(
    ("end", "code", "printed"),
    [
        (lambda: None, 0, ""),
        (lambda: sys.exit(), 0, ""),
        (lambda: sys.exit(3), 3, ""),
        (lambda: sys.exit("sorry"), 1, "sorry\n"),
        (lambda: int("x"), 1, "base 10: 'x'\n"),
    ],
)
def test_a_child_that_was_forked_ends_where_its_code_does(store, capfd, end, code, printed) -> None:
    """It has a copy of the whole stack: it must not go on as a second driver."""
    parent = os.getpid()

    def forking() -> int:
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            print("still buffered", end="")
            end()
            return 1
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    try:
        outcome = outcome_of(store, forking, int)
    finally:
        if os.getpid() != parent:
            os._exit(99)
    assert isinstance(outcome, Succeeded)
    assert store.get(outcome.output) == code
    out, err = capfd.readouterr()
    assert out == "still buffered"
    assert err.endswith(printed)


# --- the context


def test_the_context_is_that_of_the_call(store) -> None:
    @sematic.func
    def ids() -> List[str]:
        current = sematic.context()
        return [current.run_id, current.root_id]

    call = Call("run", "root", "parent", ids, {}, ids.options)
    outcome = execute_call(call, {}, store=store)
    assert isinstance(outcome, Succeeded)
    assert store.get(outcome.output) == ["run", "root"]
    with pytest.raises(sematic.NotInSematicFuncError):
        sematic.context()


# --- evaluation


def test_evaluated_inputs_are_cast_and_stored(store) -> None:
    outputs = {"a": store.put(1, int), "b": store.put(2, int)}

    @sematic.func
    def total(values: List[float], constant: int) -> float:
        return sum(values) + constant

    inputs = {"values": list_of("a", "b"), "constant": store.put(3, int)}
    call = Call("run", "root", None, total, inputs, total.options)
    known = evaluate_inputs(call, outputs, store)
    assert known["constant"] is inputs["constant"]
    assert known["values"].type == "list[float]"
    assert [type(value) for value in store.get(known["values"])] == [float, float]


def test_an_output_beside_an_expression_is_passed_on_as_it_is(store) -> None:
    """As it is without one: it may be large, and a cached call has the same key."""
    outputs = {"a": store.put(1, int), "b": store.put(2, int)}

    @sematic.func
    def total(values: List[float], number: float) -> float:
        return sum(values) + number

    inputs = {"values": list_of("b"), "number": OutputOf("a")}
    call = Call("run", "root", None, total, inputs, total.options)
    known = evaluate_inputs(call, outputs, store)
    assert known["number"] is outputs["a"]
    assert type(load_inputs(total, known, store)["number"]) is float


def test_evaluated_outputs_are_cast_and_stored(store) -> None:
    call = Call("run", "root", None, half, {}, half.options)
    outputs = {"a": store.put(1, int)}
    ref = evaluate_output(call, OutputOf("a"), outputs=outputs, store=store)
    assert (ref.type, type(store.get(ref))) == ("float", float)
    with pytest.raises(sematic.errors.CastError, match="Invalid output type"):
        evaluate_output(call, list_of("a"), outputs=outputs, store=store)
