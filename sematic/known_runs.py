"""What the state machine knows of each run of a pipeline run. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sematic.calls import ArtifactRef, Call, Input, OutputOf, dependencies
from sematic.states import RunState


@dataclass(slots=True)
class KnownRun:
    """One call and how far it has come.

    Attributes:
        attempt: how often it was started.
        inputs: the artifacts of its arguments while it waits or executes.
        output: the artifact of its output once it is RESOLVED.
        expansion: what its output is made of while it is RAN.
        cache_key: under which its output is shared; ``None`` where it is not.
        original_run_id: the run that computed its output, where it was not computed anew.
    """

    call: Call
    state: RunState | None = None
    attempt: int = 0
    inputs: Mapping[str, ArtifactRef] | None = None
    output: ArtifactRef | None = None
    expansion: Input | None = None
    cache_key: str | None = None
    original_run_id: str | None = None


class KnownRuns(dict[str, KnownRun]):
    """The runs by id, in the order of their creation."""

    def known_artifact(self, value: Input) -> ArtifactRef | None:
        """The artifact that ``value`` is, ``None`` where it must be computed."""
        if isinstance(value, ArtifactRef):
            return value
        if isinstance(value, OutputOf):
            return self[value.run_id].output
        return None

    def outputs(self, values: Iterable[Input]) -> dict[str, ArtifactRef]:
        """The outputs that ``values`` are made of; all of them are RESOLVED."""
        found = {}
        for value in values:
            for run_id in dependencies(value):
                output = self[run_id].output
                assert output is not None
                found[run_id] = output
        return found
