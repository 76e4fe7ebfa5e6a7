"""Who executes a cached call, who waits for the same one, who is served. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import Enum, auto

from sematic.calls import ArtifactRef
from sematic.function import Function

PLACE_DIGITS = 8
"""How much of the function's place is to be seen in a key, at the end of its hash."""


def cache_key(
    function: Function[..., object],
    inputs: Mapping[str, ArtifactRef],
    namespace: str,
    version: str | None = None,
) -> str | None:
    """The name under which an output is shared: the same on every machine, in every process.

    Made of the function's path, what tells it from functions of the same path in other files, its
    output type, the ids of its inputs, the namespace, and the version where there is one. ``None``
    where nothing tells the function from others; then its output is not shared.

    It ends in the namespace, behind ``_``; what is before that ends in the first eight characters
    of the function's place, so that two keys show whether they are of the same file.
    """
    found = function.identity
    if found is None:
        return None
    identity, place = found
    parts = [identity, "null" if version is None else json.dumps(version)]
    for name in sorted(inputs):
        parts += name, inputs[name].id
    digest = hashlib.sha1("\0".join(parts).encode()).hexdigest()  # none of them has a NUL
    return f"{digest[:-PLACE_DIGITS]}{place[:PLACE_DIGITS]}_{namespace}"


class Answer(Enum):
    """What a call without a known output is to do."""

    LOOK_UP = auto()
    """Ask the record; the first of its key does."""
    WAIT = auto()
    """Another call of this pipeline run computes the same."""
    EXECUTE = auto()
    """Do it: it is to execute in any case, or what computes the same is its own ancestor, or waits
    for one, so that waiting would never end."""


class CacheDesk:
    """The cached calls of one pipeline run."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._leaders: dict[str, str] = {}
        self._followers: dict[str, list[str]] = {}
        self._key_of: dict[str, str] = {}
        # Of a leader: the leaders that are waited for by what is nested in it.
        self._needs: dict[str, set[str]] = {}

    def ask(
        self, run_id: str, key: str, *, ancestors: Iterable[str], again: bool = False
    ) -> str | Answer:
        """The run that has the output of ``key``, or what the one that asks is to do about it.

        One that is to execute ``again`` does so whatever is known; others may wait for it.
        """
        if key in self._known and not again:
            return self._known[key]
        leader = self._leaders.setdefault(key, run_id)
        if leader == run_id:
            self._key_of[run_id] = key
            return Answer.EXECUTE if again else Answer.LOOK_UP
        if again:
            return Answer.EXECUTE
        above = {ancestor for ancestor in ancestors if ancestor in self._key_of}
        if leader in above or self._waits_for(leader, above):
            return Answer.EXECUTE
        for ancestor in above:
            self._needs.setdefault(ancestor, set()).add(leader)
        self._followers.setdefault(key, []).append(run_id)
        return Answer.WAIT

    def _waits_for(self, leader: str, others: set[str]) -> bool:
        """Whether a leader cannot resolve before one of ``others`` has."""
        seen, looked_at = {leader}, [leader]
        while looked_at and others:
            for needed in self._needs.get(looked_at.pop(), ()):
                if needed in others:
                    return True
                if needed in self._key_of and needed not in seen:
                    seen.add(needed)
                    looked_at.append(needed)
        return False

    def resolve(self, run_id: str) -> list[str]:
        """Say that the output of a run is known; returns the runs that waited for it."""
        self._needs.pop(run_id, None)
        key = self._key_of.pop(run_id, None)
        if key is None:
            return []
        self._known[key] = run_id
        return self._followers.pop(key, [])
