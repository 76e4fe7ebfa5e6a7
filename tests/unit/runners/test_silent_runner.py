"""SilentRunner: whole pipelines, in memory."""

import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

import pytest

import sematic
from sematic import PipelineRunError, RetrySettings, SilentRunner
from sematic.errors import FutureUseError

WIDE = DEEP = 10_000


@dataclass
class Config:
    rate: float
    layers: List[int] = field(default_factory=list)


class Split(NamedTuple):
    train: List[int]
    test: List[int]


@sematic.func
def add(a: float, b: float) -> float:
    return a + b


@sematic.func
def number(x: int) -> int:
    return x


@sematic.func
def total(values: List[int]) -> int:
    return sum(values)


def run(future: sematic.Future) -> Any:
    return SilentRunner().run(future)


# --- graphs


def test_a_pipeline() -> None:
    @sematic.func
    def pipeline(a: float, b: float, c: float) -> float:
        return add(add(a, b), add(b, c))

    assert run(pipeline(1, 2, 3)) == 8.0


def test_nested_pipelines() -> None:
    @sematic.func
    def inner(x: float) -> float:
        return add(x, 1)

    @sematic.func
    def outer(x: float) -> float:
        return inner(inner(add(x, 1)))

    assert run(outer(1)) == 4.0


def test_a_graph_that_depends_on_values() -> None:
    @sematic.func
    def choose(x: int) -> int:
        return total([x, 1]) if x > 2 else number(x)

    @sematic.func
    def both() -> List[int]:
        return [choose(number(1)), choose(number(3))]

    assert run(both()) == [1, 4]


def test_recursion() -> None:
    @sematic.func
    def fibonacci(n: int) -> int:
        if n < 2:
            return n
        return total([fibonacci(n - 1), fibonacci(n - 2)])

    assert run(fibonacci(10)) == 55


def test_none_is_an_output_and_an_input() -> None:
    @sematic.func
    def nothing() -> None:
        pass

    @sematic.func
    def take(value: Optional[int], fallback: int = 3) -> int:
        return fallback if value is None else value

    @sematic.func
    def pipeline() -> int:
        return take(nothing())

    @sematic.func
    def effects() -> None:
        return nothing()

    assert run(nothing()) is None
    assert run(pipeline()) == 3
    assert run(effects()) is None


def test_containers_of_every_kind() -> None:
    @sematic.func
    def split(values: List[int]) -> Split:
        return Split([number(v) for v in values[::2]], [number(v) for v in values[1::2]])

    @sematic.func
    def describe(
        config: Config, table: Dict[str, List[int]], pair: Tuple[int, float], unique: Set[int]
    ) -> List[object]:
        return [config.rate, config.layers, table, pair, unique]

    @sematic.func
    def pipeline() -> List[object]:
        parts = split([1, 2, 3, 4])
        config = Config(add(0.25, 0.25), [number(1), 2])
        table = {"train": parts.train, "test": parts.test}
        described = describe(config, table, (number(1), add(1, 1)), {number(5), 5, 6})
        assert isinstance(config.layers[0], sematic.Future)
        return described

    assert run(pipeline()) == [
        0.5,
        [1, 2],
        {"train": [1, 3], "test": [2, 4]},
        (1, 2.0),
        {5, 6},
    ]


def test_a_dataclass_of_futures_as_output() -> None:
    @sematic.func
    def configure() -> Config:
        return Config(number(1) / 2, layers=[number(1)])

    @sematic.func
    def rate(config: Config) -> float:
        return config.rate

    @sematic.func
    def pipeline() -> float:
        config = configure()
        return add(rate(config), config.layers[0])

    assert run(configure()) == Config(0.5, [1])
    assert run(pipeline()) == 1.5


def test_inline_calls_execute_in_the_order_they_were_made() -> None:
    order: List[str] = []

    @sematic.func
    def step(name: str) -> str:
        order.append(name)
        return name

    @sematic.func
    def pipeline() -> List[str]:
        return [step("a"), step("b"), step("c")]

    run(pipeline())
    assert order == ["a", "b", "c"]


def test_everything_executes_in_the_calling_thread() -> None:
    @sematic.func(standalone=True)
    def thread() -> int:
        return threading.get_ident()

    @sematic.func
    def pipeline() -> List[int]:
        return [thread(), thread()]

    assert set(run(pipeline())) == {threading.get_ident()}


def test_an_unchanged_input_is_not_executed_twice() -> None:
    executed: List[int] = []

    @sematic.func
    def once() -> int:
        executed.append(1)
        return 1

    @sematic.func
    def pipeline() -> int:
        shared = once()
        return total([shared, shared, number(shared)])

    assert run(pipeline()) == 3
    assert executed == [1]


# --- isolation


@sematic.func
def append(values: List[int], x: int) -> List[int]:
    values.append(x)
    return values


@sematic.func
def values() -> List[int]:
    return [1]


def test_functions_do_not_see_what_others_do_to_their_inputs() -> None:
    @sematic.func
    def pipeline() -> List[List[int]]:
        shared = values()
        return [append(shared, 8), append(shared, 9), shared]

    assert run(pipeline()) == [[1, 8], [1, 9], [1]]


def test_arguments_of_the_caller_are_not_changed() -> None:
    given = [1]
    assert run(append(given, 2)) == [1, 2]
    assert given == [1]


def test_arguments_are_those_of_the_time_of_the_call() -> None:
    given = [1]
    future = append(given, 2)
    given.append(7)
    assert run(future) == [1, 2]


def test_what_a_function_keeps_does_not_reach_others() -> None:
    kept: List[List[int]] = []

    @sematic.func
    def keep() -> List[int]:
        kept.append([1])
        return kept[0]

    @sematic.func
    def spoil(x: List[int]) -> int:
        kept[0].append(9)
        return len(x)

    @sematic.func
    def pipeline() -> List[int]:
        made = keep()
        return [spoil(made), spoil(made)]

    assert run(pipeline()) == [1, 1]


def test_objects_and_frames_are_isolated_too() -> None:
    pandas = pytest.importorskip("pandas")

    @sematic.func
    def frame() -> pandas.DataFrame:
        return pandas.DataFrame({"a": [1, 2]})

    @sematic.func
    def spoil(data: pandas.DataFrame, config: Config) -> int:
        data["a"] = 0
        config.layers.append(9)
        return len(config.layers)

    @sematic.func
    def read(data: pandas.DataFrame) -> int:
        return int(data["a"].sum())

    @sematic.func
    def pipeline() -> List[int]:
        data, config = frame(), Config(0.5)
        return [spoil(data, config), spoil(data, config), read(data), len(config.layers)]

    assert run(pipeline()) == [1, 1, 3, 0]


# --- failure


def test_the_users_exception_is_the_cause() -> None:
    class Broken(Exception):
        pass

    @sematic.func
    def broken(x: int) -> int:
        raise Broken("here")

    @sematic.func
    def pipeline() -> int:
        return broken(number(1))

    with pytest.raises(PipelineRunError, match="failed due to previous errors") as caught:
        run(pipeline())
    assert isinstance(caught.value.__cause__, Broken)
    assert str(caught.value.__cause__) == "here"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_exceptions_that_end_programs_do_not(error) -> None:
    @sematic.func
    def broken() -> int:
        raise error

    with pytest.raises(PipelineRunError) as caught:
        run(broken())
    assert caught.value.__cause__ is error


def test_retries() -> None:
    attempts: List[int] = []

    @sematic.func(retry=RetrySettings(exceptions=(LookupError,), retries=3))
    def flaky() -> int:
        attempts.append(1)
        if len(attempts) <= 3:
            raise KeyError("not yet")
        return len(attempts)

    assert run(flaky()) == 4


def test_retries_are_used_up() -> None:
    attempts: List[int] = []

    @sematic.func(retry=RetrySettings(exceptions=(ValueError,), retries=2))
    def broken() -> int:
        attempts.append(1)
        raise ValueError(len(attempts))

    with pytest.raises(PipelineRunError, match="3"):
        run(broken())
    assert len(attempts) == 3


def test_outputs_of_the_wrong_type_are_retried_too() -> None:
    attempts: List[int] = []

    @sematic.func(retry=RetrySettings(exceptions=(TypeError,), retries=1))
    def wrong() -> int:
        attempts.append(1)
        return "abc" if len(attempts) == 1 else 1  # type: ignore[return-value]

    assert run(wrong()) == 1


def test_retries_of_one_call_by_set() -> None:
    attempts: List[int] = []

    @sematic.func
    def flaky() -> int:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError
        return 1

    assert run(flaky().set(retry=RetrySettings(exceptions=(ValueError,), retries=1))) == 1


def test_module_level_futures_are_refused() -> None:
    outside = number(1)

    @sematic.func
    def pipeline() -> int:
        return total([outside])

    with pytest.raises(PipelineRunError) as caught:
        run(pipeline())
    assert isinstance(caught.value.__cause__, FutureUseError)


# --- size


def test_a_chain() -> None:
    @sematic.func
    def chain(n: int) -> float:
        value = add(0, 0)
        for _ in range(n):
            value = add(value, 1)
        return value

    assert run(chain(DEEP)) == DEEP


def test_deep_nesting() -> None:
    @sematic.func
    def countdown(n: int) -> int:
        return countdown(n - 1) if n else 0

    assert run(countdown(DEEP)) == 0


def test_a_failure_deep_inside() -> None:
    @sematic.func
    def countdown(n: int) -> int:
        if n:
            return countdown(n - 1)
        raise ValueError("at the bottom")

    with pytest.raises(PipelineRunError) as caught:
        run(countdown(2_000))
    assert str(caught.value.__cause__) == "at the bottom"


def test_a_fan_out() -> None:
    @sematic.func
    def wide(n: int) -> int:
        return total([number(i) for i in range(n)])

    assert run(wide(WIDE)) == WIDE * (WIDE - 1) // 2


def test_a_mapped_fan_out() -> None:
    @sematic.func
    def wide(n: int) -> int:
        return total(number.map(up_to(n)))

    @sematic.func
    def up_to(n: int) -> List[int]:
        return list(range(n))

    assert run(wide(1_000)) == 499_500


# --- nothing is left behind


def test_no_files_no_output_and_nothing_heavy(tmp_path: Path) -> None:
    script = """
        import sys
        from typing import List
        import sematic

        @sematic.func(standalone=True)
        def double(x: int) -> int:
            return 2 * x

        @sematic.func
        def pipeline(n: int) -> List[int]:
            return double.map([double(i) for i in range(n)])

        assert sematic.SilentRunner().run(pipeline(3)) == [0, 4, 8]
        heavy = {"ray", "sqlalchemy", "pyarrow", "numpy", "pandas", "pydantic", "kubernetes"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    package = Path(sematic.__file__).parents[1]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(package)}
    del environment["SEMATIC_CONFIG_DIR"]
    done = subprocess.run(
        [sys.executable, "-B", "script.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]
