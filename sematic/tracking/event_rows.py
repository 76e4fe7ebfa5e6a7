"""The events of a pipeline run as they are in the record, without making calls of them."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sematic.errors import RecordError
from sematic.tracking.connections import connect, display_url, driver_error, is_sqlite

_QUERY = "SELECT epoch, seq, kind, at, payload FROM events WHERE root_id = ? ORDER BY epoch, seq"


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event.

    Attributes:
        epoch: of the driver that recorded it.
        seq: counts the events of a driver, or of the whole pipeline run.
        kind: name of its class in :mod:`sematic.events`.
        at: seconds since the epoch, UTC.
        payload: its fields as JSON has them.
    """

    epoch: int
    seq: int
    kind: str
    at: float
    payload: Mapping[str, Any]


def read_event_rows(url: str, root_id: str) -> list[EventRow]:
    """The events of a pipeline run, in order.

    Raises:
        RecordError: the record cannot be read.
    """
    query = _QUERY if is_sqlite(url) else _QUERY.replace("?", "%s")
    try:
        with closing(connect(url)) as connection:
            rows = connection.execute(query, [root_id]).fetchall()
    except driver_error(url) as error:
        raise RecordError(f"Cannot read the record at {display_url(url)}: {error}") from error
    return [
        EventRow(epoch, seq, kind, at, json.loads(payload))
        for epoch, seq, kind, at, payload in rows
    ]
