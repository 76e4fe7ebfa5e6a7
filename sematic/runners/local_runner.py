"""LocalRunner: on this machine, tracked, standalone functions in parallel on local Ray."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sematic.artifacts.store import FileSystemStore
from sematic.caching import CacheNamespace, determine_cache_namespace
from sematic.engine import Engine
from sematic.error_records import trim_causes
from sematic.errors import InvalidOptionError, RecordError, SematicError
from sematic.events import OnFailure
from sematic.future import AbstractFuture, Future
from sematic.ids import check_id
from sematic.log_files import has_log, log_path
from sematic.option_names import checks_names
from sematic.output_capture import PathOf, teed_streams
from sematic.ports import PipelineRunInfo
from sematic.ray_backend.cluster import LocalRay
from sematic.ray_backend.executor import RayExecutor
from sematic.ray_backend.tracker_actor import move_to_actor
from sematic.ray_backend.users_ray import look_after_users_ray
from sematic.runners.progress import progress_display
from sematic.runners.recorded_roots import build_call
from sematic.runners.resuming import Resumption, describe_void, find_resumption
from sematic.runners.runner import Runner, run_future, steady_clock, system_clock
from sematic.runners.telling import build_teller
from sematic.settings import config_directory, load_settings
from sematic.stop_signals import Parting, parting_of
from sematic.tracking.environment import describe_command, describe_surroundings
from sematic.tracking.settling import settle_broken
from sematic.tracking.sql_tracker import SqlTracker
from sematic.types.display import short_repr
from sematic.version import __version__
from sematic.wording import short_id

if TYPE_CHECKING:  # seldom needed
    from sematic.runners.rerunning import Rerun

_SURROUNDINGS_SECONDS = 10.0
_MOST_PARALLEL = 1_000_000_000  # more is as good as no limit


_OF_CLOUD = "That is an option of CloudRunner, which this version does not have."
_HINTS = {
    **dict.fromkeys(("workers", "max_workers", "num_workers"), "Write max_parallelism=4."),
    **dict.fromkeys(("n_jobs", "concurrency", "parallelism"), "Write max_parallelism=4."),
    **dict.fromkeys(("cache", "namespace"), 'Write cache_namespace="mine".'),
    **dict.fromkeys(("resume_from", "resume_id"), "Write resume=<the id of a pipeline run>."),
    **dict.fromkeys(("resources", "detach"), _OF_CLOUD),
}


@checks_names(_HINTS)
class LocalRunner(Runner):
    """Runs a pipeline on this machine and records it; no server is needed.

    The record is a SQLite database in ``~/.sematic`` (``SEMATIC_CONFIG_DIR`` says elsewhere).
    Standalone functions execute in parallel as Ray tasks; Ray is started when the first of them
    is ready and ended with the pipeline run. A pipeline without any never imports Ray.

    Args:
        cache_namespace: where functions with ``cache=True`` look for, and leave, their outputs:
            a string, or a callable that makes it from the root future. ``None``: no caching.
        rerun_from: the id of a run of an earlier pipeline run, or its first digits. What does not
            depend on it is taken over from there; it, what is nested in it and what is
            downstream of it execute again, with the code as it is now; it itself does even if the
            cache has its output.
        max_parallelism: most standalone runs at a time; ``None`` for as many as there is room.
        on_failure: what happens to standalone functions that still run when another function
            fails: ``"cancel"`` ends them, ``"drain"`` lets them finish.
        ray_address: of a running Ray to use, as ``ray.init(address=...)`` takes it.
        resume: the id of a pipeline run whose driver is gone, or its first digits. What it has
            recorded is not executed again; the rest is, with the options it began with. The
            future must be of the same function, with the same arguments.
        progress: ``"auto"``, ``"plain"`` or ``"off"``; ``None`` for what the setting
            ``SEMATIC_PROGRESS`` says.

    Raises:
        InvalidOptionError: an argument has a wrong type or value.
    """

    def __init__(
        self,
        cache_namespace: CacheNamespace = None,
        rerun_from: str | None = None,
        *,
        max_parallelism: int | None = None,
        on_failure: OnFailure = "cancel",
        ray_address: str | None = None,
        resume: str | None = None,
        progress: str | None = None,
    ) -> None:
        self._cache_namespace = cache_namespace
        self._rerun_from = None if rerun_from is None else check_id("rerun_from", rerun_from)
        self._max_parallelism = _check_parallelism(max_parallelism)
        self._on_failure = _check_choice("on_failure", on_failure, ("cancel", "drain"))
        self._ray_address = _check_address(ray_address)
        self._resume = None if resume is None else check_id("resume", resume)
        if resume is not None:
            self._refuse_new_options()
        if progress is not None:
            _check_choice("progress", progress, ("auto", "plain", "off"))
        self._progress = progress

    def run(self, future: AbstractFuture) -> Any:
        """Run a pipeline and return its value; see :meth:`sematic.Runner.run`."""
        try:
            return run_future(future, self._execute)
        except SematicError as error:
            error.__traceback__ = None  # its way through this package tells users nothing
            if isinstance(error, RecordError):
                trim_causes(error)
            raise error
        except KeyboardInterrupt as error:
            if isinstance(future, Future) and parting_of(error) is not None:
                error.args = (_say_what_is_left(future.id),)
            raise

    def _execute(self, root: Future) -> Any:
        settings, tell, clock = load_settings(), build_teller(), steady_clock()
        logs = config_directory() / "logs"
        look_after_users_ray()
        store = FileSystemStore(settings.artifacts_uri, trusted_from=system_clock())
        store.check_writable()
        resumption = self._resumption(root, settings.database_url)
        tracker = SqlTracker(
            settings.database_url,
            lease_seconds=settings.lease_seconds,
            clock=clock,
            heartbeat_at=resumption.heartbeat_at if resumption else None,
            on_void=lambda reason: tell(describe_void(root.id, reason)),
        )
        call = build_call(root, store)
        if resumption is not None:
            resumption.check_root(call, store)
        rerun = self._rerun(settings.database_url)
        seeds = rerun.plan(call, store).seeds if rerun else ()
        namespace = determine_cache_namespace(self._cache_namespace, root, warn=tell)
        info = _describe(root, runner=type(self).__name__, cache_namespace=namespace)
        if rerun is not None:
            info.environment["rerun_from"] = rerun.run_id
        kind, has_output = self._progress or settings.progress, partial(has_log, logs, root.id)
        began_at = resumption.began_at if resumption else info.created_at
        with progress_display(kind, root, has_output, began_at=began_at) as progress:
            executor = RayExecutor(
                store,
                ray=LocalRay(self._ray_address, announce=progress.announce),
                clock=clock,
                log_directory=logs,
                warn=tell,
                on_ready=lambda ray: move_to_actor(ray, tracker),
            )
            engine = Engine(
                store=store,
                tracker=tracker,
                standalone=executor,
                clock=clock,
                listeners=progress.listeners,
                open_lease=tracker.open_lease,
                settle=partial(settle_broken, settings.database_url),
                warn=tell,
            )
            with teed_streams(_path_of(logs, root.id)):
                if resumption is not None:
                    _tell_of_changes(resumption, tell)
                    value = engine.resume(info, resumption, after_epoch=resumption.epoch)
                else:
                    with _surroundings(tracker, info, tell):
                        value = engine.run(
                            call,
                            info,
                            max_parallelism=self._max_parallelism,
                            on_failure=self._on_failure,
                            cache_namespace=info.cache_namespace,
                            seeds=seeds,
                        )
            progress.conclude(value)
            return value

    def _resumption(self, root: Future, url: str) -> Resumption | None:
        if self._resume is None:
            return None
        resumption = find_resumption(url, self._resume)
        root.id = resumption.root_id
        return resumption

    def _refuse_new_options(self) -> None:
        given = {
            "cache_namespace": self._cache_namespace is not None,
            "rerun_from": self._rerun_from is not None,
            "max_parallelism": self._max_parallelism is not None,
            "on_failure": self._on_failure != "cancel",
        }
        if any(given.values()):
            names = ", ".join(name for name, is_given in given.items() if is_given)
            raise InvalidOptionError(
                f"A pipeline run that is resumed keeps the options that it began with: leave out "
                f"{names}."
            )

    def _rerun(self, url: str) -> "Rerun | None":
        if self._rerun_from is None:
            return None
        from sematic.runners.rerunning import find_rerun

        return find_rerun(url, self._rerun_from)


def _tell_of_changes(resumption: Resumption, tell: Callable[[str], None]) -> None:
    changed = resumption.changed_functions()
    if changed:
        tell(
            f"The code of {', '.join(changed)} has changed since the pipeline run began. What must "
            "still execute executes as it is now; what is recorded stays as it is."
        )


def _path_of(logs: Path, root_id: str) -> PathOf:
    return lambda run_id, attempt: log_path(logs, root_id, run_id, attempt)


def _describe(root: Future, *, runner: str, cache_namespace: str | None) -> PipelineRunInfo:
    return PipelineRunInfo(
        root_id=root.id,
        name=root.props.name,
        function_path=root.function.path,
        runner=runner,
        created_at=system_clock(),
        client_version=__version__,
        cache_namespace=cache_namespace,
        environment=describe_command(),
    )


@contextmanager
def _surroundings(
    tracker: SqlTracker, info: PipelineRunInfo, tell: Callable[[str], None]
) -> Iterator[None]:
    """Look at git and packages beside the pipeline run, and add what was found at its end."""
    found: dict[str, Any] = {}
    thread = threading.Thread(
        target=lambda: found.update(describe_surroundings()), name="sematic-surroundings"
    )
    thread.daemon = True
    thread.start()

    def add() -> None:
        thread.join(_SURROUNDINGS_SECONDS)
        if found:
            try:
                tracker.annotate(info.root_id, {**info.environment, **found})
            except RecordError as error:  # the outcome is recorded: it is what counts
                tell(f"Git commit and package versions could not be recorded: {error}")

    try:
        yield
    except (RecordError, KeyboardInterrupt):
        raise  # there is no record to add to, or no time
    except BaseException:
        add()
        raise
    else:
        add()


def _say_what_is_left(root_id: str) -> Parting:
    """Of a pipeline run that was left while it was being cancelled: nobody can go on with it."""
    id_ = short_id(root_id)
    return Parting(
        f"Left pipeline run {id_} while it was being canceled: what it has started may go on. To "
        f"end all of it: sematic cancel {id_}. To execute it again: sematic rerun {id_}"
    )


def _check_parallelism(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidOptionError(
            f"max_parallelism must be a positive integer or None. Got: {short_repr(value)}"
        )
    return min(value, _MOST_PARALLEL)


def _check_address(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise InvalidOptionError(
        "ray_address must be the address of a running Ray, a string such as '10.0.0.1:6379' or "
        f"'auto'; leave it out to start one on this machine. Got: {short_repr(value)}"
    )


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise InvalidOptionError(
            f"{name} must be one of {', '.join(choices)}. Got: {short_repr(value)}"
        )
    return value
