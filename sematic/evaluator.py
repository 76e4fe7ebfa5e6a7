"""Evaluator: finds out what the state machine asks for, beside the engine."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from sematic.calls import ArtifactRef
from sematic.error_records import build_error_record
from sematic.errors import CorruptArtifactError, MissingArtifactError, SematicError
from sematic.evaluation_threads import SECONDS_TO_END, EvaluationThreads
from sematic.events import (
    EvaluateInputs,
    EvaluateOutput,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    LookUpOutput,
    OutputEvaluated,
    OutputLookedUp,
)
from sematic.execution import CallInterrupted, evaluate_inputs, evaluate_output
from sematic.ports import ArtifactStore, Clock, Tracker
from sematic.run_context import SematicContext, evaluating

_THREADS = 4


class Evaluator:
    """Computes inputs and outputs, and asks the cache, in threads of its own.

    Operators, properties, casts and pickling hooks of the user's are called there, for the run
    whose input or output it is: ``context()`` gives it, and its log has what they print, as if
    they were called in the thread that makes the evaluator.

    Args:
        store: where values are.
        tracker: where cached outputs are known.
        clock: seconds since the epoch, UTC.
        report: given the event that answers an instruction, or what made an answer impossible.
        warn: told one sentence where the cache cannot be used; must not raise.
    """

    def __init__(
        self,
        store: ArtifactStore,
        tracker: Tracker,
        *,
        clock: Clock,
        report: Callable[[Event | BaseException], None],
        warn: Callable[[str], None],
    ) -> None:
        self._store = store
        self._tracker = tracker
        self._clock = clock
        self._report = report
        self._warn = warn
        self._thread_id = threading.get_ident()
        self._threads = EvaluationThreads(_THREADS)

    def answer(self, instruction: EvaluateInputs | EvaluateOutput | LookUpOutput) -> None:
        """Begin to look for the answer, and return at once."""
        match instruction:
            case LookUpOutput():
                self._threads.submit(partial(self._find, instruction))
            case EvaluateInputs(call):
                self._threads.submit(partial(self._find, instruction), call=call)
            case EvaluateOutput(call):
                attempt = instruction.attempt
                self._threads.submit(partial(self._find, instruction), call=call, attempt=attempt)

    def stop(self) -> None:
        """Break off what is evaluated, if anything is, and evaluate nothing any more.

        Takes seconds where user code does not end; what then still runs is left behind.
        """
        for call in self._threads.stop():
            self._warn(
                f"What is evaluated for {call.function.__name__} ({call.run_id}) did not end "
                f"within {SECONDS_TO_END:g} seconds of being asked to. It goes on in a thread of "
                "this process; nobody waits for it."
            )

    def close(self) -> None:
        """End the threads, and what they have begun; what waits is dropped."""
        self.stop()
        self._threads.close()

    def _find(
        self,
        instruction: EvaluateInputs | EvaluateOutput | LookUpOutput,
        interruptible: AbstractContextManager[object],
    ) -> None:
        try:
            if isinstance(instruction, LookUpOutput):
                self._report(self._look_up(instruction))
            else:
                self._report(self._evaluate(instruction, interruptible))
        except CallInterrupted:
            pass  # nobody waits for it any more
        except BaseException as error:  # noqa: BLE001 - the engine ends the pipeline run
            self._report(error)

    def _evaluate(
        self,
        instruction: EvaluateInputs | EvaluateOutput,
        interruptible: AbstractContextManager[object],
    ) -> Event:
        call = instruction.call
        attempt = instruction.attempt if isinstance(instruction, EvaluateOutput) else 0
        context = SematicContext(call.run_id, call.root_id)
        with evaluating(context, attempt, thread_id=self._thread_id):
            try:
                with interruptible:
                    return self._compute(instruction)
            except CallInterrupted:
                raise
            except BaseException as error:  # noqa: BLE001
                # A user's operator or property may raise anything.
                return EvaluationFailed(
                    self._clock(), call.run_id, build_error_record(error), error
                )

    def _compute(self, instruction: EvaluateInputs | EvaluateOutput) -> Event:
        call, outputs = instruction.call, instruction.outputs
        if isinstance(instruction, EvaluateInputs):
            inputs = evaluate_inputs(call, outputs, self._store)
            return InputsEvaluated(self._clock(), call.run_id, inputs)
        output = evaluate_output(call, instruction.output, outputs=outputs, store=self._store)
        return OutputEvaluated(self._clock(), call.run_id, output)

    def _look_up(self, instruction: LookUpOutput) -> Event:
        """Whatever is wrong with the cache, the call can still be executed."""
        original_id, output = None, None
        try:
            original_id, output = self._find_kept(instruction.key)
        except SematicError as error:
            self._warn(f"The cache could not be asked, so it is not used: {error}")
        return OutputLookedUp(self._clock(), instruction.call.run_id, output, original_id)

    def _find_kept(self, key: str) -> tuple[str, ArtifactRef] | tuple[None, None]:
        """The oldest output under a key whose artifact is still there, undamaged."""
        warning = None
        for run_id, output in self._tracker.find_outputs(key):
            try:
                self._store.check(output)
            except MissingArtifactError:
                what = "is not in the store any more"
            except CorruptArtifactError as error:
                what = f"is damaged ({error})"
            else:
                return run_id, output
            warning = f"The cached output {output.id} of run {run_id} {what}; it is computed again."
        if warning is not None:
            self._warn(warning)
        return None, None
