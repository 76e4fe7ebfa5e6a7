"""Futures inside of what is not looked into: refused with the reason, never run past."""

import copy
import functools
import json
import pickle
import sys
from collections import OrderedDict, UserList, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.errors import FutureUseError, PipelineRunError, UnserializableValueError


class Box:
    def __init__(self, content: object) -> None:
        self.content = content


@sematic.func
def one() -> int:
    return 1


@sematic.func
def use(value: object) -> str:
    return repr(value)


def closure(future: object) -> Callable[[], object]:
    return lambda: future


def run(build: Callable[[], object]) -> Any:
    @sematic.func
    def pipeline() -> object:
        return build()

    return sematic.SilentRunner().run(pipeline())


@pytest.mark.parametrize(
    ("build", "holder"),
    [
        (lambda: {"a": one()}.values(), "dict_values"),
        (lambda: {"a": one()}.items(), "dict_items"),
        (lambda: (future for future in [one()]), "generator"),
        (lambda: map(abs, [one()]), "map"),
        (lambda: Box([one()]), "Box"),
        (lambda: [{"a": Box(one() + 1)}], "Box"),
        (lambda: UserList([one()]), "UserList"),
        (lambda: functools.partial(print, one()), "partial"),
        (lambda: closure(one()), "function"),
        (lambda: use(Box(one())), "Box"),
    ],
)
def test_the_error_names_what_holds_the_future(build: Callable[[], object], holder: str) -> None:
    with pytest.raises(PipelineRunError) as caught:
        run(build)
    assert isinstance(caught.value.__cause__, FutureUseError)
    assert f"The future of 'one' is inside of a {holder}, where" in str(caught.value.__cause__)


def an_array() -> Any:
    array = pytest.importorskip("numpy").empty((2, 1), dtype=object)
    array[1, 0] = one()
    return array


def a_frame() -> Any:
    return pytest.importorskip("pandas").DataFrame({"a": [one(), 2]})


@pytest.mark.parametrize("build", [an_array, a_frame])
@pytest.mark.parametrize("pass_on", [copy.copy, use, lambda v: [v], lambda v: one() + v])
def test_arrays_and_frames_that_hold_a_future_are_refused(
    build: Callable[[], Any], pass_on: Callable[[Any], object]
) -> None:
    kind = type(build()).__name__
    with pytest.raises(PipelineRunError) as caught:
        run(lambda: pass_on(build()))
    assert isinstance(caught.value.__cause__, FutureUseError)
    message = str(caught.value.__cause__)
    assert f"The future of 'one' is inside of a {kind}, where" in message
    assert f"pass it to another @sematic.func and make the {kind} there" in message


MISTAKES: dict[str, Callable[[Any], object]] = {
    "json": lambda future: json.dumps({"a": future}),
    "join": lambda future: ", ".join([future]),
    "percent": lambda future: "%d" % future,  # noqa: UP031
    "key": lambda future: {"a": 1}[future],
    "attribute": next,
}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no notes")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_python_says_of_a_future_is_explained(mistake: str) -> None:
    for make, kind in ((one, "Future"), (lambda: one() + 1, "Operation")):
        with pytest.raises(PipelineRunError) as caught:
            run(lambda make=make: MISTAKES[mistake](make()))
        (note,) = caught.value.__cause__.__notes__
        assert f"'{kind}' stands for a value of this pipeline that is not known yet. Pass " in note


def test_a_path_of_a_future_is_explained() -> None:
    """By the future itself, but for pathlib since Python 3.12, which has an error of its own."""
    with pytest.raises(PipelineRunError) as caught:
        run(lambda: Path(one()))
    error = caught.value.__cause__
    told = "\n".join([str(error), *getattr(error, "__notes__", ())])
    assert isinstance(error, TypeError)
    assert "stands for a value of this pipeline" in told or "Future.__fspath__ is not" in told
    assert "Pass " in told


def raise_(error: Exception) -> object:
    one()
    raise error


@pytest.mark.parametrize(
    "error",
    [
        TypeError("no number"),
        ValueError("Future shock: the Selection of goods failed"),
        OSError("Operation not permitted"),
        FutureUseError("Future"),
    ],
)
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    with pytest.raises(PipelineRunError) as caught:
        run(lambda: raise_(error))
    assert not hasattr(caught.value.__cause__, "__notes__")


def test_a_future_is_never_stored() -> None:
    def both() -> object:
        future = one()
        return [future, Box(future)]

    with pytest.raises(PipelineRunError, match="only in lists, tuples") as caught:
        run(both)
    assert isinstance(caught.value.__cause__, UnserializableValueError)
    with pytest.raises(FutureUseError, match="no value to be stored"):
        pickle.dumps(one())


def test_a_slice_stays_one() -> None:
    assert run(lambda: slice(one(), 3)) == slice(1, 3)
    assert run(lambda: use(slice(one(), 3))) == "slice(1, 3, None)"


class Numbers(list):
    """With methods of its own."""


@sematic.func
def typed(ordered: OrderedDict[str, int], last: deque[int], numbers: list[int]) -> str:
    return f"{ordered!r} {last!r} {numbers}"


def test_subclasses_of_containers_fit_their_annotations() -> None:
    found = run(lambda: typed(OrderedDict(a=one()), deque([one()], maxlen=2), Numbers([one(), 2])))
    assert found == f"{OrderedDict(a=1)!r} deque([1], maxlen=2) [1, 2]"
