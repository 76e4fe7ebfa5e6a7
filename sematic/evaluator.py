"""Evaluator: finds out what the state machine asks for, beside the engine."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

from sematic.calls import ArtifactRef
from sematic.error_records import build_error_record
from sematic.errors import (
    CorruptArtifactError,
    ForeignCodeError,
    MissingArtifactError,
    SematicError,
)
from sematic.evaluation_threads import SECONDS_TO_END, EvaluationThreads
from sematic.events import (
    EvaluateInputs,
    EvaluateOutput,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    LookedUp,
    LookUpOutput,
    OutputEvaluated,
    OutputsLookedUp,
)
from sematic.execution import CallInterrupted, evaluate_inputs, evaluate_output
from sematic.ports import ArtifactStore, Clock, Tracker
from sematic.quick_evaluation import is_quick, needs_code
from sematic.run_context import SematicContext, evaluating

_THREADS = 4
_MOST_AT_A_TIME = 250
"""Keys in one question to the record, and answers in one event: neither is to take long."""
_MOST_BYTES_TO_TRY = 1024 * 1024
_NOTHING_TO_INTERRUPT = nullcontext()


class Evaluator:
    """Computes inputs and outputs, and asks the cache, in threads of its own where it takes time.

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
        self._wanted: deque[LookUpOutput] = deque()
        self._asking = False
        self._lock = threading.Lock()  # guards these two

    def answer(
        self, instruction: EvaluateInputs | EvaluateOutput | LookUpOutput, *, of_few: bool = False
    ) -> list[Event]:
        """Give the answer if that takes neither time nor user code; else begin to look for it.

        Args:
            instruction: what is to be found out.
            of_few: whether hardly anything else is asked for in this turn. Of many keys, looking
                them up together takes less time.
        """
        if isinstance(instruction, LookUpOutput):
            if of_few and self._tracker.is_quick and not self._asking:
                return self._look_up([instruction])
            self._want(instruction)
            return []
        if is_quick(instruction):
            with suppress(Exception):  # it is raised again where it is told of
                return [self._compute(instruction)]
        find, attempt = partial(self._find, instruction), _attempt(instruction)
        self._threads.submit(find, call=instruction.call, attempt=attempt)
        return []

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
        instruction: EvaluateInputs | EvaluateOutput,
        interruptible: AbstractContextManager[object],
    ) -> Callable[[], None] | None:
        try:
            return partial(self._report, self._evaluate(instruction, interruptible))
        except CallInterrupted:
            return None  # nobody waits for it any more
        except BaseException as error:  # noqa: BLE001 - the engine ends the pipeline run
            return partial(self._report, error)

    def _evaluate(
        self,
        instruction: EvaluateInputs | EvaluateOutput,
        interruptible: AbstractContextManager[object],
    ) -> Event:
        call = instruction.call
        context = SematicContext(call.run_id, call.root_id)
        with evaluating(context, _attempt(instruction), thread_id=self._thread_id):
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

    def _want(self, instruction: LookUpOutput) -> None:
        """Have a key looked up, by the thread that looks keys up if there is one."""
        with self._lock:
            self._wanted.append(instruction)
            begins, self._asking = not self._asking, True
        if begins:
            self._threads.submit(self._ask_cache)

    def _ask_cache(self, _: AbstractContextManager[object]) -> None:
        """Look up what is wanted until nothing is; many at a time where there are."""
        while wanted := self._take_wanted():
            try:
                for answer in self._look_up(wanted):
                    self._report(answer)
            except BaseException as error:  # noqa: BLE001 - the engine ends the pipeline run
                self._report(error)

    def _take_wanted(self) -> list[LookUpOutput]:
        with self._lock:
            number = min(len(self._wanted), _MOST_AT_A_TIME)
            wanted = [self._wanted.popleft() for _ in range(number)]
            self._asking = bool(wanted)
            return wanted

    def _look_up(self, wanted: list[LookUpOutput]) -> list[Event]:
        """The answers that take no time, as one event; for the others begin to look.

        Whatever is wrong with the cache, the calls can still be executed.
        """
        try:
            found = self._tracker.find_outputs([instruction.key for instruction in wanted])
        except SematicError as error:
            self._warn_unusable(error)
            found = {}
        answers: list[LookedUp] = []
        for instruction in wanted:
            known = found.get(instruction.key, [])
            if not any(output.payload is None or needs_code(output) for _, output in known):
                answers.append(self._choose(instruction, known))
            else:  # that may take its time: the others do not wait for it
                choose = partial(self._choose_beside, instruction, known)
                self._threads.submit(choose, call=instruction.call)
        return [OutputsLookedUp(self._clock(), tuple(answers))] if answers else []

    def _choose_beside(
        self,
        instruction: LookUpOutput,
        known: list[tuple[str, ArtifactRef]],
        interruptible: AbstractContextManager[object],
    ) -> Callable[[], None] | None:
        call = instruction.call
        context = SematicContext(call.run_id, call.root_id)
        try:
            with evaluating(context, 0, thread_id=self._thread_id):
                answer = self._choose(instruction, known, interruptible)
                return partial(self._report, OutputsLookedUp(self._clock(), (answer,)))
        except CallInterrupted:
            return None  # nobody waits for it any more
        except BaseException as error:  # noqa: BLE001 - the engine ends the pipeline run
            return partial(self._report, error)

    def _choose(
        self,
        instruction: LookUpOutput,
        known: list[tuple[str, ArtifactRef]],
        interruptible: AbstractContextManager[object] = _NOTHING_TO_INTERRUPT,
    ) -> LookedUp:
        original_id, output = None, None
        try:
            original_id, output = self._first_kept(known, interruptible)
        except SematicError as error:
            self._warn_unusable(error)
        return LookedUp(instruction.call.run_id, output, original_id)

    def _warn_unusable(self, error: SematicError) -> None:
        self._warn(f"The cache could not be asked, so it is not used: {error}")

    def _first_kept(
        self, known: list[tuple[str, ArtifactRef]], interruptible: AbstractContextManager[object]
    ) -> tuple[str, ArtifactRef] | tuple[None, None]:
        """The oldest output of several that is still there, undamaged, and that the code can read.

        Served one that it cannot, every pipeline run would fail where the output is needed.
        """
        warning = None
        for run_id, output in known:
            try:
                self._store.check(output)
            except MissingArtifactError:
                what = "is not in the store any more"
            except CorruptArtifactError as error:
                what = f"is damaged ({error})"
            except ForeignCodeError as error:
                what = f"is for another version of Python ({error})"
            else:
                problem = self._why_unreadable(output, interruptible)
                if problem is None:
                    return run_id, output
                warning = f"The cached output of run {run_id} is computed again: {problem}"
                continue
            warning = f"The cached output {output.id} of run {run_id} {what}; it is computed again."
        if warning is not None:
            self._warn(warning)
        return None, None

    def _why_unreadable(
        self, output: ArtifactRef, interruptible: AbstractContextManager[object]
    ) -> str | None:
        """Why the classes of now cannot read a value that others have written, if that is so.

        What is large is not tried: that takes its time and memory, for each call that is served it.
        """
        if output.size > _MOST_BYTES_TO_TRY or not needs_code(output):
            return None
        try:
            with interruptible:
                self._store.get(output)
        except Exception as error:  # noqa: BLE001 - a user's class may raise anything
            return str(error) if isinstance(error, SematicError) else repr(error)
        return None


def _attempt(instruction: EvaluateInputs | EvaluateOutput) -> int:
    return instruction.attempt if isinstance(instruction, EvaluateOutput) else 0
