"""The names that runners had before: deprecated, but they work."""

import warnings
from typing import Any

from sematic.errors import SematicError
from sematic.future import AbstractFuture
from sematic.runners.local_runner import LocalRunner
from sematic.runners.runner import Runner
from sematic.runners.silent_runner import SilentRunner


class _Resolver(Runner):
    """Warns, and runs like the runner that the subclass is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        old = type(self).__name__
        new = old.replace("Resolver", "Runner")
        warnings.warn(
            f"{old} will soon be deprecated in favor of {new}. Please migrate as soon as you are "
            "able.",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(*args, **kwargs)

    def resolve(self, future: AbstractFuture) -> Any:
        """Run a future; write ``run`` instead."""
        warnings.warn(
            "Calling .resolve(...) will soon be deprecated. Please use .run(...) instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.run(future)


class LocalResolver(_Resolver, LocalRunner):
    """The older name of :class:`sematic.LocalRunner`."""


class CloudResolver(_Resolver):
    """The older name of ``CloudRunner``, which this version does not have.

    Raises:
        SematicError: always, with what to use instead.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise SematicError(
            "CloudResolver is the older name of CloudRunner, and this version of sematic has no "
            "CloudRunner yet. Use LocalRunner; LocalRunner(ray_address=...) runs standalone "
            "functions on a Ray cluster."
        )

    def run(self, future: AbstractFuture) -> Any:
        """Never reached: it cannot be constructed."""
        raise NotImplementedError


class SilentResolver(_Resolver, SilentRunner):
    """The older name of :class:`sematic.SilentRunner`."""
