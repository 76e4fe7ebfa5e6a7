"""What ``sematic why`` tells of a run: facts, each with a label, in lines that fit."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sematic.cli.screen import Screen
from sematic.wording import clean, describe_error

if TYPE_CHECKING:
    from sematic.calls import ErrorRecord
    from sematic.tracking.queries import Queries
    from sematic.tracking.views import InputRow, PipelineRunRow, RunRow
    from sematic.tracking.why import CloseRun

_LEAST_WIDTH = 20


@dataclass(frozen=True)
class Fact:
    """A sentence under a label."""

    label: str
    text: str
    colour: str | None = None


@dataclass(frozen=True)
class Case:
    """A run to be explained, and where to ask.

    Attributes:
        url: of the record.
        now: seconds since the epoch, UTC.
    """

    url: str
    queries: "Queries"
    run: "RunRow"
    pipeline_run: "PipelineRunRow"
    now: float
    screen: Screen

    @cached_property
    def inputs(self) -> "tuple[InputRow, ...]":
        """Its arguments."""
        return self.queries.inputs(self.run.id)

    @cached_property
    def closest(self) -> "CloseRun | None":
        """The earlier call whose cache key has most in common with its own."""
        from sematic.tracking.why import find_closest

        return find_closest(self.url, self.run, self.known_inputs)

    @cached_property
    def known_inputs(self) -> dict[str, str]:
        """The ids of its arguments, by name."""
        return {i.name: i.artifact.id for i in self.inputs if i.artifact is not None}

    @cached_property
    def seed(self) -> Mapping[str, Any]:
        """How a rerun began with it: ``state`` and ``again``; empty where none did."""
        from sematic.tracking.why import find_seed

        return find_seed(self.url, self.run) or {}

    @property
    def asks_cache(self) -> bool:
        """Whether the function is cached, and its pipeline run has a namespace."""
        has_namespace = self.pipeline_run.cache_namespace is not None
        return has_namespace and bool(self.run.options.get("cache"))

    def describe(self, error: "ErrorRecord") -> str:
        """An error in one line."""
        return describe_error(error.type, error.message, self.screen.sentence_room)

    def name(self, run: "RunRow") -> str:
        """What a run is called, with its id."""
        return f"{clean(run.name)} {self.screen.id(run.id)}"


def lay_out(facts: Iterable[Fact], screen: Screen) -> Iterator[str]:
    """Facts as lines; on a terminal long ones are broken, words whole."""
    known = [fact for fact in facts if fact.text]
    width = max((len(fact.label) for fact in known), default=0)
    before = ""
    for fact in known:
        label = "" if fact.label == before else fact.label
        before = fact.label or before
        room = max((screen.width or 0) - width - 4, _LEAST_WIDTH)
        text = clean(fact.text)
        lines = textwrap.wrap(text, room, break_on_hyphens=False) if screen.width else [text]
        for place, line in enumerate(lines):
            head = screen.dim((label if place == 0 else "").ljust(width))
            yield f"  {head}  {screen.style(line, fact.colour)}"
