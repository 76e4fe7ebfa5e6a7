"""Which artifacts the runs of the record refer to; rows of artifacts stay when runs are deleted."""

import json
from collections.abc import Collection, Iterator

from sematic.calls import ArtifactRef
from sematic.tracking.connections import is_sqlite
from sematic.tracking.reading import read_artifacts, reading

# Outputs, inputs, and what only expressions name.
_COLUMNS = (
    ("runs", "output_id"),
    ("run_inputs", "artifact_id"),
    ("expression_constants", "artifact_id"),
)
_ALL = " UNION ".join(
    f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL" for table, column in _COLUMNS
)
_PAGE = 200


def iter_referenced(url: str | None) -> Iterator[ArtifactRef]:
    """The artifacts that runs refer to, in the order of their ids.

    Args:
        url: of the record; ``None`` for an empty one.

    Raises:
        RecordError: the record cannot be read.
    """
    if url is None:
        return
    with reading(url) as ask:
        ids = sorted(row[0] for row in ask(_ALL, []))
    for start in range(0, len(ids), _PAGE):
        with reading(url) as ask:
            found = read_artifacts(url, ask, ids[start : start + _PAGE])
        yield from found.values()


def find_referenced(url: str, ids: Collection[str]) -> frozenset[str]:
    """Those of these artifacts that runs refer to.

    Raises:
        RecordError: the record cannot be read.
    """
    wanted: object
    if is_sqlite(url):
        among, wanted = "IN (SELECT value FROM json_each(?))", json.dumps([*ids])
    else:
        among, wanted = "= ANY(?)", [*ids]
    referenced: set[str] = set()
    with reading(url) as ask:
        for table, column in _COLUMNS:
            rows = ask(f"SELECT DISTINCT {column} FROM {table} WHERE {column} {among}", [wanted])
            referenced.update(row[0] for row in rows)
    return frozenset(referenced)
