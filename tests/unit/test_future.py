"""Futures: what can be done with them before they have a value, and what cannot."""

import copy
import math
import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

import pytest

import sematic
from sematic import SilentRunner
from sematic.errors import CastError, FutureUseError
from sematic.future import OPERATORS, AbstractFuture, Future, Operation, Selection
from sematic.states import RunState


@dataclass
class Model:
    weights: List[float]
    name: str = "svm"

    @property
    def size(self) -> int:
        return len(self.weights)


class Point(NamedTuple):
    x: int
    y: str


@sematic.func
def number(value: int = 6) -> int:
    return value


@sematic.func
def real(value: float) -> float:
    return value


@sematic.func
def text() -> str:
    return "text"


@sematic.func
def items() -> List[int]:
    return [10, 11, 12, 13]


@sematic.func
def pair() -> Tuple[int, str]:
    return 1, "b"


@sematic.func
def point() -> Point:
    return Point(1, "b")


@sematic.func
def table() -> Dict[str, int]:
    return {"a": 1}


@sematic.func
def unique() -> Set[int]:
    return {1}


@sematic.func
def model() -> Model:
    return Model([0.5, 0.25])


@sematic.func
def anything() -> object:
    return [1, 2]


def value_of(build) -> object:
    """What a pipeline returns whose function returns ``build()``."""

    @sematic.func
    def pipeline() -> object:
        return build()

    return SilentRunner().run(pipeline())


# --- a future itself


def test_a_call_makes_a_future() -> None:
    future = number(3)
    assert isinstance(future, Future)
    assert isinstance(future, AbstractFuture)
    assert len(future.id) == 32
    assert int(future.id, 16) >= 0
    assert future.function is number
    assert future.kwargs == {"value": 3}
    assert future.state is RunState.CREATED
    assert future.value is None


def test_every_future_has_an_id_of_its_own() -> None:
    assert number().id != number().id


def test_repr_tells_what_it_is() -> None:
    future = number()
    shown = f"Future(id={future.id}, func={__name__}.number, state=CREATED)"
    assert repr(future) == shown
    assert repr(items()[0]).endswith("[0]")
    assert repr(model().name).endswith(".name")
    assert repr(future + 1) == "Operation('add', type=int)"


def test_futures_are_hashable_by_identity() -> None:
    future, other = number(), number()
    assert {future: 1, other: 2}[future] == 1
    assert len({future, other, future}) == 2


@pytest.mark.parametrize("method", ["run", "resolve"])
def test_a_future_does_not_run_itself(method: str) -> None:
    with pytest.raises(FutureUseError, match=r"Write runner\.run\(future\).*number\(\.\.\.\)"):
        getattr(number(), method)(SilentRunner())


def test_a_future_refuses_attributes_of_its_own() -> None:
    with pytest.raises(AttributeError):
        number().colour = "red"  # type: ignore[attr-defined]


def test_copies_stand_for_the_same_call() -> None:
    future = number()
    for copied in (copy.copy(future), copy.deepcopy(future)):
        assert copied.id == future.id
        assert copied.function is number


# --- selections


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: items()[0], 10),
        (lambda: items()[-1], 13),
        (lambda: items()[number(2)], 12),
        (lambda: items()[1:3], [11, 12]),
        (lambda: items()[::-2], [13, 11]),
        (lambda: items()[number(1) :], [11, 12, 13]),
        (lambda: items()[number(0) : number(4) : number(2)], [10, 12]),
        (lambda: items()[1:][0], 11),
        (lambda: pair()[1], "b"),
        (lambda: pair()[number(0)], 1),
        (lambda: pair()[:1], (1,)),
        (lambda: point().y, "b"),
        (lambda: point()[0], 1),
        (lambda: table()["a"], 1),
        (lambda: text()[1], "e"),
        (lambda: text()[1:3], "ex"),
        (lambda: model().name, "svm"),
        (lambda: model().weights[1], 0.25),
        (lambda: model().size, 2),
        (lambda: anything()[1], 2),
        (lambda: (items()[0] + 1) * 2, 22),
    ],
)
def test_selections(build, expected) -> None:
    assert isinstance(build(), AbstractFuture)
    assert value_of(build) == expected


def test_a_selection_knows_its_type() -> None:
    assert real(items()[0]).kwargs["value"]._type is int
    with pytest.raises(CastError, match="'value'"):
        real(text()[0])
    with pytest.raises(CastError, match="'value'"):
        real(model().name)


@pytest.mark.parametrize("build", [number, unique, lambda: real(1.5)])
def test_what_has_no_items_says_so(build) -> None:
    with pytest.raises(FutureUseError, match="__getitem__ is not supported for Futures of type"):
        build()[0]


def test_keys_are_checked() -> None:
    with pytest.raises(FutureUseError, match="Invalid key 3"):
        table()[3]
    with pytest.raises(FutureUseError, match="Invalid key 'a'"):
        items()["a"]
    with pytest.raises(IndexError, match="tuple index out of range"):
        pair()[2]


def test_an_index_that_is_not_there_fails_the_run() -> None:
    with pytest.raises(sematic.PipelineRunError) as caught:
        value_of(lambda: items()[17])
    assert isinstance(caught.value.__cause__, IndexError)


def test_attributes_that_cannot_be_there_are_refused_at_once() -> None:
    with pytest.raises(AttributeError, match="no field 'colour'; its fields are: 'weights', 'nam"):
        _ = model().colour
    with pytest.raises(AttributeError, match="no attribute 'shape'"):
        _ = number().shape
    assert not hasattr(number(), "shape")


@pytest.mark.parametrize("name", ["_private", "__array_interface__", "__dict__", "_repr_html_"])
def test_names_of_protocols_are_never_selections(name: str) -> None:
    assert not hasattr(number(), name)


# --- unpacking and iteration


def test_tuples_can_be_unpacked() -> None:
    def build() -> object:
        number_, text_ = pair()
        return [text_, number_]

    assert value_of(build) == ["b", 1]


def test_named_tuples_can_be_unpacked() -> None:
    x, y = point()
    assert (x._type, y._type) == (int, str)


def test_iteration_over_a_tuple() -> None:
    assert [part._type for part in pair()] == [int, str]
    first, *rest = pair()
    assert (isinstance(first, Selection), len(rest)) == (True, 1)


def test_a_tuple_can_be_reversed() -> None:
    assert value_of(lambda: list(reversed(pair()))) == ["b", 1]
    with pytest.raises(FutureUseError, match="its length is not known"):
        reversed(items())


def test_too_many_targets() -> None:
    with pytest.raises(ValueError, match=r"not enough values to unpack \(expected 3, got 2\)"):
        _a, _b, _c = pair()


@pytest.mark.parametrize(
    "use",
    [
        list,
        tuple,
        sorted,
        enumerate,
        sum,
        lambda f: [x for x in f],  # noqa: C416
        lambda f: zip(f, f, strict=True),
        lambda f: print(*f),
        lambda f: operator.setitem({}, "a", [*f]),
    ],
)
@pytest.mark.parametrize("build", [items, unique, table, anything])
def test_iterating_over_an_unknown_number_is_refused(build, use) -> None:
    with pytest.raises(FutureUseError) as caught:
        use(build())
    assert "cannot be iterated: its length is not known" in str(caught.value)
    assert "function.map(future)" in str(caught.value)


def test_a_future_is_no_mapping() -> None:
    with pytest.raises(FutureUseError, match="not known yet"):
        dict(table())
    with pytest.raises(FutureUseError, match="not known yet"):
        print({**table()})


# --- operators

INTEGERS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
    *(operator.mod, operator.pow, operator.lshift, operator.rshift, divmod),
    *(operator.and_, operator.or_, operator.xor),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
]


@pytest.mark.parametrize("operate", INTEGERS)
def test_operators_with_futures_and_constants_on_either_side(operate) -> None:
    assert value_of(lambda: operate(number(6), 4)) == operate(6, 4)
    assert value_of(lambda: operate(6, number(4))) == operate(6, 4)
    assert value_of(lambda: operate(number(6), number(4))) == operate(6, 4)


UNARY = [
    *(operator.neg, operator.pos, operator.abs, operator.invert),
    *(round, math.floor, math.ceil, math.trunc),
]


@pytest.mark.parametrize("operate", UNARY)
def test_operators_of_one_operand(operate) -> None:
    assert value_of(lambda: operate(number(-6))) == operate(-6)
    if operate is not operator.invert:
        for value in (2.5, -2.5):
            result = value_of(lambda value=value: operate(real(value)))
            assert (result, type(result)) == (operate(value), type(operate(value)))


def test_rounding_to_digits() -> None:
    assert value_of(lambda: round(real(7.256), 2)) == 7.26
    assert value_of(lambda: round(real(7.256), number(1))) == 7.3
    assert value_of(lambda: round(number(1234), -2)) == 1200
    assert value_of(lambda: round(real(7.256), None)) == 7


def test_quotient_and_remainder_can_be_unpacked() -> None:
    def build() -> object:
        quotient, remainder = divmod(number(7), 2)
        return [remainder, quotient]

    assert value_of(build) == [1, 3]


def test_powers_with_a_modulus() -> None:
    assert value_of(lambda: pow(number(3), 2, 5)) == 4
    assert value_of(lambda: pow(number(3), number(2), number(5))) == 4


def test_every_operator_is_tried_here() -> None:
    tried = {operate.__name__ for operate in INTEGERS + UNARY}
    assert set(OPERATORS) - tried == {"matmul"}


class Matrix:
    def __matmul__(self, other: object) -> str:
        return f"matrix @ {other}"

    def __rmatmul__(self, other: object) -> str:
        return f"{other} @ matrix"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matrix)

    __hash__ = None  # type: ignore[assignment]


@sematic.func
def matrix() -> Matrix:
    return Matrix()


def test_matmul() -> None:
    assert value_of(lambda: matrix() @ 2) == "matrix @ 2"
    assert value_of(lambda: 2 @ matrix()) == "2 @ matrix"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: text() + "s", "texts"),
        (lambda: "con" + text(), "context"),
        (lambda: items() + [14], [10, 11, 12, 13, 14]),  # noqa: RUF005
        (lambda: [9] + items(), [9, 10, 11, 12, 13]),  # noqa: RUF005
        (lambda: items() + [number()], [10, 11, 12, 13, 6]),  # noqa: RUF005
        (lambda: [number()] + items(), [6, 10, 11, 12, 13]),  # noqa: RUF005
        (lambda: table() | {"b": number()}, {"a": 1, "b": 6}),
        (lambda: unique() - {1}, set()),
        (lambda: 2 * items()[:1], [10, 10]),
        (lambda: (number() + 1) * (number() - 1), 35),
        (lambda: -(number() ** 2) + 1, -35),
        (lambda: sum([number(), number(), 1]), 13),
        (lambda: sum((number(i) for i in range(5)), start=0.5), 10.5),
        (lambda: number() / 4 > 1, True),
        (lambda: number() == number(), True),
        (lambda: number() != 6, False),
    ],
)
def test_operators_on_other_values(build, expected) -> None:
    assert value_of(build) == expected


@pytest.mark.parametrize("show", [str, format, lambda f: f"{f} there", print])
def test_a_future_is_no_text(show) -> None:
    """`f"hello {future}"` would go on with the future's own name."""
    with pytest.raises(FutureUseError, match="not known yet"):
        show(number())


def test_repr_shows_what_the_future_is() -> None:
    future = number()
    assert future.id in repr(future)
    assert f"{future!r}" == repr(future)


def test_operators_of_numpy_take_the_future_as_a_whole() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array([1, 2])
    assert value_of(lambda: array * number()).tolist() == [6, 12]
    assert value_of(lambda: number() - array).tolist() == [5, 4]
    assert value_of(lambda: array < number(2)).tolist() == [True, False]
    assert value_of(lambda: numpy.float64(0.5) * number()) == 3.0
    assert isinstance(array + number(), Operation)


def test_operators_of_pandas_take_the_future_as_a_whole() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]})
    assert value_of(lambda: frame["a"] * number()).tolist() == [6, 12]
    assert value_of(lambda: frame * number())["a"].tolist() == [6, 12]
    assert value_of(lambda: number() + frame)["a"].tolist() == [7, 8]
    assert isinstance(frame + number(), Operation)


def test_operations_know_their_type_where_there_is_no_doubt() -> None:
    assert (number() + 1)._type is int
    assert (1 + number())._type is int
    assert (number() / 2)._type is float
    assert (number() < 2)._type is bool
    with pytest.raises(CastError):
        real(text() + "a")
    real(number() + 1)
    real(anything() + 1)  # not known before it runs


def test_an_operator_that_raises_fails_the_run_with_its_exception() -> None:
    with pytest.raises(sematic.PipelineRunError) as caught:
        value_of(lambda: number() / number(0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_path_and_a_future() -> None:
    assert value_of(lambda: Path("folder") / text()) == Path("folder/text")


def test_augmented_assignment_builds_an_operation() -> None:
    def build() -> object:
        total = number()
        total += 1
        total *= number(2)
        return total

    assert value_of(build) == 14


def test_a_long_sum_is_no_deep_one() -> None:
    def build() -> object:
        total: object = number()
        for _ in range(10_000):
            total = total + 1  # type: ignore[operator]
        return total

    assert value_of(build) == 10_006


def test_a_value_that_is_used_twice_at_each_step_is_computed_once() -> None:
    def build() -> object:
        total: object = number(1)
        for _ in range(64):  # 2 ** 64 paths
            total = total + total  # type: ignore[operator]
        return total

    assert value_of(build) == 2**64


# --- what a future is not


def numpy() -> Any:
    return pytest.importorskip("numpy")


REFUSED = {
    "if": (lambda f: 1 if f else 0, "__bool__", "if, and, or, not"),
    "not": (lambda f: not f, "__bool__", "if, and, or, not"),
    "and": (lambda f: f and 1, "__bool__", "if, and, or, not"),
    "chain": (lambda f: 1 < f < 3, "__bool__", "if, and, or, not"),
    "max": (lambda f: max(f, 3), "__bool__", "if, and, or, not"),
    "in list": (lambda f: f in [1, 2], "__bool__", "if, and, or, not"),
    "any": (lambda f: any([f]), "__bool__", "if, and, or, not"),
    "len": (len, "__len__", "len(...)"),
    "int": (int, "__int__", "int(...)"),
    "float": (float, "__float__", "float(...)"),
    "complex": (complex, "__complex__", "complex(...)"),
    "range": (range, "__index__", "range(...)"),
    "index": (lambda f: [1, 2][f], "__index__", "indices of plain lists"),
    "repeat": (lambda f: "ab"[f:], "__index__", "indices of plain lists"),
    "contains": (lambda f: 1 in f, "__contains__", "in"),
    "call": (lambda f: f(), "__call__", "calling it"),
    "sorted": (lambda f: sorted([f, 1]), "__bool__", "min, max and sorted"),
    "sqrt": (math.sqrt, "__float__", "math.sqrt"),
    "bytes": (bytes, "__bytes__", "bytes(...)"),
    "open": (open, "__fspath__", "open, os.path and pathlib"),
    "path": (os.path.abspath, "__fspath__", "open, os.path and pathlib"),
    "array": (lambda f: numpy().array([f, 1]), "__array__", "functions of numpy"),
    "ufunc": (lambda f: numpy().sqrt(f), "__array__", "functions of numpy"),
    "index of an array": (lambda f: numpy().arange(3)[f], "__array__", "functions of numpy"),
    "set item": (lambda f: operator.setitem(f, 0, 1), "__setitem__", "item assignment"),
    "del item": (lambda f: operator.delitem(f, 0), "__delitem__", "deleting an item"),
}


@pytest.mark.parametrize("use", REFUSED)
def test_a_future_is_not_its_value(use: str) -> None:
    function, name, words = REFUSED[use]
    future = number()
    with pytest.raises(FutureUseError) as caught:
        function(future)
    message = str(caught.value)
    assert f"Future.{name} is not supported" in message
    assert words in message
    assert "Pass the future to another @sematic.func and use its value there." in message


def test_outside_of_a_pipeline_the_way_out_is_a_runner() -> None:
    with pytest.raises(FutureUseError, match=r"sematic\.LocalRunner\(\)\.run\(number\(\.\.\.\)\)"):
        print(number())
    with pytest.raises(FutureUseError, match=r"sematic\.LocalRunner\(\)\.run\(items\(\.\.\.\)\)"):
        list(items())
    for use in (lambda: print(number()), lambda: list(items())):
        with pytest.raises(sematic.PipelineRunError) as caught:
            value_of(use)
        assert isinstance(caught.value.__cause__, FutureUseError)
        assert "Runner" not in str(caught.value.__cause__)


@pytest.mark.parametrize("name", ["result", "get", "wait", "done"])
def test_habits_from_other_futures_are_answered(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. .*LocalRunner\(\)\.run"):
        getattr(number(), name)
    assert isinstance(table().get, Selection)  # the value's own


def test_refusals_are_type_errors() -> None:
    with pytest.raises(TypeError, match="not known yet"):
        len(number())


def test_selections_and_operations_refuse_too() -> None:
    for future in (items()[0], model().name, number() > 1):
        with pytest.raises(FutureUseError, match="__bool__ is not supported"):
            bool(future)


def test_methods_of_the_value_cannot_be_called() -> None:
    with pytest.raises(FutureUseError, match="calling it or one of its methods"):
        items().append(3)


def test_items_cannot_be_assigned() -> None:
    with pytest.raises(TypeError, match="item assignment"):
        items()[0] = 1  # type: ignore[index]


@pytest.mark.parametrize("use", [lambda f: pow(2, f, 3), lambda f: ", ".join([f])])
def test_what_is_left_to_python_is_a_type_error(use) -> None:
    with pytest.raises(TypeError, match="Future"):
        use(number())


def test_is_none_works() -> None:
    @sematic.func
    def optional() -> Optional[int]:
        return None

    future = optional()
    assert future is not None
    assert value_of(lambda: optional() == None) is True  # noqa: E711
