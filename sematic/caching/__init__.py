"""Caching: under which name the outputs of a pipeline run are shared with others."""

import warnings
from collections.abc import Callable
from typing import TypeAlias

from sematic.future import Future
from sematic.types.display import short_repr

CacheNamespace: TypeAlias = str | Callable[[Future], str] | None
"""A name under which outputs are shared between pipeline runs, or how to make it from the root."""

_MOST_CHARACTERS = 50
_UNUSABLE = (
    "The Pipeline Run is unable to use cached values! Falling back to execution for all funcs! "
    "The cache namespace cannot be used: {}"
)


def _warn_caller(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)


def determine_cache_namespace(
    namespace: CacheNamespace, root: Future, *, warn: Callable[[str], None] = _warn_caller
) -> str | None:
    """The name under which a pipeline run shares its outputs; ``None`` for no caching.

    A callable that raises, or a name that is no string, is warned of: then nothing is cached and
    everything is executed.

    Args:
        namespace: at most 50 characters of it count.
        root: what a callable is given.
        warn: told one sentence.
    """
    if namespace is None:
        return None
    try:
        name = str(namespace(root)) if callable(namespace) else namespace
    except Exception as error:  # noqa: BLE001
        # The user's own callable; caching is no reason to fail a pipeline.
        warn(_UNUSABLE.format(f"its callable raised {type(error).__name__}: {error}"))
        return None
    if not isinstance(name, str):
        warn(_UNUSABLE.format(f"it must be a string or a callable, got {short_repr(name)}"))
        return None
    if len(name) > _MOST_CHARACTERS:
        shown = short_repr(name, room=80)
        warn(f"Truncated the cache namespace to {_MOST_CHARACTERS} characters: {shown}")
    return name[:_MOST_CHARACTERS]
