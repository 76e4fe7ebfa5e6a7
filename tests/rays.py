"""One real Ray for all tests that use it: a start and an end take some four seconds."""

from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def ray_session() -> Iterator[ModuleType]:
    """The ``ray`` module, initialised: small, quiet, on loopback only, for the whole session.

    Pipeline runs of the session share it, as they share the Ray of an earlier one that still runs.
    """
    from sematic.ray_backend.cluster import LocalRay

    ray = LocalRay()
    yield ray.enter()
    ray.leave()
