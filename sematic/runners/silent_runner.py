"""SilentRunner: in memory, nothing is tracked."""

from typing import Any

from sematic.engine import Engine
from sematic.errors import SematicError
from sematic.execution import build_root_call
from sematic.future import AbstractFuture, Future
from sematic.in_memory import ForgetfulTracker, MemoryStore
from sematic.option_names import checks_names
from sematic.ports import PipelineRunInfo
from sematic.runners.runner import Runner, run_future, steady_clock
from sematic.version import __version__


@checks_names()
class SilentRunner(Runner):
    """Runs a pipeline in this process and in memory; no record, no files, no output.

    Standalone functions execute inline too. For unit tests and for trying things out.
    """

    def __init__(self) -> None:
        """It has no options."""

    def run(self, future: AbstractFuture) -> Any:
        """Run a pipeline and return its value; see :meth:`sematic.Runner.run`."""
        try:
            return run_future(future, _execute)
        except SematicError as error:
            error.__traceback__ = None  # its way through this package tells users nothing
            raise error


def _execute(root: Future) -> Any:
    store, clock = MemoryStore(), steady_clock()
    call = build_root_call(root, store)
    info = PipelineRunInfo(
        root_id=root.id,
        name=root.props.name,
        function_path=root.function.path,
        runner=SilentRunner.__name__,
        created_at=clock(),
        client_version=__version__,
    )
    engine = Engine(store=store, tracker=ForgetfulTracker(), standalone=None, clock=clock)
    return engine.run(call, info)
