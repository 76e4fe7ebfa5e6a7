"""sematic: typed Python functions become pipelines, on a laptop or on a cluster."""

import importlib
from typing import TYPE_CHECKING, Any

from sematic.caching import CacheNamespace
from sematic.errors import (
    CancellationError,
    InfrastructureError,
    KubernetesError,
    NotInSematicFuncError,
    PipelineRunError,
    SematicError,
    TimeoutError,
)
from sematic.function import Function, func
from sematic.future import AbstractFuture, Future
from sematic.resources import (
    KubernetesCapabilities,
    KubernetesHostPathMount,
    KubernetesResourceRequirements,
    KubernetesSecretMount,
    KubernetesSecurityContext,
    KubernetesToleration,
    KubernetesTolerationEffect,
    KubernetesTolerationOperator,
    ResourceRequirements,
)
from sematic.retry import RetrySettings
from sematic.run_context import SematicContext, context
from sematic.runners.runner import Runner
from sematic.states import PipelineRunStatus, RunState
from sematic.version import __version__

if TYPE_CHECKING:
    from sematic.runners.local_runner import LocalRunner
    from sematic.runners.resolvers import CloudResolver, LocalResolver, SilentResolver
    from sematic.runners.silent_runner import SilentRunner

Calculator = Function
"""The older name of :class:`sematic.function.Function`."""

# Loaded on first access: most programs need one runner, and an import should cost nothing.
_LAZY = {
    "LocalRunner": "sematic.runners.local_runner",
    "SilentRunner": "sematic.runners.silent_runner",
    "CloudResolver": "sematic.runners.resolvers",
    "LocalResolver": "sematic.runners.resolvers",
    "SilentResolver": "sematic.runners.resolvers",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "AbstractFuture",
    "CacheNamespace",
    "Calculator",
    "CancellationError",
    "CloudResolver",
    "Function",
    "Future",
    "InfrastructureError",
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
    "PipelineRunStatus",
    "ResourceRequirements",
    "RetrySettings",
    "RunState",
    "Runner",
    "SematicContext",
    "SematicError",
    "SilentResolver",
    "SilentRunner",
    "TimeoutError",
    "__version__",
    "context",
    "func",
]
