"""Which calls are made ready while the one that they wait for executes. Pure."""

from sematic.calls import Call, Expression
from sematic.events import DropCall, Instruction, PrepareCall
from sematic.graph import PipelineGraph
from sematic.known_runs import KnownRun, KnownRuns
from sematic.ready_calls import ReadyCalls
from sematic.states import RunState


class LookAhead:
    """Has the next call of a chain made ready: what that costs is not waited for then.

    Args:
        runs: all of them.
        graph: what waits for what.
        calls: which of them are ready, and which active.
        out: where instructions go.
    """

    def __init__(
        self, runs: KnownRuns, graph: PipelineGraph, calls: ReadyCalls, out: list[Instruction]
    ) -> None:
        self._runs = runs
        self._graph = graph
        self._calls = calls
        self._out = out
        self._next: dict[str, Call] = {}  # by the run that executes before it
        self._started: list[KnownRun] = []
        self._undecided: list[Call] = []

    def started(self, run: KnownRun) -> None:
        """An attempt has begun apart."""
        self._started.append(run)

    def over(self, run_id: str) -> None:
        """An attempt has ended, somehow: what waits for it is started in this turn, or dropped."""
        if self._next and run_id in self._next:
            self._undecided.append(self._next.pop(run_id))

    def settle(self, *, caching: bool) -> None:
        """At the end of every turn: drop what was not started, and have made ready what is next."""
        for call in self._undecided:
            if not self._calls.is_active(call.run_id):
                self._out.append(DropCall(call))
        self._undecided.clear()
        for run in self._started:
            self._prepare_next(run, caching=caching)
        self._started.clear()

    def clear(self) -> None:
        """Who was told to make something ready is gone."""
        self._next.clear()

    def _prepare_next(self, run: KnownRun, *, caching: bool) -> None:
        """Have the call that alone waits for an attempt made ready.

        Not one that may be served from the cache, or whose inputs are computed, or where another
        one gets the slot: it is to start in the turn in which the attempt is over.
        """
        next_id = None if self._calls.has_waiting else self._graph.next_call(run.call.run_id)
        if next_id is None:
            return
        following = self._runs[next_id]
        call = following.call
        if not call.options.standalone or (caching and call.options.cache):
            return
        computed = any(isinstance(value, Expression) for value in call.inputs.values())
        if following.state is RunState.CREATED and not computed:
            self._next[run.call.run_id] = call
            after = (run.call.run_id, run.attempt)
            self._out.append(PrepareCall(call, after, beside=self._calls.active_standalone))
