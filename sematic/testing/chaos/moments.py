"""When faults strike."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from sematic.testing.chaos.faults import Fault

_MOST_SECONDS_AFTER = 0.1


@dataclass(frozen=True)
class Strike:
    """A fault at a moment of one's choice.

    Attributes:
        calls: how many executions must have begun before, in all drivers together.
        seconds: to wait from then on.
    """

    fault: Fault
    calls: int = 0
    seconds: float = 0.0


def choose_moments(
    faults: Iterable[Fault | Strike], chance: random.Random, *, calls: int
) -> list[Strike]:
    """A moment for each fault that has none yet, in the order in which they come.

    Moments are counted in calls rather than in seconds: machines differ in how fast they are.

    Args:
        faults: what is to strike.
        chance: decides.
        calls: the most that a pipeline run must have begun before.
    """
    strikes = [
        fault
        if isinstance(fault, Strike)
        else Strike(fault, chance.randrange(calls), chance.uniform(0, _MOST_SECONDS_AFTER))
        for fault in faults
    ]
    return sorted(strikes, key=lambda strike: (strike.calls, strike.seconds))
