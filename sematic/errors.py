"""Every exception that sematic raises, in one tree.

::

    SematicError
    ├── InvalidFunctionError (TypeError)      @sematic.func on something it cannot wrap
    ├── InvalidOptionError (ValueError)       an option of @sematic.func, set() or a runner
    │   └── UnknownOptionError (TypeError)        there is no option of this name
    ├── CastError (TypeError)                 a value or a future's type does not fit an annotation
    ├── FutureUseError (TypeError)            a future used as if it were its value
    ├── UnusedFutureError (RuntimeError)      a future that nothing returned depends on
    ├── NotInSematicFuncError (RuntimeError)  context() outside of a running function
    ├── NestedRunError (RuntimeError)         runner.run() inside of a running function
    ├── PipelineRunError                      its cause is the user's exception
    ├── CancellationError                     a pipeline run was cancelled
    ├── TimeoutError (builtins.TimeoutError)  a function took longer than its limit
    ├── InfrastructureError                   the machine's fault, never the user's code
    │   ├── WorkerLostError                   the process that ran a call died
    │   └── KubernetesError                   the cluster refused, evicted or lost a pod
    ├── ArtifactError
    │   ├── UnserializableValueError (TypeError)  a value that no codec can store
    │   ├── MissingArtifactError (LookupError)    the bytes of an artifact are gone
    │   ├── CorruptArtifactError                  the bytes of an artifact are not what was written
    │   └── ForeignCodeError                      it has code of another version of Python
    ├── RecordError
    │   ├── FencedError                       another driver has taken this pipeline run over
    │   ├── RecordFullError                   the disk of the record has no space left
    │   ├── RecordUnavailableError            it is locked or out of reach, for now
    │   ├── IllegalStateTransitionError (ValueError)
    │   └── UnknownSchemaError                written by a newer version of sematic
    ├── NotFoundError (LookupError)           no run or artifact has this id
    ├── SettingsError (ValueError)            a setting is missing, unknown or malformed
    └── SnowflakeError                        Snowflake does not answer, or refuses

The builtin in brackets is a second base: ``except TypeError`` keeps working.
"""

import builtins


class SematicError(Exception):
    """Root of every exception that sematic raises itself."""


class InvalidFunctionError(SematicError, TypeError, ValueError):
    """``@sematic.func`` was given something that cannot become a unit of work."""


class InvalidOptionError(SematicError, ValueError):
    """An option has a wrong type or value."""


class UnknownOptionError(InvalidOptionError, TypeError):
    """There is no option of this name; the text has the one that was probably meant."""


class CastError(SematicError, TypeError):
    """A value, or the type of a future, does not fit the annotation it meets."""


class FutureUseError(SematicError, TypeError):
    """A future was used as if it were the value that it stands for."""


class UnusedFutureError(SematicError, RuntimeError):
    """A future was created whose output nothing that was returned depends on."""


class NotInSematicFuncError(SematicError, RuntimeError):
    """:func:`sematic.context` was called outside of a running Sematic function."""


class NestedRunError(SematicError, RuntimeError):
    """``runner.run(...)`` was called inside of a running Sematic function."""


class PipelineRunError(SematicError):
    """A pipeline run failed. ``__cause__`` is the exception that the user's code raised.

    Attributes:
        run_id: the run that failed first, or ``None`` where no run was to blame.
    """

    def __init__(self, message: str = "", *, run_id: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id


class CancellationError(SematicError):
    """A pipeline run was cancelled."""


class TimeoutError(SematicError, builtins.TimeoutError):
    """A function, or one of its ancestors, took longer than its time limit."""


class InfrastructureError(SematicError):
    """A fault of the machine or the cluster, not of the user's code."""


class WorkerLostError(InfrastructureError):
    """The process that executed a call died before it could report an outcome."""


class KubernetesError(InfrastructureError):
    """Kubernetes refused, evicted or lost a pod."""


class ArtifactError(SematicError):
    """An artifact could not be written or read."""


class UnserializableValueError(ArtifactError, TypeError):
    """No codec can turn this value into bytes."""


class MissingArtifactError(ArtifactError, LookupError):
    """The record names an artifact whose bytes are not in the store."""


class CorruptArtifactError(ArtifactError):
    """The bytes of an artifact do not have the hash under which they were stored."""


class ForeignCodeError(ArtifactError):
    """An artifact has functions or classes in it that another version of Python compiled."""


class RecordError(SematicError):
    """The record of a pipeline run could not be written or read."""


class FencedError(RecordError):
    """Another driver has taken over this pipeline run; this one must stop."""


class RecordFullError(RecordError):
    """The disk of the record is full.

    Attributes:
        recorded: whether what was to be recorded has been, in space that a reserve has set free. If
            so, there is room for the end of the pipeline run, and for nothing more.
    """

    def __init__(self, message: str = "", *, recorded: bool = True) -> None:
        super().__init__(message)
        self.recorded = recorded


class RecordUnavailableError(RecordError):
    """The record cannot be used now: another process has locked it, or its database is away.

    Nothing was written, or it is not known whether it was. Perhaps it works when it is tried again.
    """


class IllegalStateTransitionError(RecordError, ValueError):
    """A run was asked to move between two states that ``TRANSITIONS`` does not connect."""


class UnknownSchemaError(RecordError):
    """The record was written by a version of sematic that this one cannot read."""


class NotFoundError(SematicError, LookupError):
    """No run or artifact has the id that was asked for."""


class SettingsError(SematicError, ValueError):
    """A setting is missing, unknown or malformed."""


class SnowflakeError(SematicError):
    """A table cannot be read from Snowflake; the text has the connector's reason."""
