"""Why a Ray task has no outcome, in words for people."""

import re
from contextlib import suppress
from pathlib import Path

from sematic.calls import ErrorRecord, Failed, Outcome

STOPPED = ErrorRecord("sematic.errors.CancellationError", "The call was stopped.")
"""The reason of a call that had been asked to end."""

_ANCESTORS = (
    *("sematic.errors.InfrastructureError", "sematic.errors.SematicError"),
    "builtins.Exception",
)

SHUT_DOWN = ErrorRecord(
    "sematic.errors.WorkerLostError",
    "Ray was shut down, most likely by ray.shutdown() in this process, while it had this call.",
    _ANCESTORS,
)
"""The reason of a call that was with a Ray that is gone."""

DIED = ErrorRecord(
    "sematic.errors.WorkerLostError",
    "Ray on this machine died while it had this call.",
    _ANCESTORS,
)
"""The reason of a call that was with a Ray that died."""

# By class name, so that this module does not import ray.
_SENTENCES = {
    "OutOfMemoryError": (
        "Ray killed the worker because this machine ran out of memory. Ask for more with "
        "resource_requirements, or lower max_parallelism so that fewer functions run at a time."
    ),
    "NodeDiedError": "The Ray node that executed this call died.",
    "LocalRayletDiedError": "Ray on this machine died.",
    "RuntimeEnvSetupError": "Ray could not set up the runtime environment of the worker.",
    "TaskUnschedulableError": "No Ray node can ever give what this call requires.",
    "TaskCancelledError": "Ray cancelled the call.",
    "ObjectLostError": "Ray lost what the call returned.",
    "OwnerDiedError": "Ray lost what the call returned: the process that kept it died.",
}
_DIED = "The worker process died while it executed this call: "
_UNKNOWN_DEATH = "it was killed from outside, or the function called os._exit()."
_OOM_KILLED = (
    "it was killed, most likely by the system's out-of-memory killer, which was at work. Ask for "
    "more with resource_requirements, or lower max_parallelism so that fewer functions run at a "
    "time."
)
# What Python's fault handler prints into the log of the run.
_FATAL = re.compile(rb"^Fatal Python error: ([^\r\n]+)", re.MULTILINE)
_TAIL_BYTES = 65_536


def describe_loss(error: BaseException, *, log: Path, out_of_memory: bool) -> ErrorRecord:
    """An error of Ray as the reason why a call has no outcome.

    Args:
        error: what Ray reported in place of an outcome.
        log: where the call's output went.
        out_of_memory: whether the system has killed processes for want of memory meanwhile.
    """
    names = [cls.__name__ for cls in type(error).__mro__]
    if "WorkerCrashedError" in names:
        message = _DIED + (_crash(log) or (_OOM_KILLED if out_of_memory else _UNKNOWN_DEATH))
    else:
        sentence = next((_SENTENCES[n] for n in names if n in _SENTENCES), f"{names[0]}:")
        message = f"{sentence} {str(error).strip()}".strip()
    return ErrorRecord("sematic.errors.WorkerLostError", message, _ANCESTORS)


def means_death_of_ray(result: object) -> bool:
    """Whether what Ray has in place of an outcome tells that Ray on this machine is dead."""
    names = {cls.__name__ for cls in type(result).__mro__}
    return bool(names & {"LocalRayletDiedError", "NodeDiedError"})


def count_oom_kills() -> int:
    """How many processes this system has killed for want of memory; 0 where it does not tell."""
    with suppress(OSError, ValueError), open("/proc/vmstat", "rb") as file:
        for line in file:
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def _crash(log: Path) -> str | None:
    """How the process crashed, if it left a message in its log."""
    with suppress(OSError), open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        found = _FATAL.findall(file.read())
        if found:
            words = found[-1].decode("utf-8", "replace")
            return f"it crashed ({words}). Its log tells where."
    return None


def was_told_to_exit(outcome: Outcome) -> bool:
    """Whether it ended as a function does that executes when Ray ends its worker."""
    return isinstance(outcome, Failed) and outcome.error.type == "builtins.SystemExit"
