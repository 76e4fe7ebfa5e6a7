"""Options, in the decorator and in ``set()``: the same checks, all or nothing."""

import json

import pytest

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

RETRY = RetrySettings(exceptions=(ValueError, KeyError), retries=3)
RESOURCES = ResourceRequirements()

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
    (
        "resource_requirements",
        {"cpu": 1},
        "Invalid `resource_requirements`, must be a ResourceRequirements: {'cpu': 1}",
    ),
    ("base_image_tag", "", "Invalid `base_image_tag`, must be a non-empty string: ''"),
    ("base_image_tag", 3, "Invalid `base_image_tag`, must be a non-empty string: 3"),
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


@pytest.mark.parametrize("unknown", ["foo", "inline", "state", "id"])
def test_set_refuses_unknown_fields(future: Future, unknown: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        future.set(cache=True, **{unknown: 1})
    assert str(caught.value).startswith(f"Cannot mutate fields: {{'{unknown}'}}. Options are: base")
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


@pytest.mark.parametrize("name", ["retry", "timeout_mins", "resource_requirements"])
def test_set_takes_options_back_with_none(future: Future, name: str) -> None:
    future.set(**GOOD)
    future.set(**{name: None})
    assert getattr(future.props, name) is None


def test_set_without_options_changes_nothing(future: Future) -> None:
    assert future.set().props == step.options


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
        {"retry": RETRY},
        {"standalone": True, "resource_requirements": RESOURCES},
    ],
)
def test_options_come_back_from_json(values) -> None:
    options = build(**values)
    data = json.loads(json.dumps(options_to_json(options)))
    assert options_from_json(data, build_options("other", {})) == options


def test_retries_for_an_exception_that_has_moved_are_those_of_the_function() -> None:
    data = {"name": "step", "retry": {"exceptions": ["gone.Error"], "retries": 3}}
    assert options_from_json(data, build(retry=RETRY)).retry == RETRY
    assert options_from_json(data, build()).retry is None


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError):
        build().cache = True  # type: ignore[misc]
