"""Which call waits for which. Counters only: no states, no scans, no I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Released:
    """What waits for nothing any more.

    Attributes:
        calls: runs whose inputs can be computed.
        outputs: runs whose outputs can be computed: what is nested in them is resolved.
    """

    calls: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


class PipelineGraph:
    """The dependencies between the calls of a pipeline run.

    Every operation costs what it touches: adding a call its dependencies, resolving one its
    dependents. Nothing recurses, so depth is free.
    """

    def __init__(self) -> None:
        self._parents: dict[str, str | None] = {}
        self._resolved: set[str] = set()
        # Waiting calls and waiting outputs of the same run are told apart by the flag.
        self._missing: dict[tuple[str, bool], int] = {}
        self._dependents: dict[str, list[tuple[str, bool]]] = {}

    def add(self, run_id: str, parent_id: str | None, *, needs: Iterable[str]) -> bool:
        """Add a call. Returns whether it waits for nothing."""
        self._parents[run_id] = parent_id
        return self._wait((run_id, False), needs)

    def expand(self, run_id: str, *, needs: Iterable[str]) -> bool:
        """Let the output of ``run_id`` wait for other runs. Returns whether it need not wait."""
        return self._wait((run_id, True), needs)

    def resolve(self, run_id: str) -> Released:
        """Say that the output of ``run_id`` is known."""
        self._resolved.add(run_id)
        released = Released()
        for waiter in self._dependents.pop(run_id, ()):
            self._missing[waiter] -= 1
            if self._missing[waiter] == 0:
                del self._missing[waiter]
                waiting_id, is_output = waiter
                (released.outputs if is_output else released.calls).append(waiting_id)
        return released

    def next_call(self, run_id: str) -> str | None:
        """The call that waits for ``run_id``, if that is one only, and waits for nothing else."""
        waiting = [waiter for waiter in self._dependents.get(run_id, ()) if not waiter[1]]
        if len(waiting) != 1 or self._missing[waiting[0]] != 1:
            return None
        return waiting[0][0]

    def ancestors(self, run_id: str) -> Iterator[str]:
        """The parent of a run, its parent, and so on up to the root."""
        parent = self._parents[run_id]
        while parent is not None:
            yield parent
            parent = self._parents[parent]

    def _wait(self, waiter: tuple[str, bool], needs: Iterable[str]) -> bool:
        missing = {need for need in needs if need not in self._resolved}
        if not missing:
            return True
        self._missing[waiter] = len(missing)
        for need in missing:
            self._dependents.setdefault(need, []).append(waiter)
        return False
