"""Evaluator: finds out what the state machine asks for, beside the engine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sematic.calls import ArtifactRef
from sematic.error_records import build_error_record
from sematic.errors import CorruptArtifactError, MissingArtifactError, SematicError
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
from sematic.execution import evaluate_inputs, evaluate_output
from sematic.ports import ArtifactStore, Clock, Tracker

_THREADS = 4


class Evaluator:
    """Computes inputs and outputs, and asks the cache, in threads of its own.

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
        self._threads = ThreadPoolExecutor(_THREADS, "sematic-evaluation")

    def answer(self, instruction: EvaluateInputs | EvaluateOutput | LookUpOutput) -> None:
        """Begin to look for the answer, and return at once."""

        def guarded() -> None:
            try:
                self._report(self._find(instruction))
            except BaseException as error:  # noqa: BLE001 - the engine ends the pipeline run
                self._report(error)

        self._threads.submit(guarded)

    def close(self) -> None:
        """End the threads, and what they have begun; what waits is dropped."""
        self._threads.shutdown(cancel_futures=True)

    def _find(self, instruction: EvaluateInputs | EvaluateOutput | LookUpOutput) -> Event:
        if isinstance(instruction, LookUpOutput):
            return self._look_up(instruction)
        return self._evaluate(instruction)

    def _evaluate(self, instruction: EvaluateInputs | EvaluateOutput) -> Event:
        call, outputs = instruction.call, instruction.outputs
        try:
            if isinstance(instruction, EvaluateInputs):
                inputs = evaluate_inputs(call, outputs, self._store)
                return InputsEvaluated(self._clock(), call.run_id, inputs)
            output = evaluate_output(call, instruction.output, outputs=outputs, store=self._store)
            return OutputEvaluated(self._clock(), call.run_id, output)
        except BaseException as error:  # noqa: BLE001
            # A user's operator or property may raise anything.
            return EvaluationFailed(self._clock(), call.run_id, build_error_record(error), error)

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
