"""What runs in a Ray worker."""

import pickle
import time
from typing import Any

from sematic.calls import Failed, Outcome
from sematic.error_records import build_error_record
from sematic.execution import execute_call
from sematic.output_capture import captured_descriptors
from sematic.shipping import Packer, adopt_main


def execute_remotely(packed: bytes, context: bytes) -> bytes:
    """Execute one call in a worker process.

    Args:
        packed: ``(call, inputs, log path)``, see :mod:`sematic.shipping`.
        context: the pickled artifact store; the same bytes for every call of a pipeline run.

    Returns:
        ``(outcome, started_at, ended_at)``, packed. It never raises for what user code does.
    """
    started_at = time.time()
    outcome = _execute(packed, context)
    ended_at = time.time()
    try:
        return Packer().pack((outcome, started_at, ended_at))
    except Exception as error:  # noqa: BLE001
        # A closure among the returned calls that cannot be pickled.
        failed = Failed(build_error_record(error, pickled=True))
        return Packer().pack((failed, started_at, ended_at))


def _execute(packed: bytes, context: bytes) -> Outcome:
    try:
        call, inputs, log_path = adopt_main(packed)
        store = _load_store(context)
    except Exception as error:  # noqa: BLE001 - a module that is missing here, above all
        return Failed(build_error_record(error, pickled=True))
    with captured_descriptors(log_path):
        outcome = execute_call(call, inputs, store=store, remote=True)
    if isinstance(outcome, Failed):
        return Failed(outcome.error)  # the exception itself stays here, its record travels
    return outcome


_stores: dict[bytes, Any] = {}


def _load_store(context: bytes) -> Any:
    if context not in _stores:
        _stores.clear()  # a worker serves one pipeline run after the other
        _stores[context] = pickle.loads(context)
    return _stores[context]
