"""The engine: the only loop. Events in, instructions to the ports out."""

import os
import queue
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from sematic.calls import ArtifactRef, Call
from sematic.error_records import build_error_record, restore_exception
from sematic.errors import CancellationError, PipelineRunError, SematicError
from sematic.events import (
    CancelRequested,
    Change,
    EndPipeline,
    EvaluateInputs,
    EvaluateOutput,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    Instruction,
    LookUpOutput,
    OnFailure,
    OutputEvaluated,
    OutputLookedUp,
    PipelineMoved,
    PipelineStarted,
    RunCreated,
    RunMoved,
    Seed,
    StartCall,
    StopCall,
)
from sematic.execution import evaluate_inputs, evaluate_output
from sematic.inline import InlineExecutor
from sematic.ports import ArtifactStore, Clock, Executor, PipelineRunInfo, Tracker
from sematic.recording import Recording
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus

_EVALUATION_THREADS = 4

Listener = Callable[[Change], None]
"""Told of every change, in order, in the engine's thread. Must return at once."""


class Engine:
    """Runs one pipeline run.

    Scheduling has a thread of its own, so that an inline call that takes an hour holds up no
    other; inline calls execute in the thread that calls :meth:`run`.

    Args:
        store: keeps values.
        tracker: keeps the record.
        standalone: executes standalone calls; ``None`` to execute them inline too.
        clock: seconds since the epoch, UTC.
        listeners: told of every change.
    """

    def __init__(
        self,
        *,
        store: ArtifactStore,
        tracker: Tracker,
        standalone: Executor | None,
        clock: Clock,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._store = store
        self._tracker = tracker
        self._inline = InlineExecutor(store, clock)
        self._standalone: Executor = standalone or self._inline
        self._clock = clock
        self._listeners = listeners
        self._state = PipelineState()
        self._events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._evaluator = ThreadPoolExecutor(_EVALUATION_THREADS, "sematic-evaluation")
        self._recording: Recording | None = None
        self._end: EndPipeline | None = None
        self._error: BaseException | None = None

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
            RecordError, ArtifactError: the record or the artifacts cannot be written.
        """
        try:
            epoch = self._tracker.begin(info)
        except BaseException:
            self._tracker.close()
            raise
        self._recording = Recording(
            self._tracker, info.root_id, epoch=epoch, on_error=self._events.put
        )
        self._events.put(
            PipelineStarted(
                self._clock(),
                call,
                max_parallelism=max_parallelism,
                on_failure=on_failure,
                cache_namespace=cache_namespace,
                seeds=seeds,
                apart=self._standalone is not self._inline,
            )
        )
        thread = threading.Thread(target=self._work, name="sematic-engine", daemon=True)
        with self._cancel_on_signals():
            thread.start()
            try:
                self._inline.work()
            except BaseException as error:  # a signal handler of the user's: a time limit, say
                self.request_cancel(f"Canceled because of {type(error).__name__}.")
                self._inline.work()
                raise
            finally:
                thread.join()
        return self._result(call)

    def request_cancel(self, reason: str) -> None:
        """Ask for the end of the pipeline run. Returns at once; from any thread."""
        self._events.put(CancelRequested(self._clock(), reason))

    # --- the engine's thread -----------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._state.ended:
                self._take(self._events.get())
            assert self._recording is not None
            self._recording.flush()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
            for stop in self._state.active_calls():
                self._executor(stop.call).stop(stop)
        finally:
            self._close()

    def _take(self, event: Event | BaseException) -> None:
        if isinstance(event, BaseException):
            raise event
        instructions = self._state.handle(event)
        changes = [item for item in instructions if isinstance(item, _CHANGES)]
        assert self._recording is not None
        self._recording.append(event, changes)
        for instruction in instructions:
            self._carry_out(instruction)

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case RunCreated() | RunMoved() | PipelineMoved():
                for listener in self._listeners:
                    listener(instruction)
            case StartCall():
                self._executor(instruction.call).start(instruction, self._events.put)
            case StopCall():
                self._executor(instruction.call).stop(instruction)
            case EvaluateInputs() | EvaluateOutput():
                self._in_background(lambda: self._evaluate(instruction))
            case LookUpOutput():
                self._in_background(lambda: self._look_up(instruction))
            case EndPipeline():
                self._end = instruction

    def _executor(self, call: Call) -> Executor:
        return self._standalone if call.options.standalone else self._inline

    def _in_background(self, work: Callable[[], None]) -> None:
        """Do what may take long; if it cannot answer, the engine learns why."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again in the engine's thread
                self._events.put(error)

        self._evaluator.submit(guarded)

    def _evaluate(self, instruction: EvaluateInputs | EvaluateOutput) -> None:
        call, outputs = instruction.call, instruction.outputs
        event: Event
        try:
            if isinstance(instruction, EvaluateInputs):
                inputs = evaluate_inputs(call, outputs, self._store)
                event = InputsEvaluated(self._clock(), call.run_id, inputs)
            else:
                output = evaluate_output(
                    call, instruction.output, outputs=outputs, store=self._store
                )
                event = OutputEvaluated(self._clock(), call.run_id, output)
        except BaseException as error:  # noqa: BLE001
            # A user's operator or property may raise anything.
            record = build_error_record(error)
            event = EvaluationFailed(self._clock(), call.run_id, record, error)
        self._events.put(event)

    def _look_up(self, instruction: LookUpOutput) -> None:
        """Whatever is wrong with the cache, the call can still be executed."""
        found: tuple[str, ArtifactRef] | None = None
        try:
            found = self._tracker.find_output(instruction.key)
            if found is not None and not self._store.exists(found[1]):
                missing, found = found, None
                warnings.warn(_MISSING.format(missing[1].id, missing[0]), stacklevel=2)
        except SematicError as error:
            warnings.warn(f"The cache could not be asked, so it is not used: {error}", stacklevel=2)
        finally:  # where warnings are errors, too
            original_id, output = found or (None, None)
            run_id = instruction.call.run_id
            self._events.put(OutputLookedUp(self._clock(), run_id, output, original_id))

    def _close(self) -> None:
        """Let go of everything, and of the caller's thread last, whatever goes wrong before."""
        assert self._recording is not None
        try:
            with ExitStack() as stack:  # from the last one up
                stack.callback(self._inline.close)
                if self._standalone is not self._inline:
                    stack.callback(self._standalone.close)
                stack.callback(self._tracker.close)
                stack.callback(self._recording.close)
                stack.callback(self._evaluator.shutdown, cancel_futures=True)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = self._error or error

    # --- the caller's thread -----------------------------------------------------------------

    @contextmanager
    def _cancel_on_signals(self) -> Iterator[None]:
        """Signals cancel the pipeline run while it runs in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        owner = os.getpid()

        def cancel(number: int, frame: object) -> None:
            if os.getpid() != owner:  # a child that user code forked: as if we were not here
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
                return
            name = signal.Signals(number).name
            self.request_cancel(f"Canceled by {name}.")
            self._inline.interrupt()

        # Signals that are ignored stay so (jobs in the background of a shell); a handler that
        # Python does not know could not be put back.
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        ours = [n for n, handler in before.items() if handler not in (signal.SIG_IGN, None)]
        for number in ours:
            signal.signal(number, cancel)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, before[number])

    def _result(self, call: Call) -> Any:
        if self._error is not None:
            raise self._error
        assert self._end is not None
        match self._end.status:
            case PipelineRunStatus.COMPLETE:
                return self._value(self._end.output)
            case PipelineRunStatus.CANCELED:
                raise CancellationError(self._end.reason or "Canceled.")
            case _:
                raise self._failure(self._end) from self._cause(self._end)

    def _value(self, output: ArtifactRef | None) -> Any:
        assert output is not None
        return self._store.get(output)

    def _failure(self, end: EndPipeline) -> PipelineRunError:
        error = end.error
        assert error is not None and end.failed_run_id is not None
        function = self._state.function_of(end.failed_run_id)
        kind = error.type.removeprefix("builtins.")
        return PipelineRunError(
            "The pipeline run failed due to previous errors!\n\n"
            f"{function.path} failed with {kind}: {error.message}",
            run_id=end.failed_run_id,
        )

    def _cause(self, end: EndPipeline) -> BaseException | None:
        if end.exception is not None:
            return end.exception
        return restore_exception(end.error) if end.error is not None else None


_MISSING = "The cached output {} of run {} is not in the store any more; it is computed again."
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CHANGES = (RunCreated, RunMoved, PipelineMoved)
