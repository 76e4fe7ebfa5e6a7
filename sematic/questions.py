"""What the state machine asks, because only the engine can find it out. Pure."""

from sematic.events import EvaluateInputs, EvaluateOutput, Instruction, LookUpOutput
from sematic.known_runs import KnownRun, KnownRuns


class Questions:
    """The open questions, one of a run at most: its inputs, its cached output or its output."""

    def __init__(self, runs: KnownRuns, out: list[Instruction]) -> None:
        self._runs = runs
        self._out = out
        self._open: set[str] = set()

    def __bool__(self) -> bool:
        """Whether any answer is waited for."""
        return bool(self._open)

    def ask(self, run: KnownRun) -> None:
        """Ask for what a run needs next."""
        call = run.call
        self._open.add(call.run_id)
        if run.expansion is not None:
            outputs = self._runs.outputs([run.expansion])
            self._out.append(EvaluateOutput(call, run.expansion, outputs, run.attempt))
        elif run.inputs is None:
            self._out.append(EvaluateInputs(call, self._runs.outputs(call.inputs.values())))
        else:
            assert run.cache_key is not None
            self._out.append(LookUpOutput(call, run.cache_key))

    def ask_again(self) -> None:
        """Ask all of it once more: whoever was asked is gone."""
        for run_id in sorted(self._open):
            self.ask(self._runs[run_id])

    def answered(self, run_id: str) -> KnownRun | None:
        """The run that an answer is for, ``None`` if nothing was asked or it was answered."""
        if run_id not in self._open:
            return None
        self._open.discard(run_id)
        return self._runs[run_id]
