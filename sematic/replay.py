"""Replaying: what was recorded goes through the state machine again. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sematic.events import Change, EndPipeline, Event, PipelineMoved, RunCreated, RunMoved
from sematic.state_machine import PipelineState


class Replayed(NamedTuple):
    """What recorded events have led to.

    Attributes:
        end: how the pipeline run ends by these events, ``None`` where it goes on.
        missing: what is to be recorded where they end one that is not recorded so: every move.
            What has ended in the record stays there as it is.
        latest: the last event, ``None`` where there was none.
    """

    end: EndPipeline | None
    missing: list[Change]
    latest: Event | None


def replay(
    state: PipelineState,
    events: Iterable[Event],
    *,
    tell: Callable[[Change], None] = lambda change: None,
) -> Replayed:
    """Let a machine take in what was recorded.

    Args:
        state: the machine.
        events: everything that was recorded, in order.
        tell: told of every change, as it comes.
    """
    moves: list[Change] = []
    end: EndPipeline | None = None
    latest: Event | None = None
    for event in events:
        latest = event
        for item in state.handle(event):
            if isinstance(item, EndPipeline):
                end = item
            elif isinstance(item, RunCreated | RunMoved | PipelineMoved):
                tell(item)
                if not isinstance(item, RunCreated):
                    moves.append(item)
    return Replayed(end, moves if state.ended else [], latest)
