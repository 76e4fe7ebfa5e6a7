"""Moments that runs wait for: the ends of their time limits and of their pauses. Pure."""

import heapq
from collections.abc import Iterator


class Deadlines:
    """A moment for each of some runs, the earliest one first."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []  # what is not in _at any more is passed over

    def __contains__(self, run_id: str) -> bool:
        """Whether a run has a moment to wait for."""
        return run_id in self._at

    def set(self, run_id: str, at: float) -> None:
        """Let a run wait for a moment, in place of any other."""
        self._at[run_id] = at
        heapq.heappush(self._heap, (at, run_id))

    def clear(self, run_id: str) -> None:
        """Let a run wait no more."""
        self._at.pop(run_id, None)

    def clear_all(self) -> None:
        """Let no run wait."""
        self._at.clear()
        self._heap.clear()

    def postpone(self, seconds: float) -> None:
        """Move every moment away."""
        self._at = {run_id: at + seconds for run_id, at in self._at.items()}
        self._heap = [(at, run_id) for run_id, at in self._at.items()]
        heapq.heapify(self._heap)

    @property
    def earliest(self) -> float | None:
        """The next moment, ``None`` if there is none."""
        while self._heap:
            at, run_id = self._heap[0]
            if self._at.get(run_id) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def take_due(self, now: float) -> Iterator[str]:
        """The runs whose moment has come, in order; they wait no more."""
        while (at := self.earliest) is not None and at <= now:
            run_id = heapq.heappop(self._heap)[1]
            del self._at[run_id]
            yield run_id
