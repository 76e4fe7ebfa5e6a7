"""Caching: what a cache namespace is."""

from collections.abc import Callable
from typing import TypeAlias

from sematic.future import Future

CacheNamespace: TypeAlias = str | Callable[[Future], str] | None
"""A name under which outputs are shared between pipeline runs, or how to make it from the root."""
