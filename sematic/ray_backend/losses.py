"""Why a Ray task has no outcome, in words for people."""

from sematic.calls import ErrorRecord

_INFRASTRUCTURE = (
    "sematic.errors.WorkerLostError",
    ("sematic.errors.InfrastructureError", "sematic.errors.SematicError", "builtins.Exception"),
)

# By class name, so that this module does not import ray.
_SENTENCES = {
    "OutOfMemoryError": (
        "Ray killed the worker because this machine ran out of memory. Ask for more with "
        "resource_requirements, or lower max_parallelism so that fewer functions run at a time."
    ),
    "WorkerCrashedError": (
        "The worker process died while it executed this call: it was killed (by the system's "
        "out-of-memory killer, or by hand), or it crashed in native code, or the function called "
        "os._exit()."
    ),
    "NodeDiedError": "The Ray node that executed this call died.",
    "RuntimeEnvSetupError": "Ray could not set up the runtime environment of the worker.",
    "TaskUnschedulableError": "No Ray node can ever give what this call requires.",
    "TaskCancelledError": "The call was stopped.",
    "ObjectLostError": "Ray lost what the call returned.",
    "OwnerDiedError": "Ray lost what the call returned: the process that kept it died.",
}


def describe_loss(error: BaseException, *, stopped: bool) -> ErrorRecord:
    """An error of Ray as the reason why a call has no outcome.

    Args:
        error: what Ray reported in place of an outcome.
        stopped: whether the call had been asked to end.
    """
    if stopped:
        return ErrorRecord("sematic.errors.CancellationError", "The call was stopped.")
    kind, ancestors = _INFRASTRUCTURE
    names = [cls.__name__ for cls in type(error).__mro__]
    sentence = next((_SENTENCES[name] for name in names if name in _SENTENCES), None)
    detail = str(error).strip()
    message = f"{sentence} {detail}".strip() if sentence else f"{names[0]}: {detail}"
    return ErrorRecord(kind, message, ancestors)
