"""Questions to the record about why a run is as it is. Each looks at few rows, or at narrow ones.

Plain SQL, as in ``queries.py``: a record of a hundred thousand runs answers in a fraction of a
second.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sematic.cache_desk import PLACE_DIGITS
from sematic.code_places import CLOSURE, INSTALLED, LOOSE, NAMELESS, TRACKED
from sematic.states import RunState
from sematic.tracking.reading import reading
from sematic.tracking.views import RunRow

_MOST_COMPARED = 20_000
_MOST_CLOSE = 50
_UNENDED = tuple(state.value for state in RunState if not state.is_terminal)


@dataclass(frozen=True, slots=True)
class CloseRun:
    """An earlier call of a function that asked the cache.

    Attributes:
        inputs: the ids of its arguments, by name.
        version: its ``cache_version``.
    """

    id: str
    cache_key: str
    inputs: Mapping[str, str | None]
    version: str | None

    @property
    def namespace(self) -> str:
        """Under which it asked."""
        return namespace_of(self.cache_key)


def namespace_of(cache_key: str) -> str:
    """The namespace that is part of a cache key."""
    return cache_key.partition("_")[2]


def place_of(cache_key: str) -> str | None:
    """What a cache key shows of the file of its function: equal for functions of one file.

    The first letter is that of :mod:`sematic.code_places`. ``None`` for keys of older versions.
    """
    place = cache_key.partition("_")[0][-PLACE_DIGITS:]
    return place if place.startswith((TRACKED, LOOSE, NAMELESS, INSTALLED, CLOSURE)) else None


def find_closest(url: str, run: RunRow, inputs: Mapping[str, str]) -> CloseRun | None:
    """The earlier call of a run's function whose cache key has most in common with its own.

    Calls of other pipeline runs come before those of its own, and of several the latest is
    taken. The latest 20,000 that have begun, or were served an output of another call, are looked
    at.

    Args:
        url: of the record.
        run: one that asked the cache.
        inputs: the ids of its arguments, by name.

    Raises:
        RecordError: the record cannot be read.
    """
    alike = " OR ".join("(i.name = ? AND i.artifact_id = ?)" for _ in inputs) or "1 = 0"
    pairs = [part for pair in inputs.items() for part in pair]
    with reading(url) as ask:
        for sign in ("<>", "="):
            query = (
                "SELECT e.id, e.cache_key, e.options, "
                f"SUM(CASE WHEN {alike} THEN 1 ELSE 0 END) AS same_inputs "
                # Not by the index of the keys: row by row in its order takes twice as long.
                "FROM (SELECT id, cache_key, options, created_at FROM runs "
                "WHERE COALESCE(cache_key, '') <> '' "
                f"AND function_path = ? AND root_id {sign} ? AND id <> ? "
                # Not those that were cancelled before they had begun, or were served this one.
                "AND COALESCE(scheduled_at, resolved_at) IS NOT NULL "
                "AND COALESCE(original_run_id, '') <> ? "
                "AND created_at <= ? ORDER BY created_at DESC LIMIT ?) e "
                "LEFT JOIN run_inputs i ON i.run_id = e.id "
                "GROUP BY e.id, e.cache_key, e.options, e.created_at "
                "ORDER BY same_inputs DESC, e.created_at DESC LIMIT ?"
            )
            which = [run.function_path, run.root_id, run.id, run.id, run.created_at]
            rows = list(ask(query, [*pairs, *which, _MOST_COMPARED, _MOST_CLOSE]))
            if rows:
                found = [
                    CloseRun(id_, key, _inputs(ask, id_), json.loads(options).get("cache_version"))
                    for id_, key, options, _ in rows
                ]
                return min(found, key=lambda close: _distance(close, run, inputs))
    return None


def _distance(close: CloseRun, run: RunRow, inputs: Mapping[str, str]) -> tuple[bool, int]:
    names = {*inputs, *close.inputs}
    differing = sum(inputs.get(name) != close.inputs.get(name) for name in names)
    differing += close.version != run.options.get("cache_version")
    differing += close.namespace != namespace_of(run.cache_key or "")
    differing += place_of(close.cache_key) != place_of(run.cache_key or "")
    return close.cache_key != run.cache_key, differing


def _inputs(ask: Any, run_id: str) -> dict[str, str | None]:
    return dict(ask("SELECT name, artifact_id FROM run_inputs WHERE run_id = ?", [run_id]))


def find_first_failed(url: str, root_id: str) -> str | None:
    """The id of the run of a pipeline run that failed first, if any did.

    Raises:
        RecordError: the record cannot be read.
    """
    query = "SELECT id FROM runs WHERE root_id = ? AND state = ? ORDER BY failed_at LIMIT 1"
    with reading(url) as ask:
        for (id_,) in ask(query, [root_id, RunState.FAILED.value]):
            return str(id_)
    return None


def find_seed(url: str, run: RunRow) -> Mapping[str, Any] | None:
    """How a rerun began with a run: ``state``, and whether it was to execute ``again``.

    ``None`` where the pipeline run did not begin with it, or is no rerun.

    Raises:
        RecordError: the record cannot be read.
    """
    query = "SELECT payload FROM events WHERE root_id = ? AND epoch = 1 AND seq = 0"
    with reading(url) as ask:
        for (payload,) in ask(query, [run.root_id]):
            if run.id not in payload:  # a rerun of many begins with a long text
                return None
            for seed in json.loads(payload).get("seeds", ()):
                if seed["call"]["run_id"] == run.id:
                    return {"state": seed["state"], "again": seed.get("again", False)}
    return None


def find_failed_below(url: str, run: RunRow) -> list[str]:
    """The ids on the way from a run down to what failed first below it, that one last.

    Raises:
        RecordError: the record cannot be read.
    """
    query = "SELECT id, parent_id, state, failed_at FROM runs WHERE root_id = ? AND failed_at > 0"
    with reading(url) as ask:
        rows = list(ask(query, [run.root_id]))
    parents = {id_: parent_id for id_, parent_id, *_ in rows}
    failed = [(at, id_) for id_, _, state, at in rows if state == RunState.FAILED.value]
    for _, id_ in sorted(failed):
        way = [id_]
        while (parent := parents.get(way[-1])) is not None and parent != run.id:
            way.append(parent)
        if parents.get(way[-1]) == run.id:
            return way[::-1]
    return []


def find_unended(
    url: str, root_id: str, *, parent_id: str | None = None, limit: int = 10
) -> tuple[int, Sequence[str]]:
    """How many runs of a pipeline run, or nested in one, go on; and the ids of the first of them.

    Raises:
        RecordError: the record cannot be read.
    """
    where = f"root_id = ? AND state IN ({', '.join('?' for _ in _UNENDED)})"
    values: list[Any] = [root_id, *_UNENDED]
    if parent_id is not None:
        where, values = f"{where} AND parent_id = ?", [*values, parent_id]
    with reading(url) as ask:
        ((count,),) = ask(f"SELECT COUNT(*) FROM runs WHERE {where}", values)
        ids = ask(f"SELECT id FROM runs WHERE {where} ORDER BY ordinal LIMIT ?", [*values, limit])
        return int(count), [row[0] for row in ids]


def find_executing(url: str, root_id: str, *, standalone: bool) -> list[str]:
    """The ids of the standalone, or of the inline, runs of a pipeline run that are SCHEDULED.

    Raises:
        RecordError: the record cannot be read.
    """
    query = "SELECT id, standalone FROM runs WHERE root_id = ? AND state = ? ORDER BY scheduled_at"
    with reading(url) as ask:
        rows = ask(query, [root_id, RunState.SCHEDULED.value])
        return [id_ for id_, apart in rows if bool(apart) is standalone]


def find_leader(url: str, run: RunRow, inputs: Mapping[str, str]) -> str | None:
    """The id of a call of the same pipeline run that executes the same for the cache.

    Args:
        url: of the record.
        run: one that has not started.
        inputs: the ids of its arguments, by name.

    Raises:
        RecordError: the record cannot be read.
    """
    query = (
        "SELECT id FROM runs WHERE root_id = ? AND function_path = ? AND cache_key IS NOT NULL "
        f"AND state IN ({', '.join('?' for _ in _UNENDED)})"
    )
    with reading(url) as ask:
        for (id_,) in list(ask(query, [run.root_id, run.function_path, *_UNENDED])):
            if id_ != run.id and _inputs(ask, id_) == inputs:
                return str(id_)
    return None
