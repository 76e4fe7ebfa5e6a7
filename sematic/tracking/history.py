"""What the drivers of a pipeline run have recorded, as events again."""

import re

from sematic.errors import NotFoundError
from sematic.events import Event
from sematic.recorded_functions import RecordedFunction
from sematic.tracking.event_reading import EventReader, FunctionOf
from sematic.tracking.reading import Ask, read_artifacts, reading

_EVENTS = "SELECT kind, at, payload FROM events WHERE root_id = ? ORDER BY epoch, seq"
_FUNCTIONS = (
    "SELECT DISTINCT f.path, f.source FROM functions f "
    "JOIN runs r ON r.function_id = f.id WHERE r.root_id = ?"
)
_OUTPUT_TYPES = (
    "SELECT DISTINCT r.function_path, a.type FROM runs r "
    "JOIN artifacts a ON a.id = r.output_id WHERE r.root_id = ?"
)
# Hashes of source code look the same. No artifact has such an id, so that they do no harm.
_ARTIFACT_ID = re.compile('"([0-9a-f]{40})"')


def read_history(url: str, root_id: str, *, function_of: FunctionOf) -> list[Event]:
    """Every event of a pipeline run, those of all its drivers, in order.

    Args:
        url: of the record.
        root_id: the pipeline run.
        function_of: finds the function at an importable path; asked once for each.
            :func:`read_recorded_functions` is for readers that do not have the code.

    Raises:
        NotFoundError: nothing is recorded of it.
        UnknownSchemaError: its events were recorded by a newer version.
        RecordError: the record cannot be read, or an artifact is not in it any more.
        ImportError: a function is not where it was.
    """
    with reading(url) as ask:
        events = read_events(url, ask, root_id, function_of=function_of)
    if not events:
        raise NotFoundError(f"Nothing is recorded of a pipeline run with the id '{root_id}'.")
    return events


def read_events(
    url: str, ask: Ask, root_id: str, *, function_of: FunctionOf, current_options: bool = False
) -> list[Event]:
    """The same on a connection that is open; empty where nothing is recorded.

    For ``current_options`` see :class:`EventReader`.
    """
    rows = list(ask(_EVENTS, [root_id]))
    ids = {found for *_, payload in rows for found in _ARTIFACT_ID.findall(payload)}
    artifacts = read_artifacts(url, ask, ids) if ids else {}
    reader = EventReader(artifacts, function_of, current_options=current_options)
    return [reader.read_event(kind, at, payload, root_id) for kind, at, payload in rows]


def read_recorded_functions(url: str, root_id: str) -> FunctionOf:
    """What finds the functions of a pipeline run without their code: nothing is imported.

    Raises:
        RecordError: the record cannot be read.
    """
    with reading(url) as ask:
        sources = dict(ask(_FUNCTIONS, [root_id]))
        output_types = dict(ask(_OUTPUT_TYPES, [root_id]))

    def function_of(path: str) -> RecordedFunction:
        # A function whose output has no type yet has never been compared with another one.
        output = output_types.get(path, "")
        return RecordedFunction(path, source=sources.get(path, ""), output_descriptor=output)

    return function_of
