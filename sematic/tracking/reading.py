"""Questions to the record on one connection, in plain SQL."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sematic.calls import ArtifactRef
from sematic.tracking.connections import connect, errors_explained, is_sqlite

Ask = Callable[[str, Sequence[Any]], Iterable[Any]]
"""Gives the rows of a query, which marks its values by ``?``, one by one."""

_ARTIFACTS = "SELECT id, codec, type, size, payload, summary FROM artifacts WHERE id"


@contextmanager
def reading(url: str) -> Iterator[Ask]:
    """What to ask with, while the block runs.

    Raises:
        RecordUnavailableError: the record is locked, or cannot be reached now.
        RecordError: it cannot be read.
    """
    mark = "?" if is_sqlite(url) else "%s"
    with errors_explained(url), closing(connect(url, reading=True)) as connection:
        yield lambda query, values: connection.execute(query.replace("?", mark), values)


def read_artifacts(url: str, ask: Ask, ids: Collection[str]) -> dict[str, ArtifactRef]:
    """The artifacts that have these ids, by id, however many there are; the others are left out."""
    if is_sqlite(url):
        rows = ask(f"{_ARTIFACTS} IN (SELECT value FROM json_each(?))", [json.dumps([*ids])])
    else:
        rows = ask(f"{_ARTIFACTS} = ANY(?)", [[*ids]])
    return {row[0]: ArtifactRef(*row) for row in rows}
