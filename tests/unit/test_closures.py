"""What tells functions of one path apart."""

import datetime
import enum
import functools
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import sematic
from sematic import closures
from sematic.cache_desk import cache_key
from sematic.code_places import find_place
from sematic.function import Function, func
from sematic.recorded_functions import RecordedFunction
from sematic.shipping import build_reference, load_function


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


class Pair(NamedTuple):
    a: int
    b: int


@dataclass(frozen=True)
class Config:
    names: frozenset[str]
    rate: float = 0.5


@dataclass
class Unset:
    a: int
    late: int = field(init=False)

    def __int__(self) -> int:
        return self.a


def make(k: Any) -> Function[..., Any]:
    @func(cache=True)
    def scale(x: int) -> int:
        return x * int(k)

    return scale


def adder(n: int) -> Callable[[int], int]:
    return lambda x: x + n


@pytest.fixture(autouse=True)
def _told_anew() -> Iterator[None]:
    yield
    closures._told.clear()


VALUES = [
    [2, 3, 2.0, True, "2", b"2", None, 2j],
    [(1, 2), [1, 2], {1, 2}, frozenset({1, 2}), {1: 2}, Pair(1, 2)],
    [Kind.ONE, Kind.TWO, Kind, Pair, os, os.path.join, len],
    [Config(frozenset("ab")), Config(frozenset("abc")), Config(frozenset("ab"), 0.1)],
    [adder(1), adder(2), functools.partial(int, base=2), functools.partial(int, base=3)],
    [Path("a"), Path("b"), datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1)],
]


@pytest.mark.parametrize("values", VALUES)
def test_what_is_closed_over_tells_functions_apart(values: list[Any]) -> None:
    keys = [cache_key(make(value), {}, "n") for value in values]
    assert None not in keys
    assert len(set(keys)) == len(values)
    assert [cache_key(make(value), {}, "n") for value in values] == keys


def test_variables_count_as_they_are_when_the_cache_is_asked() -> None:
    weights = [1]
    function = make(weights)
    before = function.identity
    weights.append(2)
    assert function.identity != before
    assert function.identity == make([1, 2]).identity


class Slow(int):
    pass


UNKNOWN: list[Callable[[], Any]] = [threading.Lock, object, lambda: [object()], lambda: Slow(1)]
UNKNOWN += [lambda: "x" * 20_000_000, lambda: [0] * 20_000]


@pytest.mark.parametrize("build", UNKNOWN)
def test_what_cannot_be_compared_is_not_cached_and_a_warning_says_why(
    build: Callable[[], Any],
) -> None:
    value = build()
    with pytest.warns(UserWarning, match=r"make\.<locals>\.scale are not cached: .* 'k', which"):
        assert cache_key(make(value), {}, "n") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        assert make(value).place is None


def test_functions_in_variables_count_with_their_own() -> None:
    def outer(inner: Any) -> Function[..., Any]:
        @func(cache=True)
        def call(x: int) -> int:
            return inner(x)  # type: ignore[no-any-return]

        return call

    places = [outer(f).place for f in (make(2), make(3), adder(2), adder(3), outer(make(2)))]
    assert None not in places
    assert len(set(places)) == len(places)
    assert outer(make(2)).place == places[0]
    with pytest.warns(UserWarning, match="'inner', 'k', which has a object"):
        assert outer(make(object())).place is None


def test_a_function_that_calls_itself_has_a_place() -> None:
    def outer(end: int) -> Function[..., Any]:
        @func(cache=True)
        def count(n: int) -> int:
            return count(n - 1) if n else end

        return count

    assert outer(1).place == outer(1).place != outer(2).place
    assert outer(1).place is not None


def test_another_definition_under_a_name_is_told_from_the_first() -> None:
    text = (
        "import sematic\n@sematic.func(cache=True)\ndef {name}(x: int) -> int:\n"
        "    return {value}\n"
    )

    def define(name: str, value: int) -> Function[..., Any]:
        names: dict[str, Any] = {"__name__": __name__}
        exec(text.format(name=name, value=value), names)
        function: Function[..., Any] = names[name]
        return function

    first, second, again = define("f", 1), define("f", 2), define("f", 1)
    assert first.place != second.place
    assert again.place == first.place == define("g", 2).place, "of the file"
    assert first.map.place != second.map.place
    assert make(1).map.place != make(2).map.place


def decorated(k: Any, name: str = "base") -> Any:
    """What ``@func`` over a decorator of the user's own makes, at the top of a module."""

    def base(x: int) -> int:
        return x

    base.__qualname__ = name

    @functools.wraps(base)
    def wrapper(x: int) -> int:
        return base(x) * int(k)

    return func(cache=True)(wrapper)


def test_decorators_of_the_users_own_tell_what_they_make_apart_by_their_values() -> None:
    values = [2, 3, "2", (1, 2), Kind.ONE, Config(frozenset("ab"))]
    places = {decorated(value).place for value in values}
    assert None not in places
    assert len(places) == len(values), "all in one process"
    firsts = {decorated(value, f"first_{i}").place for i, value in enumerate(values)}
    assert len(firsts) == len(values), "each the first of its process, by which no code is needed"
    assert decorated(adder(1), "f1").place != decorated(adder(2), "f2").place
    assert decorated(make, "g1").place != decorated(adder, "g2").place, "by their names"
    assert decorated(make, "g3").place == decorated(make, "g4").place


def test_what_a_decorator_holds_on_to_beside_values_is_no_more_compared_than_a_global() -> None:
    plain = find_place(__file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decorated(threading.Lock(), "locked").place == plain
        assert decorated([1, [Slow(1)]], "slow").place == plain
        assert decorated(make(object()), "closed_over").place == plain
    with pytest.warns(UserWarning, match="'k', which is too large"):
        assert decorated([0] * 20_000, "large").place is None
    closures._told.clear()
    with pytest.warns(UserWarning, match="'k', which has a lock"):
        assert decorated(threading.Lock(), "locked").place is None, "a second one of its name"


@pytest.mark.parametrize(
    ("holder", "change"),
    [
        ({1: "a", 2: "b"}, lambda holder: holder.update({len(holder) + 1: "c"})),
        ({1, 2}, lambda holder: holder.add(len(holder) + 1)),
    ],
)
def test_a_container_may_change_while_it_is_looked_at(
    holder: Any, change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def remembering(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(x: int) -> int:
            return int(function(x) + len(holder))

        return call

    def hex_of(value: int) -> bytes:
        change(holder)  # as a function does that executes in another thread
        return hex(value).encode()

    @func(cache=True)
    @remembering
    def remembered(x: int) -> int:
        return x

    monkeypatch.setitem(closures._PLAIN, int, hex_of)
    assert remembered.place is not None
    assert len(holder) > 2  # it did change


def test_fields_that_are_not_set_do_not_count() -> None:
    first, second = Unset(1), Unset(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make(first).place == make(Unset(1)).place != make(second).place
        second.late = 3
        assert make(second).place != make(Unset(2)).place


def test_a_decorated_module_that_is_imported_anew_has_the_same_places() -> None:
    assert decorated(2, "anew").place == decorated(2, "anew").place
    assert decorated(3, "anew").place != decorated(2, "anew").place


def test_the_first_of_each_file_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where one process runs two scripts of one name, one after the other."""

    def define(value: int) -> Function[..., Any]:
        names: dict[str, Any] = {"__name__": __name__, "func": func}
        exec(f"@func\ndef one_of_two(x: int) -> int:\n    return {value}\n", names)
        function: Function[..., Any] = names["one_of_two"]
        return function

    places = []
    for file in ("/one/train.py", "/two/train.py"):
        monkeypatch.setattr(sys.modules[__name__], "__file__", file)
        function = define(len(places))
        assert function.place == find_place(file)
        places.append(function.place)
    assert places[0] != places[1]


def test_the_key_is_the_same_where_the_code_was_sent_to() -> None:
    for value in (2, Config(frozenset("ab")), adder(1), make(3)):
        function = make(value)
        reference = build_reference(function)
        assert reference.code is not None
        sent = load_function(reference)
        assert sent is not function
        assert sent.identity == function.identity


SCRIPT = """
import enum
import sematic

class Kind(enum.Enum):
    ONE = 1

def helper(x: int) -> int:
    return x

def make(k):
    @sematic.func(cache=True)
    def scale(x: int) -> int:
        return x
    return scale

print(make([{"a", "b", "c"}, Kind.ONE, helper, 1.5, {b"x": None}]).identity)
"""


def test_the_identity_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "flow.py"
    script.write_text(SCRIPT)
    root = str(Path(sematic.__file__).parents[1])
    told = {
        subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(told) == 1
    assert '"v' in told.pop()


def test_the_record_keeps_that_nothing_told_a_function_from_others() -> None:
    recorded = RecordedFunction("flow.f", source_hash="1" * 40)
    assert recorded.place is not None
    assert recorded.of_call(None, None, "").place is None
    assert RecordedFunction("flow.make.<locals>.f", source_hash="1" * 40).place is None
