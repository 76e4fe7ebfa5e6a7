"""What it takes to go on with a pipeline run whose driver is gone."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sematic.calls import ArtifactRef, Call
from sematic.errors import InvalidOptionError, NotFoundError
from sematic.events import DriverChanged, Event
from sematic.function import Function
from sematic.future import Future
from sematic.log_files import find_logs, part_executions
from sematic.ports import ArtifactStore
from sematic.processes import working_directory
from sematic.ray_backend.taking_over import end_in_ray
from sematic.runners.recorded_roots import RecordedRoot, take_recorded
from sematic.runners.telling import build_teller
from sematic.settings import config_directory
from sematic.shipping import locate_function
from sematic.states import RunState
from sematic.tracking.abandoned import end_abandoned, is_driven_in
from sematic.tracking.environment import original_command
from sematic.tracking.history import read_history, read_recorded_functions
from sematic.tracking.liveness import sign_to_compare
from sematic.tracking.queries import Queries, open_queries
from sematic.tracking.rows import function_id, original_text
from sematic.tracking.views import PipelineRunRow
from sematic.wording import clean, short_id

_TO_EXECUTE = (RunState.CREATED, RunState.SCHEDULED, RunState.RETRYING)


@dataclass(frozen=True)
class Resumption:
    """A pipeline run that can be gone on with.

    Attributes:
        url: of the record.
        root_id: its root run.
        epoch: of the driver that is gone.
        driver: what the record says of that driver: host, process id, start time.
        alive_until: its last sign of life by the clock of its events, seconds since the epoch, UTC.
        heartbeat_at: the same by the clock of the record, 0 for none: whoever takes over does so
            only if it has not shown another one since. ``None`` for whatever it has shown.
        began_at: when the pipeline run began, seconds since the epoch, UTC; ``None`` for now.
    """

    url: str
    root_id: str
    epoch: int
    driver: Mapping[str, Any]
    alive_until: float
    heartbeat_at: float | None = None
    began_at: float | None = None

    def end_leftovers(self) -> None:
        """End what the driver has left: processes of functions, its Ray, unfinished logs."""
        end_abandoned(
            self.root_id,
            self.driver,
            is_ours=lambda: is_driven_in(self.url, self.root_id, epoch=self.epoch + 1),
            end_in_ray=end_in_ray,
            warn=build_teller(),
        )
        self._part_logs()

    def _part_logs(self) -> None:
        """Let the logs of attempts that will be made again tell both executions apart.

        Of these the record does not know that they began: the driver was lost in that moment.
        """
        logs = find_logs(config_directory() / "logs" / self.root_id)
        if logs:
            recorded = {run.id: run.attempt for run in open_queries(self.url).runs(self.root_id)}
            try:
                part_executions(path for id_, n, path in logs if n > recorded.get(id_, n))
            except OSError as error:  # a full disk: no reason for not going on
                build_teller()(f"Logs of earlier executions cannot be added to: {error}")

    def read(self) -> Iterable[Event]:
        """Everything recorded so far, in order, with the functions as they were.

        Raises:
            InvalidOptionError: the pipeline run has ended meanwhile.
        """
        status = open_queries(self.url).pipeline_run(self.root_id).status
        if status.is_terminal:
            raise InvalidOptionError(
                f"Cannot resume pipeline run {self.root_id}: it has ended {status.value} meanwhile."
            )
        function_of = read_recorded_functions(self.url, self.root_id)
        return read_history(self.url, self.root_id, function_of=function_of)

    def find_function(self, path: str) -> Function[..., Any]:
        """The function at an importable path, as it is now.

        Raises:
            ImportError: there is none any more.
        """
        function = locate_function(path)
        function.prepare_identity()
        return function

    def driver_changed(self, at: float) -> DriverChanged:
        """The event that the new driver begins with."""
        return DriverChanged(at, self.alive_until, self.changed_functions())

    def changed_functions(self) -> tuple[str, ...]:
        """Paths of functions that have not executed, and whose code is not the recorded one.

        Those that are gone are passed over: whoever goes on has refused by now if they must
        execute, and here they may be those of calls that only end.
        """
        runs = open_queries(self.url).runs(self.root_id)
        pending = {
            (original_text(run.function_path), run.function_id)
            for run in runs
            if run.state in _TO_EXECUTE
        }
        changed = set()
        for path, id_ in pending:
            with suppress(ImportError):
                if function_id(locate_function(path)) != id_:
                    changed.add(path)
        return tuple(sorted(changed))

    def check_root(self, root: Call, store: ArtifactStore) -> None:
        """Refuse to go on with another function, or with other arguments.

        Args:
            root: the call that is given.
            store: where its arguments and the recorded ones are.

        Raises:
            InvalidOptionError: ``root`` is not the call that the pipeline run began with.
            ArtifactError: an argument cannot be read.
        """
        queries = open_queries(self.url)
        path = original_text(queries.run(self.root_id).function_path)
        if path != root.function.path:
            raise InvalidOptionError(
                f"Pipeline run {self.root_id} is one of {path}, but the runner was given a future "
                f"of {root.function.path}. Give it the same function, under its name of then, "
                "with the same arguments."
            )
        recorded = _read_arguments(queries, self.root_id)
        root = take_recorded(root, recorded, store)
        for name, artifact in recorded.items():
            if root.inputs.get(name) != artifact:
                raise InvalidOptionError(
                    f"Argument {name!r} of {path} differs from the recorded one. A "
                    "pipeline run is resumed with the arguments that it began with; run a new one "
                    "for others."
                )


def find_resumption(url: str, run_id: str) -> Resumption:
    """What a run's id, or its first digits, says can be gone on with.

    Args:
        url: of the record.
        run_id: of any run of the pipeline run.

    Raises:
        InvalidOptionError: there is no such run, its pipeline run has ended, or somebody drives it.
            One of which nothing was recorded has ended then, as FAILED.
    """
    queries = open_queries(url)
    try:
        root_id = queries.resolve_root_id(run_id)
    except NotFoundError as error:
        raise InvalidOptionError(
            f"Cannot resume {run_id!r}: {error} `sematic runs` lists pipeline runs."
        ) from error
    found = queries.pipeline_run(root_id)
    if found.status.is_terminal:
        instead = (
            f"To execute it again, or parts of it, start a new one: sematic rerun {root_id[:8]}"
            if queries.state_counts([root_id])[root_id]
            else "Nothing was recorded of it: run the pipeline again."
        )
        raise InvalidOptionError(
            f"Cannot resume pipeline run {root_id}: it has ended {found.status.value}. {instead}"
        )
    if not found.driver_lost:
        raise InvalidOptionError(
            f"Cannot resume pipeline run {root_id}: process {found.driver['pid']} on "
            f"{found.driver['host']} drives it. To end it: sematic cancel {root_id[:8]}"
        )
    if not queries.runs(root_id):  # its driver was lost in the moment in which it began
        from sematic.tracking.settling import settle_lost  # seldom needed

        settle_lost(url, found, end_in_ray=end_in_ray, warn=build_teller())
        raise InvalidOptionError(
            f"Cannot resume pipeline run {root_id}: its driver was lost before anything was "
            "recorded of it, so there is nothing to go on with. It counts as FAILED now; run the "
            "pipeline again."
        )
    return Resumption(
        url,
        root_id,
        found.epoch,
        found.driver,
        alive_until=_last_sign(found),
        heartbeat_at=sign_to_compare(found.driver, found.heartbeat_at),
        began_at=found.created_at,
    )


def describe_void(root_id: str, reason: str) -> str:
    """One sentence of a wish to cancel that no driver has heard, for who goes on all the same."""
    id_ = short_id(root_id)
    return (
        f"Pipeline run {id_} was to be canceled, which its driver did not hear before it was lost "
        f"({clean(reason)}). It goes on. To cancel it: sematic cancel {id_}"
    )


def _last_sign(found: PipelineRunRow) -> float:
    """When a driver gave its last sign of life, by the clock of its events as far as that is known.

    Drivers of versions before marks tell only the record's clock while nothing happens. Without
    that, hours of a function that they drove would count as time without a driver.
    """
    if "mark" in found.driver:
        return found.updated_at
    return max(found.updated_at, found.heartbeat_at or 0.0)


def build_root_future(resumption: Resumption, store: ArtifactStore) -> Future:
    """The future that a pipeline run began with, from the record.

    Raises:
        ImportError: its function is not where it was.
        InvalidOptionError: it does not take an argument any more.
    """
    queries = open_queries(resumption.url)
    function = locate_function(original_text(queries.run(resumption.root_id).function_path))
    for argument in queries.inputs(resumption.root_id):
        if argument.name not in function.input_types:
            raise InvalidOptionError(
                f"Cannot resume pipeline run {resumption.root_id}: {function.path} does not take "
                f"the argument {argument.name!r} any more, with which it was called."
            )
    artifacts = _read_arguments(queries, resumption.root_id)
    arguments = {name: store.get(artifact) for name, artifact in artifacts.items()}
    return RecordedRoot(function, arguments, artifacts=artifacts, options=function.options)


def _read_arguments(queries: Queries, root_id: str) -> dict[str, ArtifactRef]:
    """The artifacts of the arguments of a root, by their names: it has no others."""
    inputs = queries.inputs(root_id)
    return {found.name: found.artifact for found in inputs if found.artifact is not None}


@contextmanager
def original_surroundings(environment: Mapping[str, Any]) -> Iterator[list[str]]:
    """Be where the command that began a pipeline run was: its directory, modules and arguments.

    Yields:
        What is first on ``sys.path`` meanwhile.
    """
    directory = environment.get("directory")
    before, path = working_directory(), list(sys.path)
    places = _module_places(environment)
    if directory and os.path.isdir(directory):
        os.chdir(directory)
    sys.path[:0] = places
    try:
        with original_command(environment):
            yield places
    finally:
        if before is not None:
            os.chdir(before)
        sys.path[:] = path


def _module_places(environment: Mapping[str, Any]) -> list[str]:
    """The directories where a command's modules were, for the beginning of ``sys.path``."""
    directory, main = environment.get("directory"), environment.get("main")
    modules = environment.get("modules")  # older versions did not tell it
    if modules is not None:  # as python -m, which does not look beside the module's file
        return [] if modules != directory and modules in sys.path else [modules]
    places = [os.path.dirname(main)] if main else []
    if directory and os.path.isdir(directory):
        places.append(directory)
    return list(dict.fromkeys(places))
