"""Options, in the decorator and in ``set()``: the same checks, all or nothing."""

import json
import math
import re
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sematic
from sematic import ResourceRequirements, RetrySettings
from sematic.errors import InvalidOptionError
from sematic.future import Future
from sematic.options import (
    CallOptions,
    build_options,
    change_options,
    options_from_json,
    options_to_json,
)
from sematic.retry import MOST_SECONDS
from sematic.types import names

RETRY = RetrySettings(exceptions=(ValueError, KeyError), retries=3)
RESOURCES = ResourceRequirements()

HUGE = 10**5000  # Python refuses to write its digits

WRONG = [
    ("standalone", "yes", "Invalid `standalone`, must be a bool: 'yes'"),
    ("standalone", 1, "Invalid `standalone`, must be a bool: 1"),
    ("cache", None, "Invalid `cache`, must be a bool: None"),
    ("retry", 3, "Invalid `retry`, must be a RetrySettings: 3."),
    ("retry", "ValueError", "Invalid `retry`, must be a RetrySettings: 'ValueError'."),
    ("timeout_mins", 1.5, "Timeouts must be an integer number of minutes, got: 1.5"),
    ("timeout_mins", 2.0, "Timeouts must be an integer number of minutes, got: 2.0"),
    ("timeout_mins", True, "Timeouts must be an integer number of minutes, got: True"),
    ("timeout_mins", "5", "Timeouts must be an integer number of minutes, got: '5'"),
    ("timeout_mins", 0, "Timeouts must be >=1 minutes, got: 0"),
    ("timeout_mins", -3, "Timeouts must be >=1 minutes, got: -3"),
    ("timeout_seconds", "5", "timeout_seconds must be a number of seconds, got: '5'"),
    ("timeout_seconds", True, "timeout_seconds must be a number of seconds, got: True"),
    ("timeout_seconds", 0, "timeout_seconds must be more than 0, got: 0"),
    ("timeout_seconds", -0.5, "timeout_seconds must be more than 0, got: -0.5"),
    ("timeout_seconds", math.nan, "timeout_seconds must be more than 0, got: nan"),
    ("timeout_seconds", math.inf, "timeout_seconds must be at most 100 years, got: inf. Leave it"),
    ("timeout_seconds", 1e308, "timeout_seconds must be at most 100 years, got: 1e+308."),
    pytest.param("timeout_seconds", HUGE, "timeout_seconds must be at most 100 years", id="huge s"),
    pytest.param("timeout_mins", HUGE, "timeout_mins must be at most 100 years", id="huge min"),
    pytest.param("timeout_mins", -HUGE, "Timeouts must be >=1 minutes, got: <int", id="negative"),
    pytest.param("base_image_tag", HUGE, "Invalid `base_image_tag`, must be a", id="huge tag"),
    (
        "resource_requirements",
        {"cpu": 1},
        "Invalid `resource_requirements`, must be a ResourceRequirements: {'cpu': 1}",
    ),
    ("base_image_tag", "", "Invalid `base_image_tag`, must be a non-empty string: ''"),
    ("base_image_tag", 3, "Invalid `base_image_tag`, must be a non-empty string: 3"),
    ("cache_version", "", "Invalid `cache_version`, must be a non-empty string or an integer: ''"),
    (
        "cache_version",
        1.5,
        "Invalid `cache_version`, must be a non-empty string or an integer: 1.5",
    ),
    ("cache_version", True, "Invalid `cache_version`, must be a non-empty string or an integer"),
]
WRONG_IN_SET = [
    *WRONG,
    ("name", "", "Invalid `name`, must be a non-empty string: ''"),
    ("name", 3, "Invalid `name`, must be a non-empty string: 3"),
    ("name", None, "Invalid `name`, must be a non-empty string: None"),
    ("tags", "abc", "Invalid `tags`, must be a list of non empty strings: 'abc'"),
    ("tags", ["a", ""], "Invalid `tags`, must be a list of non empty strings: ['a', '']"),
    ("tags", [1], "Invalid `tags`, must be a list of non empty strings: [1]"),
    ("tags", None, "Invalid `tags`, must be a list of non empty strings: None"),
]
GOOD = {
    "standalone": True,
    "cache": True,
    "retry": RETRY,
    "timeout_mins": 5,
    "resource_requirements": RESOURCES,
    "base_image_tag": "gpu",
    "cache_version": "2",
}


@sematic.func
def step(x: int) -> int:
    return x


@pytest.fixture
def future() -> Future:
    return step(1)


# --- in the decorator


def test_options_of_a_plain_function() -> None:
    assert step.options == CallOptions(name="step")


def test_options_of_the_decorator_are_those_of_its_calls() -> None:
    @sematic.func(**GOOD)
    def decorated(x: int) -> int:
        return x

    assert decorated.options == CallOptions(name="decorated", **GOOD)
    assert decorated(1).props == decorated.options


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_the_decorator_refuses(name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        sematic.func(**{name: value})
    assert str(caught.value).startswith(message)


def test_the_decorator_refuses_with_the_function_given_too() -> None:
    def plain(x: int) -> int:
        return x

    with pytest.raises(InvalidOptionError, match="Timeouts"):
        sematic.func(plain, timeout_mins=0)


def test_wrong_options_are_value_errors() -> None:
    with pytest.raises(ValueError, match="Timeouts must be"):
        sematic.func(timeout_mins=0)


def test_resources_need_standalone() -> None:
    with pytest.raises(ValueError, match="Only Standalone Functions can have resource requirem"):
        sematic.func(resource_requirements=RESOURCES)


def test_the_decorator_has_no_other_options() -> None:
    with pytest.raises(TypeError, match="colour"):
        sematic.func(colour="red")  # type: ignore[call-overload]


# --- in set()


def test_every_option_that_can_be_set_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "futures.md").read_text()
    (sentence,) = [line for line in page.splitlines() if "can be set. A wrong one" in line]
    names = {field.name for field in fields(CallOptions)}
    assert set(re.findall("`(.*?)`", sentence)) == names
    assert set(re.findall("``(.*?)``", Future.set.__doc__ or "")) == names


def test_set_changes_one_call_and_returns_it(future: Future) -> None:
    assert future.set(name="first", tags=["a", "b"], **GOOD) is future
    assert future.props == CallOptions(name="first", tags=("a", "b"), **GOOD)
    assert step.options == CallOptions(name="step")


@pytest.mark.parametrize(("name", "value", "message"), WRONG_IN_SET)
def test_set_refuses(future: Future, name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        future.set(**{name: value})
    assert str(caught.value).startswith(message)


def test_set_is_all_or_nothing(future: Future) -> None:
    before = future.props
    with pytest.raises(InvalidOptionError):
        future.set(name="other", cache=True, timeout_mins=0)
    assert future.props is before


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [
        ("foo", "Options are: base"),
        ("id", "Options are: base"),
        ("tag", "Did you mean 'tags'?"),
        ("inline", "Inline is the default; write standalone=True in place of inline=False."),
        ("retries", "Write retry=sematic.RetrySettings("),
    ],
)
def test_set_refuses_unknown_fields(future: Future, unknown: str, hint: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        future.set(cache=True, **{unknown: 1})
    assert str(caught.value).startswith(f"Cannot mutate fields: {{'{unknown}'}}. {hint}")
    assert not future.props.cache


def test_set_names_every_unknown_field(future: Future) -> None:
    with pytest.raises(InvalidOptionError, match=r"fields: \{'a', 'b'\}"):
        future.set(b=1, a=2)


def test_set_resources_needs_standalone(future: Future) -> None:
    with pytest.raises(InvalidOptionError, match="Only Standalone"):
        future.set(resource_requirements=RESOURCES)
    future.set(resource_requirements=RESOURCES, standalone=True)
    with pytest.raises(InvalidOptionError, match="Only Standalone"):
        future.set(standalone=False)
    assert future.props.standalone


@pytest.mark.parametrize(
    "name", ["retry", "timeout_mins", "resource_requirements", "base_image_tag"]
)
def test_set_takes_options_back_with_none(future: Future, name: str) -> None:
    future.set(**GOOD)
    future.set(**{name: None})
    assert getattr(future.props, name) is None


def test_set_without_options_changes_nothing(future: Future) -> None:
    assert future.set().props == step.options


# --- time limits


def test_a_limit_is_given_in_minutes_or_in_seconds() -> None:
    assert build().limit_seconds is None
    assert build(timeout_mins=2).limit_seconds == 120.0
    assert build(timeout_seconds=1).limit_seconds == 1.0
    assert build(timeout_seconds=0.25).limit_seconds == 0.25


def test_the_decorator_takes_seconds() -> None:
    @sematic.func(timeout_seconds=2)
    def fast(x: int) -> int:
        return x

    assert fast.options == CallOptions(name="fast", timeout_seconds=2.0)


def test_a_limit_is_not_given_twice(future: Future) -> None:
    both = {"timeout_mins": 1, "timeout_seconds": 60.0}
    message = "Give a time limit as timeout_mins or as timeout_seconds, not as both: 1 and 60.0"
    for give in (sematic.func, future.set):
        with pytest.raises(InvalidOptionError, match=message):
            give(**both)
    assert future.props.limit_seconds is None


def test_set_replaces_one_by_the_other(future: Future) -> None:
    future.set(timeout_mins=2).set(timeout_seconds=5)
    assert (future.props.timeout_mins, future.props.timeout_seconds) == (None, 5.0)
    future.set(timeout_mins=3)
    assert (future.props.timeout_mins, future.props.timeout_seconds) == (3, None)
    future.set(name="other")
    assert future.props.limit_seconds == 180.0


def test_none_takes_back_only_what_it_names(future: Future) -> None:
    future.set(timeout_mins=2).set(timeout_seconds=None)
    assert future.props.limit_seconds == 120.0
    future.set(timeout_mins=None)
    assert future.props.limit_seconds is None


# --- as data


def build(**values: object) -> CallOptions:
    return change_options(build_options("step", {}), values)


def test_options_as_json_are_those_without_their_default() -> None:
    assert options_to_json(build()) == {"name": "step"}
    assert options_to_json(build(tags=["a"], retry=RETRY, timeout_mins=3, cache=True)) == {
        "name": "step",
        "tags": ["a"],
        "retry": {"exceptions": ["builtins.ValueError", "builtins.KeyError"], "retries": 3},
        "timeout_mins": 3,
        "cache": True,
    }


def test_resources_as_json() -> None:
    changed = options_to_json(build(standalone=True, resource_requirements=RESOURCES))
    assert changed["resource_requirements"] == RESOURCES.to_json()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"tags": ["a", "b"], "timeout_mins": 3, "cache": True, "base_image_tag": "gpu"},
        {"timeout_seconds": 0.5},
        {"retry": RETRY},
        {"retry": RetrySettings((ValueError,), 3, 0.5, 60.0, 1.0)},
        {"retry": RetrySettings((sematic.TimeoutError,), 1, jitter=0.0)},
        {"standalone": True, "resource_requirements": RESOURCES},
    ],
)
def test_options_come_back_from_json(values) -> None:
    options = build(**values)
    data = json.loads(json.dumps(options_to_json(options)))
    assert options_from_json(data, build_options("other", {})) == options


def test_pauses_as_json_are_those_that_were_given() -> None:
    retry = RetrySettings((ValueError,), retries=1, backoff_seconds=2, jitter=0.0)
    assert options_to_json(build(retry=retry))["retry"] == {
        "exceptions": ["builtins.ValueError"],
        "retries": 1,
        "backoff_seconds": 2,
        "jitter": 0.0,
    }


def test_options_that_were_recorded_before_there_were_pauses() -> None:
    recorded = {"exceptions": ["builtins.ValueError"], "retries": 2}
    options = options_from_json({"name": "step", "retry": recorded}, build())
    assert options.retry == RetrySettings((ValueError,), retries=2)
    assert (options.retry.backoff_seconds, options.limit_seconds) == (0.0, None)


def test_retries_for_an_exception_that_has_moved_are_those_of_the_function() -> None:
    data = {"name": "step", "retry": {"exceptions": ["gone.Error"], "retries": 3}}
    assert options_from_json(data, build(retry=RETRY)).retry == RETRY
    assert options_from_json(data, build()).retry is None


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError):
        build().cache = True  # type: ignore[misc]


def test_a_cache_version_may_be_a_number() -> None:
    for number in (0, 1):
        recorded = options_to_json(build(cache_version=number))
        assert recorded["cache_version"] == str(number)
        assert options_from_json(recorded, build()).cache_version == str(number)


# --- how much is too much


@given(st.one_of(st.integers(), st.floats(), st.just(10**400), st.just(10**5000)))
@pytest.mark.parametrize("name", ["timeout_mins", "timeout_seconds"])
def test_a_time_limit_is_refused_or_can_be_waited_for(name: str, value: float) -> None:
    try:
        options = build_options("f", {name: value})
    except InvalidOptionError:
        return
    limit = options.limit_seconds
    assert limit is not None
    assert 0 < limit <= MOST_SECONDS < threading.TIMEOUT_MAX


@pytest.mark.parametrize("limit", [{"timeout_seconds": MOST_SECONDS}, {"timeout_mins": 10**7}])
def test_the_longest_time_limits_work(limit: dict[str, Any]) -> None:
    @sematic.func(**limit)
    def number() -> int:
        return 1

    for runner in (sematic.SilentRunner(), sematic.LocalRunner(progress="off")):
        assert runner.run(number()) == 1


class Outer:
    class Inner(Exception):
        pass


def test_retries_for_an_exception_that_is_nested_in_another_class() -> None:
    data = options_to_json(build(retry=RetrySettings((Outer.Inner,), retries=1)))
    found = options_from_json(json.loads(json.dumps(data)), build()).retry
    assert found is not None
    assert [kind.__qualname__ for kind in found.exceptions] == ["Outer.Inner"]


def test_exceptions_of_a_script_are_found_in_it_and_under_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = type("Own", (Exception,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "Own", own, raising=False)
    monkeypatch.setattr(names, "_told_name", "my_script")
    data = options_to_json(build(retry=RetrySettings((own,), retries=1)))
    assert data["retry"] == {"exceptions": ["my_script.Own"], "retries": 1}
    assert options_from_json(data, build()).retry == RetrySettings((own,), retries=1)
