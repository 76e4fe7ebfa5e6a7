"""The events of a pipeline run as they are in the record, without making calls of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sematic.tracking.reading import reading

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
    with reading(url) as ask:
        return [
            EventRow(epoch, seq, kind, at, json.loads(payload))
            for epoch, seq, kind, at, payload in ask(_QUERY, (root_id,))
        ]
