"""The engine: the only loop. Events in, instructions to the ports out."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from sematic.calls import Call, ErrorRecord, Failed
from sematic.error_records import build_error_record
from sematic.errors import FencedError, InfrastructureError, RecordFullError, SematicError
from sematic.evaluator import Evaluator
from sematic.events import (
    CallEnded,
    CallLost,
    CancelRequested,
    Change,
    DropCall,
    EndPipeline,
    EvaluateInputs,
    EvaluateOutput,
    Event,
    Instruction,
    LookUpOutput,
    OnFailure,
    PipelineAborted,
    PipelineMoved,
    PipelineStarted,
    PrepareCall,
    RunCreated,
    RunMoved,
    Seed,
    StartCall,
    StopCall,
    TimePassed,
)
from sematic.heartbeat import Heartbeat, lease_clock
from sematic.inline import InlineExecutor
from sematic.leftovers import Leftovers
from sematic.ports import (
    ArtifactStore,
    Clock,
    Executor,
    History,
    Lease,
    Listener,
    PipelineRunInfo,
    Tracker,
)
from sematic.recording import Recording
from sematic.replay import replay
from sematic.results import take_result
from sematic.started_calls import NOT_OVER, SECONDS_TO_END, StartedCalls
from sematic.state_machine import PipelineState
from sematic.turns import Turns


class Engine:
    """Runs one pipeline run.

    Scheduling has a thread of its own, so that an inline call that takes an hour holds up no
    other; inline calls execute in the thread that calls :meth:`run`.

    Args:
        store: keeps values.
        tracker: keeps the record.
        standalone: executes standalone calls; ``None`` to execute them inline too.
        clock: seconds since the epoch, UTC; must not be set back.
        listeners: told of every change.
        open_lease: makes the lease of a driver from the root id and its epoch; ``None`` where
            nobody else can want anything of the pipeline run.
        settle: ends it in the record, by its root id and epoch, where the engine itself cannot.
        warn: told one sentence where something is not as it should be; must not raise.
    """

    def __init__(
        self,
        *,
        store: ArtifactStore,
        tracker: Tracker,
        standalone: Executor | None,
        clock: Clock,
        listeners: Sequence[Listener] = (),
        open_lease: Callable[[str, int], Lease] | None = None,
        settle: Callable[[str, int, ErrorRecord], None] | None = None,
        warn: Callable[[str], None] = logging.getLogger("sematic").warning,  # noqa: B008
    ) -> None:
        self._store, self._tracker = store, tracker
        self._inline = InlineExecutor(store, clock)
        self._standalone: Executor = standalone or self._inline
        self._clock = clock
        self._listeners = listeners
        self._open_lease = open_lease
        self._settle = settle
        self._state = PipelineState()
        self._events = Turns(lambda: self._state.next_due, clock)
        self._evaluator = Evaluator(store, tracker, clock=clock, report=self._events.put, warn=warn)
        self._warn = warn
        self._started = StartedCalls()
        self._recording: Recording | None = None
        self._heartbeat: Heartbeat | None = None
        self._leftovers = Leftovers("", self._events.put, warn=warn)
        self._missing: list[Change] = []
        self._end: EndPipeline | None = None
        self._error: BaseException | None = None
        self._aborted: PipelineAborted | None = None
        self._give_up_at: float | None = None  # seconds, monotonic

    def run(
        self,
        call: Call,
        info: PipelineRunInfo,
        *,
        max_parallelism: int | None = None,
        on_failure: OnFailure = "cancel",
        cache_namespace: str | None = None,
        seeds: tuple[Seed, ...] = (),
    ) -> Any:
        """Run a pipeline and return the value of its root call.

        Raises:
            PipelineRunError: a call failed; its cause is the user's exception.
            CancellationError: the pipeline run was cancelled.
            FencedError: another driver has taken the pipeline run over.
            KeyboardInterrupt: a second Ctrl-C; what the pipeline run has started is still being
                ended, in the engine's thread.
            RecordFullError: the disk of the record is full; the pipeline run was ended.
            RecordError: the record cannot be written; it is as it was when that began.
        """
        started = PipelineStarted(
            *(self._clock(), call),
            max_parallelism=max_parallelism,
            on_failure=on_failure,
            cache_namespace=cache_namespace,
            seeds=seeds,
            apart=self._standalone is not self._inline,
        )
        return self._drive(info, after_epoch=0, first=lambda: started)

    def resume(self, info: PipelineRunInfo, history: History, *, after_epoch: int) -> Any:
        """Go on with a pipeline run whose driver is gone, and return the value of its root call.

        Args:
            info: of the pipeline run; only its ids count.
            history: what its drivers have recorded; read when nobody else can add to it.
            after_epoch: the epoch of the driver that is gone.

        Raises:
            As :meth:`run`; FencedError also where somebody else was faster to take it over.
        """

        def begin() -> Event:
            history.end_leftovers()
            self._end, self._missing, _ = replay(self._state, history.read(), tell=self._tell)
            self._state.take_code(history.find_function)
            return history.driver_changed(self._clock())

        return self._drive(info, after_epoch=after_epoch, first=begin)

    def _drive(self, info: PipelineRunInfo, *, after_epoch: int, first: Callable[[], Event]) -> Any:
        since = lease_clock()
        try:
            epoch = self._tracker.begin(info, after_epoch=after_epoch)
            if self._open_lease is not None:
                self._heartbeat = Heartbeat(self._open_lease(info.root_id, epoch), since=since)
            event = first()
        except BaseException:
            if self._heartbeat is not None:
                self._heartbeat.give_up()
            self._tracker.close()
            raise
        root_id, put = info.root_id, self._events.put
        self._recording = Recording(self._tracker, root_id, epoch=epoch, on_error=put)
        self._leftovers = Leftovers(root_id, put, warn=self._warn)
        if self._state.ended:  # by what was recorded before: only the end itself was not
            self._recording.append(event, self._missing)
        put(event)
        if self._heartbeat is not None:
            self._started.hold_unless_certain(self._heartbeat, self._events)
            self._leftovers.is_ours = self._inline.is_ours = self._heartbeat.is_ours
            self._heartbeat.listen(self.request_cancel, put, on_wake=self._events.wake)
        thread = threading.Thread(target=self._work, name="sematic-engine", daemon=True)
        with self._inline.answers_signals(self.request_cancel):
            self._inline.work_beside(thread, self.request_cancel)
        outcome = (self._end, self._error, self._aborted)
        return take_result(*outcome, state=self._state, store=self._store)

    def request_cancel(self, reason: str) -> None:
        """Ask for the end of the pipeline run. Returns at once; from any thread."""
        self._events.put(CancelRequested(self._clock(), reason))
        if self._heartbeat is not None:
            self._heartbeat.stop_waiting()

    # --- the engine's thread -----------------------------------------------------------------

    def _work(self) -> None:
        assert self._recording is not None
        try:
            while self._take_next():
                pass
            self._recording.flush()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            with self._events.turn():  # from here on the caller's thread takes none
                self._error = self._error or error
            self._leftovers.here_only = self._inline.here_only = isinstance(error, FencedError)
            self._evaluator.stop()
            self._end_calls()
            self._leftovers.end_all()
            if not self._leftovers.here_only:
                self._end_from_outside(error)
        finally:
            self._leftovers.end_spared()
            self._close()

    def _take_next(self) -> bool:
        """Take the next event; False if none is wanted any more."""
        event = self._next_event()
        with self._events.turn():  # who has it may be about to record the end
            if event is not None and not self._state.ended:
                self._take(event)
            self._carry_out(self._started.take_held())
            return not self._state.ended

    def _next_event(self) -> Event | BaseException | None:
        """What has happened next, or that nothing has before the next moment that counts."""
        try:
            return self._events.wait(give_up_at=self._give_up_at)
        except queue.Empty:
            if self._give_up_at is not None and self._give_up_at <= time.monotonic():
                self._give_up_on_calls()
            return TimePassed(self._clock())

    def _take(self, event: Event | BaseException) -> None:
        """Take an event, and then the answers to what it asks that are known at once."""
        self._events.take_with_answers(event, self._take_one, self._is_quick)

    def _take_one(self, event: Event | BaseException) -> list[Event]:
        if isinstance(event, BaseException):
            self._abort(event)
            return []
        if isinstance(event, CallEnded | CallLost):
            self._started.ended(event)
        try:
            instructions = self._state.handle(event)
        except BaseException as error:  # noqa: BLE001 - ends the pipeline run
            self._abort(error, again=False)
            return []
        if self._state.ended:  # before anybody is told of the end
            self._evaluator.stop()
            if self._state.stopping:
                self._leftovers.end_all()
        assert self._recording is not None
        self._recording.append(event, [item for item in instructions if isinstance(item, _CHANGES)])
        return self._carry_out(instructions)

    def _carry_out(self, instructions: Sequence[Instruction]) -> list[Event]:
        answers: list[Event] = []
        for instruction in instructions:
            try:
                answers += self._carry_out_one(instruction, len(instructions) <= _FEW)
            except BaseException as error:  # noqa: BLE001 - ends the pipeline run
                self._abort(error)
        return answers

    def _carry_out_one(self, instruction: Instruction, of_few: bool) -> list[Event]:
        match instruction:
            case RunCreated() | RunMoved() | PipelineMoved():
                self._tell(instruction)
            case StartCall():
                self._start(instruction)
            case StopCall():
                self._stop(instruction)
            case PrepareCall() | DropCall():
                self._standalone.prepare(instruction)
            case EvaluateInputs() | EvaluateOutput() | LookUpOutput():
                return self._evaluator.answer(instruction, of_few=of_few)
            case EndPipeline():
                self._end = instruction
        return []

    def _start(self, start: StartCall) -> None:
        if not self._started.hold(start):
            executor = self._executor(start.call)
            report = self._take_here if executor is self._inline else self._leftovers.report
            executor.start(start, report)
            self._started.add(start)  # its report waits in the queue, if it is there already

    def _stop(self, stop: StopCall) -> None:
        if stop in self._started:
            self._leftovers.expect(stop)
            self._executor(stop.call).stop(stop)
        else:  # it was not started yet, or its end was not understood: nobody will report it
            self._started.drop(stop)
            self._lose(stop.call.run_id, stop.attempt, "It was not executing.")

    def _lose(self, run_id: str, attempt: int, why: str) -> None:
        error = build_error_record(InfrastructureError(why))
        self._events.put(CallLost(self._clock(), run_id, attempt, error))

    # --- errors of ours ----------------------------------------------------------------------

    def _abort(self, error: BaseException, *, again: bool = True) -> None:
        """Let the pipeline run end, in a right state, because of an error that is no function's.

        Args:
            error: what is raised in the caller's thread in the end, unless there was one before.
            again: whether more of the same can be passed over, once the end has begun.

        Raises:
            BaseException: the end cannot be recorded.
        """
        first, fenced = self._aborted is None, isinstance(error, FencedError)
        if fenced or self._error is None or isinstance(self._error, RecordFullError):
            self._error = error
        assert self._recording is not None
        if fenced or self._recording.is_broken or not (first or again):
            raise error
        if first:
            self._aborted = PipelineAborted(self._clock(), build_error_record(error))
            self._events.put(self._aborted)
            self._give_up_at = time.monotonic() + SECONDS_TO_END

    def _give_up_on_calls(self) -> None:
        """Let nobody wait for what does not end. What executes in the caller's thread does."""
        for stop in self._state.active_calls():
            if stop not in self._started or self._executor(stop.call) is not self._inline:
                self._lose(stop.call.run_id, stop.attempt, NOT_OVER)
        self._give_up_at = time.monotonic() + SECONDS_TO_END

    def _end_calls(self) -> None:
        """Ask what executes to end, and wait for it, where nothing of it can be recorded."""
        for stop in self._started.stops():
            self._executor(stop.call).stop(stop)
        self._started.wait_for_all(self._events.get, seconds=SECONDS_TO_END)

    def _end_from_outside(self, error: BaseException) -> None:
        """End the pipeline run by what is recorded of it, where this driver cannot go on."""
        assert self._recording is not None
        self._recording.close()
        if self._settle is not None:
            with suppress(SematicError):  # it shows as lost once its driver is gone
                self._settle(*self._recording.driver, build_error_record(error))

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)

    def _is_quick(self) -> bool:
        """Whether to record an event, and to start a call, takes no time; false after the end."""
        if self._state.ended or (self._recording is not None and self._recording.is_behind):
            return False
        return self._heartbeat is None or self._heartbeat.is_fresh()

    def _executor(self, call: Call) -> Executor:
        return self._standalone if call.options.standalone else self._inline

    def _close(self) -> None:
        """Let go of everything, and of the caller's thread last, whatever goes wrong before."""
        assert self._recording is not None
        heartbeat = [self._heartbeat.close] if self._heartbeat is not None else []
        ports = [self._tracker.close, self._standalone.close, self._inline.close]
        try:
            with ExitStack() as stack:  # from the last one up
                for close in [*ports[::-1], self._recording.close, *heartbeat]:
                    stack.callback(close)
                stack.callback(self._evaluator.close)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = self._error or error

    # --- the thread that executes inline calls -------------------------------------------------

    def _take_here(self, event: Event) -> None:
        """Take an event in the thread that has executed the call, if it is free and that is quick.

        Whatever may take a while is left to the engine's thread: this one answers to signals.
        """
        try:
            if not self._events.take_here(event, self._take_if_quick):
                self._leftovers.report(event)
        except BaseException as error:  # noqa: BLE001 - ends the pipeline run
            self._events.put(error)
            self._leftovers.report(event)

    def _take_if_quick(self, event: Event) -> bool:
        if not isinstance(event, CallEnded) or isinstance(event.outcome, Failed) or self._error:
            return False
        if self._state.stopping or self._leftovers.is_expected(event) or not self._is_quick():
            return False
        if (due := self._state.next_due) and due <= event.at:
            return False
        self._take(event)
        if self._state.ended:
            self._events.wake()
        return True


_CHANGES = (RunCreated, RunMoved, PipelineMoved)
_FEW = 10  # instructions of one turn
