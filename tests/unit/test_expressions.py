"""Values with futures inside as flat programs, built and evaluated."""

from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Tuple

import pytest

import sematic
from sematic.calls import ArtifactRef, Collect, Expression, Operate, OutputOf, Select, dependencies
from sematic.expressions import build_input, evaluate, put_once
from sematic.future import Future
from sematic.testing import MemoryStore
from tests.builders import with_ids


@dataclass
class Config:
    rate: Any
    layers: Any = None


class Point(NamedTuple):
    x: Any
    y: Any


@sematic.func
def number() -> int:
    return 1


@sematic.func
def items() -> List[int]:
    return []


@sematic.func
def config() -> Config:
    return Config(1)


@sematic.func
def table() -> Dict[str, int]:
    return {}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


class Program:
    """Builds an input, and evaluates it once outputs are known."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.outputs: dict[str, ArtifactRef] = {}

    def known(self, future: Future, value: object) -> Future:
        """Say what the output of a future is."""
        self.outputs[future.id] = self.store.put(value, object)
        return future

    def value_of(self, value: object) -> object:
        return evaluate(build_input(value, object, self.store.put), self.outputs, self.store)


@pytest.fixture
def program(store) -> Program:
    return Program(store)


def test_a_constant_is_stored_under_its_declared_type(store) -> None:
    built = build_input([1], List[int], store.put)
    assert isinstance(built, ArtifactRef)
    assert built.type == "list[int]"
    assert store.get(built) == [1]


def test_a_future_is_the_output_of_its_call(store) -> None:
    future = number()
    assert build_input(future, int, store.put) == OutputOf(future.id)


def test_a_list_of_futures_needs_no_template(store) -> None:
    first, second = number(), number()
    assert build_input([first, second], List[int], store.put) == Expression(
        (OutputOf(first.id), OutputOf(second.id), Collect(None, (0, 1)))
    )


def test_steps_refer_to_steps_before_them(store) -> None:
    future = items()
    built = build_input(future[0] + future[0], int, store.put)
    assert isinstance(built, Expression)
    kinds = [type(step) for step in built.steps]
    assert kinds == [OutputOf, ArtifactRef, Select, Select, Operate]
    assert built.steps[2:] == (
        Select("item", 0, 1),
        Select("item", 0, 1),
        Operate("add", (2, 3)),
    )


def test_dependencies_of_inputs(store) -> None:
    first, second = number(), number()
    assert list(dependencies(build_input(1, int, store.put))) == []
    assert list(dependencies(OutputOf("a"))) == ["a"]
    built = build_input([first, (second, first + 1)], object, store.put)
    assert sorted(set(dependencies(built))) == sorted([first.id, second.id])


def test_outputs_are_loaded(program) -> None:
    assert program.value_of(program.known(number(), 7)) == 7


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda f: [f, 2], [7, 2]),
        (lambda f: (f, 2), (7, 2)),
        (lambda f: {f, 2}, {7, 2}),
        (lambda f: frozenset([f, 2]), frozenset([7, 2])),
        (lambda f: {"a": f, "b": 2}, {"a": 7, "b": 2}),
        (lambda f: {f: "a"}, {7: "a"}),
        (lambda f: Config(f, [f]), Config(7, [7])),
        (lambda f: Point(f, 2), Point(7, 2)),
        (lambda f: [[f], {"a": (Config(f), None)}], [[7], {"a": (Config(7), None)}]),
        (lambda f: [f, f], [7, 7]),
        (lambda f: [f + 1, -f], [8, -7]),
        (lambda f: [3, f + f * 2, [f]], [3, 21, [7]]),
        (lambda f: f + f, 14),
        (lambda f: [1, 2] + [f], [1, 2, 7]),  # noqa: RUF005
    ],
)
def test_containers_and_operations(program, build, expected) -> None:
    value = program.value_of(build(program.known(number(), 7)))
    assert value == expected
    assert type(value) is type(expected)


def test_selections(program) -> None:
    numbers = program.known(items(), [10, 11, 12, 13])
    index = program.known(number(), 2)
    made = program.known(config(), Config(0.5, [1, 2]))
    assert program.value_of(numbers[1]) == 11
    assert program.value_of(numbers[index]) == 12
    assert program.value_of(numbers[1:-1]) == [11, 12]
    assert program.value_of(numbers[index:]) == [12, 13]
    assert program.value_of(numbers[: index + 1 : index]) == [10, 12]
    assert program.value_of(made.rate) == 0.5
    assert program.value_of(made.layers[0] + numbers[0]) == 11
    assert program.value_of(program.known(table(), {"a": 1})["a"]) == 1


def test_an_operand_may_be_a_container_of_futures(program) -> None:
    numbers, one = program.known(items(), [1]), program.known(number(), 7)
    assert program.value_of(numbers + [one, 2]) == [1, 7, 2]  # noqa: RUF005


def test_the_callers_objects_are_not_changed(program) -> None:
    future = program.known(number(), 7)
    value = [Config(future, [future]), {"a": future}]
    program.value_of(value)
    assert with_ids(value) == [Config(future.id, [future.id]), {"a": future.id}]
    assert value[0].layers[0] is future


def test_every_evaluation_gives_objects_of_its_own(program) -> None:
    numbers = program.known(items(), [1])
    built = build_input([numbers, [2]], object, program.store.put)
    first = evaluate(built, program.outputs, program.store)
    first[0].append(9)  # type: ignore[index]
    first[1].append(9)  # type: ignore[index]
    assert evaluate(built, program.outputs, program.store) == [[1], [2]]


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda f: f[5], IndexError),
        (lambda f: f[0] / 0, ZeroDivisionError),
        (lambda f: f[0] + "a", TypeError),
        (lambda f: f[0].missing, AttributeError),
    ],
)
def test_what_the_values_raise_is_raised(program, build, error) -> None:
    @sematic.func
    def anything() -> List[object]:
        return []

    with pytest.raises(error):
        program.value_of(build(program.known(anything(), [1])))


def test_shared_parts_are_one_step(store) -> None:
    total: Any = number()
    for _ in range(50):
        total = total + total
    built = build_input(total, int, store.put)
    assert isinstance(built, Expression)
    assert len(built.steps) == 51


def test_depth_is_no_recursion(program) -> None:
    total: Any = program.known(number(), 7)
    for _ in range(20_000):
        total = 1 + total
    assert program.value_of(total) == 20_007


def test_a_wide_list(program) -> None:
    futures = [program.known(number(), i) for i in range(10_000)]
    assert program.value_of(futures) == list(range(10_000))
    assert program.value_of((futures, 1)) == (list(range(10_000)), 1)


def test_a_container_that_comes_twice(program) -> None:
    shared = [program.known(number(), 7)]
    assert program.value_of((shared, shared)) == ([7], [7])


def test_pairs_of_a_dict_stay_together(program) -> None:
    keys = [program.known(number(), i) for i in range(3)]
    values: Tuple[Any, ...] = tuple(program.known(number(), -i) for i in range(3))
    pairs = dict(zip(keys, values, strict=True))
    assert program.value_of(pairs) == {0: 0, 1: -1, 2: -2}


class CountingStore(MemoryStore):
    """Counts how often something is stored."""

    count = 0

    def put(self, value: Any, type_: Any) -> ArtifactRef:
        self.count += 1
        return super().put(value, type_)


def test_an_object_is_stored_once() -> None:
    store = CountingStore()
    put = put_once(store)
    big = list(range(1000))
    refs = {build_input(big, List[int], put).id for _ in range(5)}
    assert store.count == 1
    assert refs == {store.put(big, List[int]).id}


def test_an_object_is_not_taken_for_one_that_is_gone() -> None:
    store = CountingStore()
    put = put_once(store)
    refs = [put([index], List[int]) for index in range(100)]
    assert [store.get(ref) for ref in refs] == [[index] for index in range(100)]


class Counted:
    """Knows how many of its like there are, and how many there ever were at a time."""

    alive = 0
    most = 0

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.__setstate__({})

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self) -> None:
        Counted.alive -= 1

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.number + other.number)


@sematic.func
def counted() -> Counted:
    return Counted()


def test_what_is_not_needed_any_more_is_let_go(program) -> None:
    futures = [program.known(counted(), Counted(i)) for i in range(50)]
    total: Any = futures[0]
    for future in futures[1:]:
        total = total + future
    Counted.most = Counted.alive
    before = Counted.alive
    result: Any = program.value_of(total)
    assert result.number == sum(range(50))
    assert Counted.most - before <= 3
