"""The public names stay: `sematic.<name>` is what users write."""

import importlib

import pytest

import sematic

PUBLIC = [
    "AbstractFuture",
    "CacheNamespace",
    "Calculator",
    "CloudResolver",
    pytest.param(
        "CloudRunner", marks=pytest.mark.xfail(reason="comes with the cluster", strict=True)
    ),
    "KubernetesCapabilities",
    "KubernetesError",
    "KubernetesHostPathMount",
    "KubernetesResourceRequirements",
    "KubernetesSecretMount",
    "KubernetesSecurityContext",
    "KubernetesToleration",
    "KubernetesTolerationEffect",
    "KubernetesTolerationOperator",
    "LocalResolver",
    "LocalRunner",
    "NotInSematicFuncError",
    "PipelineRunError",
    "ResourceRequirements",
    "RetrySettings",
    "Runner",
    "SematicContext",
    "SilentResolver",
    "SilentRunner",
    "__version__",
    "context",
    "func",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name(name: str) -> None:
    assert name in sematic.__all__
    assert getattr(sematic, name) is not None


@pytest.mark.parametrize("name", sematic.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(sematic, name) is not None
    assert name in dir(sematic)


def test_exports_are_sorted_and_unique() -> None:
    assert len(sematic.__all__) == len(set(sematic.__all__))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Scheduler'"):
        _ = sematic.Scheduler


def test_every_error_is_in_one_tree() -> None:
    errors = importlib.import_module("sematic.errors")
    exceptions = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert exceptions
    assert all(issubclass(exception, sematic.SematicError) for exception in exceptions)
