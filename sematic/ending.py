"""How a pipeline run comes to its end: failures, time limits, cancellation. Pure."""

from collections.abc import Iterable

from sematic.calls import ErrorRecord, Failed
from sematic.events import EndPipeline, Instruction, OnFailure, PipelineMoved, StopCall
from sematic.graph import PipelineGraph
from sematic.known_runs import KnownRun, KnownRuns, Times
from sematic.ready_calls import ReadyCalls
from sematic.states import PipelineRunStatus, RunState
from sematic.time_limits import ancestor_limit_error, own_limit_error

CHILD_FAILED = "Failed because the child run failed"
REST_FAILED = "Canceled because the rest of the graph failed."
_WAITING = (RunState.CREATED, RunState.RETRYING, RunState.RAN)


class Ending:
    """The part of the state machine that ends things; it shares the rest with its owner.

    Attributes:
        on_failure: whether a failure ends what still runs, or lets it finish.
        verdict: how the pipeline run will end, ``None`` as long as it goes on.
        stopping: whether everything that is active was asked to stop.
    """

    def __init__(
        self, runs: KnownRuns, graph: PipelineGraph, calls: ReadyCalls, out: list[Instruction]
    ) -> None:
        self.on_failure: OnFailure = "cancel"
        self.verdict: EndPipeline | None = None
        self.stopping = False
        self._runs = runs
        self._graph = graph
        self._calls = calls
        self._out = out
        # Active runs whose attempt ends in this error, whatever it says itself.
        self._doomed: dict[str, ErrorRecord] = {}
        self._stopped: set[str] = set()  # active runs that were asked to stop

    def attempt_over(self, run_id: str) -> ErrorRecord | None:
        """Take notice of the end of an attempt; returns what it ended in if that was decided."""
        self._stopped.discard(run_id)
        return self._doomed.pop(run_id, None)

    def doom(self, run: KnownRun, error: ErrorRecord) -> None:
        """End an active attempt: it has failed, and reports when it is over."""
        self._doomed.setdefault(run.call.run_id, error)
        self._stop([run.call.run_id])

    def fail(self, run: KnownRun, failed: Failed, at: float, *, times: Times | None = None) -> None:
        """Let a run fail, and with it the pipeline run."""
        self._runs.move(run, RunState.FAILED, at, error=failed.error, times=times)
        self._fail_ancestors(run.call.run_id, at)
        self._begin_failing(run.call.run_id, failed, at)

    def strike(self, until: float, at: float) -> None:
        """Fail what reached its time limit up to a moment, unless it was asked to stop anyway."""
        for run_id in self._runs.limits.take_reached(until):
            run = self._runs[run_id]
            if run.state is RunState.RAN:
                self._fail_below(run, ancestor_limit_error(run.call), own_limit_error(run.call), at)
            elif not self.stopping:
                self.doom(run, own_limit_error(run.call))

    def abort(self, root: KnownRun, error: ErrorRecord, at: float) -> None:
        """Let what is active fail, or the root if nothing is; unless all was asked to stop."""
        if not self.stopping:
            self._fail_below(root, error, error, at)

    def driver_lost(self) -> None:
        """Take notice that no active attempt is there any more, so that none is asked to stop."""
        self._stopped.update(self._calls.active)

    def cancel(self, reason: str, at: float) -> None:
        """End everything; the second time, what was allowed to finish too."""
        if self.verdict is None:
            self._begin(EndPipeline(PipelineRunStatus.CANCELED, reason=reason), at)
        elif not self.stopping:
            self._stop_active()

    def cancel_run(self, run: KnownRun, at: float, *, times: Times | None = None) -> None:
        """Let a run end with the pipeline run."""
        assert self.verdict is not None
        reason = self.verdict.reason or REST_FAILED
        self._runs.move(run, RunState.CANCELED, at, reason=reason, times=times)

    def conclude(self, root: KnownRun, at: float) -> bool:
        """End the pipeline run if nothing is left to do. Returns whether that is so."""
        if self.verdict is None and root.state is RunState.RESOLVED:
            self.verdict = EndPipeline(PipelineRunStatus.COMPLETE, output=root.output)
        verdict = self.verdict
        if verdict is None or self._calls:
            return False
        reason = verdict.reason or (verdict.error.message if verdict.error else None)
        self._out.append(PipelineMoved(at, root.call.run_id, verdict.status, reason))
        self._out.append(verdict)
        return True

    def _fail_below(
        self, run: KnownRun, below: ErrorRecord, itself: ErrorRecord, at: float
    ) -> None:
        """Let what executes in a run, or will again, fail; or the run itself if nothing does."""
        active = [run_id for run_id in self._calls.active if self._is_below(run_id, run)]
        retrying = self._runs.in_state(RunState.RETRYING)
        again = [other for other in retrying if self._is_below(other.call.run_id, run)]
        if not active and not again:
            self.fail(run, Failed(itself), at)
            return
        for other in again:
            self._runs.move(other, RunState.FAILED, at, error=below)
        for run_id in active:
            self._doomed.setdefault(run_id, below)
        failing = [*(other.call.run_id for other in again), *active]
        for run_id in failing:
            self._fail_ancestors(run_id, at)
        first = failing[0]
        self._begin_failing(first, Failed(self._doomed.get(first, below)), at)
        self._stop(active)

    def _begin_failing(self, run_id: str, failed: Failed, at: float) -> None:
        if self.verdict is not None:
            return
        ending = EndPipeline(
            PipelineRunStatus.FAILED,
            failed_run_id=run_id,
            error=failed.error,
            exception=failed.exception,
        )
        self._begin(ending, at)

    def _begin(self, verdict: EndPipeline, at: float) -> None:
        self.verdict = verdict
        self._calls.clear()
        for run in self._runs.values():
            if run.state in _WAITING:
                self.cancel_run(run, at)
        if verdict.status is PipelineRunStatus.CANCELED or self.on_failure == "cancel":
            self._stop_active()

    def _fail_ancestors(self, run_id: str, at: float) -> None:
        for ancestor_id in self._graph.ancestors(run_id):
            ancestor = self._runs[ancestor_id]
            if ancestor.state is RunState.RAN:
                self._runs.move(ancestor, RunState.NESTED_FAILED, at, reason=CHILD_FAILED)

    def _is_below(self, run_id: str, run: KnownRun) -> bool:
        return run_id == run.call.run_id or run.call.run_id in self._graph.ancestors(run_id)

    def _stop_active(self) -> None:
        self.stopping = True
        self._stop(self._calls.active)

    def _stop(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            if run_id not in self._stopped:
                self._stopped.add(run_id)
                run = self._runs[run_id]
                self._out.append(StopCall(run.call, run.attempt))
