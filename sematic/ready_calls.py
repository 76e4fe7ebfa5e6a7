"""Which calls are ready, which are active, and which may start next. Pure."""

from collections import deque
from collections.abc import Iterator

from sematic.deadlines import Deadlines


class ReadyCalls:
    """Queues of runs whose inputs are known, and the runs that were started from them.

    Standalone runs start in order as long as there is a slot; inline runs start one at a time.
    Those that pause before their next attempt are queued when the pause is over.

    Attributes:
        max_parallelism: most active standalone runs; ``None`` for no limit.
    """

    def __init__(self) -> None:
        self.max_parallelism: int | None = None
        self._inline: deque[str] = deque()
        self._standalone: deque[str] = deque()
        self._active: dict[str, bool] = {}  # whether it is standalone, in order of their start
        self._active_standalone = 0
        self._paused = Deadlines()
        self._paused_standalone: set[str] = set()

    def add(self, run_id: str, *, standalone: bool, until: float | None = None) -> None:
        """Queue a run behind those of its kind, at once or when a moment has come."""
        if until is None:
            (self._standalone if standalone else self._inline).append(run_id)
            return
        self._paused.set(run_id, until)
        if standalone:
            self._paused_standalone.add(run_id)

    def add_first(self, run_id: str, *, standalone: bool) -> None:
        """Queue a run before those of its kind."""
        (self._standalone if standalone else self._inline).appendleft(run_id)

    def postpone(self, seconds: float) -> None:
        """Move the end of every pause away."""
        self._paused.postpone(seconds)

    @property
    def next_due(self) -> float | None:
        """When the next pause is over, ``None`` if there is none."""
        return self._paused.earliest

    def take(self, now: float) -> Iterator[str]:
        """Start what may start now: each run that is given is active from then on."""
        for run_id in self._paused.take_due(now):
            self.add(run_id, standalone=run_id in self._paused_standalone)
            self._paused_standalone.discard(run_id)
        limit = self.max_parallelism
        while self._standalone and (limit is None or self._active_standalone < limit):
            self._active_standalone += 1
            yield self._activate(self._standalone.popleft(), standalone=True)
        if self._inline and len(self._active) == self._active_standalone:
            yield self._activate(self._inline.popleft(), standalone=False)

    def end(self, run_id: str) -> None:
        """Free the slot of an active run."""
        self._active_standalone -= self._active.pop(run_id)

    def clear(self) -> None:
        """Forget what is queued; what is active stays so."""
        self._inline.clear()
        self._standalone.clear()
        self._paused.clear_all()
        self._paused_standalone.clear()

    @property
    def active(self) -> list[str]:
        """The active runs in the order of their start."""
        return list(self._active)

    @property
    def active_standalone(self) -> int:
        """How many of them are standalone."""
        return self._active_standalone

    @property
    def has_waiting(self) -> bool:
        """Whether a standalone run waits for a slot."""
        return bool(self._standalone)

    def is_active(self, run_id: str) -> bool:
        """Whether a run was started and has not ended."""
        return run_id in self._active

    def __bool__(self) -> bool:
        """Whether any run is active."""
        return bool(self._active)

    def _activate(self, run_id: str, *, standalone: bool) -> str:
        self._active[run_id] = standalone
        return run_id
