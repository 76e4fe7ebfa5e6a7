"""Names of options that do not exist: the error says which one was meant, or what to write."""

import inspect
import pickle
from typing import Any

import pytest

import sematic
from sematic.errors import InvalidOptionError, UnknownOptionError

OF_FUNC = [
    ("retries", "Write retry=sematic.RetrySettings(exceptions=(OSError,), retries=3)."),
    ("timeout", "Write timeout_mins=5, or timeout_seconds=30."),
    ("timeout_min", "Did you mean 'timeout_mins'?"),
    ("standlone", "Did you mean 'standalone'?"),
    ("parallel", "Write standalone=True."),
    ("name", "Set it for one call: function(...).set(name=...)."),
    ("num_cpus", "Write standalone=True, resource_requirements=sematic.ResourceRequirements("),
    ("cache_namespace", "That is an option of the runner: sematic.LocalRunner(cache_namespace="),
    ("colour", "Options are: base_image_tag, cache, cache_version, resource_requirements, retry"),
]


def decorate(options: dict[str, Any]) -> object:
    @sematic.func(**options)
    def function() -> int:
        return 1

    return function


@pytest.mark.parametrize(("name", "hint"), OF_FUNC)
def test_options_of_the_decorator(name: str, hint: str) -> None:
    with pytest.raises(UnknownOptionError) as caught:
        decorate({name: 3})
    wrong = f"sematic.func() got an unexpected keyword argument {name!r}. "
    assert str(caught.value).startswith(wrong + hint)


@pytest.mark.parametrize(
    ("make", "name", "hint"),
    [
        (sematic.LocalRunner, "max_paralelism", "Did you mean 'max_parallelism'?"),
        (sematic.LocalRunner, "max_workers", "Write max_parallelism=4."),
        (sematic.LocalRunner, "colour", "Options are: cache_namespace, max_parallelism,"),
        (sematic.LocalRunner, "detach", "That is an option of CloudRunner, which this version"),
        (sematic.SilentRunner, "max_parallelism", "It takes none."),
        (sematic.RetrySettings, "backoff", "Write backoff_seconds=1.0."),
        (sematic.ResourceRequirements, "cpu", "Write kubernetes=sematic.KubernetesResourceReq"),
        (sematic.KubernetesResourceRequirements, "memory", 'Write requests={"cpu": "1", '),
        (sematic.KubernetesResourceRequirements, "request", "Did you mean 'requests'?"),
    ],
)
def test_options_of_classes(make: Any, name: str, hint: str) -> None:
    with pytest.raises(UnknownOptionError) as caught:
        make(**{name: 1})
    wrong = f"{make.__name__}() got an unexpected keyword argument {name!r}. "
    assert str(caught.value).startswith(wrong + hint)


def test_it_is_the_error_that_python_raises_and_that_wrong_options_raise() -> None:
    with pytest.raises(TypeError):
        sematic.LocalRunner(colour=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidOptionError):
        decorate({"colour": 1})


def test_what_was_not_wrong_stays_as_it_was() -> None:
    settings = sematic.RetrySettings((OSError,), retries=2)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert next(iter(inspect.signature(sematic.RetrySettings).parameters)) == "exceptions"
    assert list(inspect.signature(sematic.func).parameters)[:2] == ["func", "standalone"]

    class MyRunner(sematic.LocalRunner):
        def __init__(self, colour: str) -> None:
            super().__init__(progress="off")
            self.colour = colour

    assert MyRunner(colour="red").colour == "red"
    assert isinstance(sematic.func(func=lambda: None), sematic.Function)


def test_what_was_meant_by_a_value() -> None:
    with pytest.raises(InvalidOptionError, match=r"got: 0\.5\. Write timeout_seconds=30\.$"):
        decorate({"timeout_mins": 0.5})
    with pytest.raises(InvalidOptionError, match=r"got <class 'OSError'>\. Write \(OSError,\)\.$"):
        sematic.RetrySettings(OSError, retries=1)  # type: ignore[arg-type]
    with pytest.raises(
        InvalidOptionError, match=r"'cpu': 1}\. Write standalone=True, resource_req"
    ):
        decorate({"standalone": True, "resource_requirements": {"cpu": 1}})
