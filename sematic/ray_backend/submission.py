"""Calls as Ray tasks: what is made once is made once."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sematic.calls import ArtifactRef, Call
from sematic.ports import ArtifactStore
from sematic.ray_backend.calls_ahead import CallsAhead, OnResult
from sematic.ray_backend.cluster import read_capacities
from sematic.ray_backend.go_ahead import MOST_BYTES
from sematic.ray_backend.remote import build_context, build_message, execute_remotely
from sematic.ray_backend.resources import RayOptions, clamp_to_any, describe_ignored, ray_options
from sematic.resources import ResourceRequirements
from sematic.shipping import Packer

# Code that is larger, because of the data in it, is given to Ray once rather than with each call.
_MOST_BYTES_PER_CALL = 50_000
# What takes longer gains little by going ahead.
_MOST_SECONDS_BEFORE = 0.01
# A function that took long may have done so because the next one was ahead. So it counts as long
# for some more calls: with each of them this part is left of its time.
_PART_REMEMBERED = 0.9
_MOST_SECONDS_REMEMBERED = 0.06
# While there is always a task that waits, Ray gives the worker to nobody else.
_SECONDS_TO_GIVE_WAY = 0.05


class Submission:
    """Submits the calls of one pipeline run to Ray. From any thread.

    Args:
        ray: the ``ray`` module, initialised.
        store: where inputs come from and outputs go.
        permit: see :mod:`sematic.ray_backend.taking_over`; ``None`` for none.
        warn: told, once for a function, which of its requirements mean nothing or cannot be met
            here.
    """

    def __init__(
        self,
        ray: Any,
        store: ArtifactStore,
        *,
        permit: Path | None,
        warn: Callable[[str], None],
    ) -> None:
        self._ray = ray
        self._warn = warn
        self._capacities = read_capacities(ray)
        self._generic = ray.remote(execute_remotely)
        self._ahead = _open_calls_ahead(self._capacities)
        self._context = build_context(store, permit, self._ahead.place if self._ahead else None)
        self._packer = Packer()
        self._kept: dict[bytes, Any] = {}  # object refs
        self._by_options: dict[RayOptions, Any] = {}
        # By id of the requirements, which it keeps: the remote function, and what is wrong.
        self._by_requirements: dict[int, tuple[ResourceRequirements | None, Any, str]] = {}
        self._told: set[str] = set()
        # By id of the function: how long it takes, to go by its last calls; and whether the last of
        # them was too long to be told of.
        self._seconds: dict[int, float] = {}
        self._is_long: dict[int, bool] = {}
        self._gave_way_at = 0.0  # monotonic seconds
        self._lock = threading.Lock()

    def submit(self, call: Call, inputs: Mapping[str, ArtifactRef], *, log_path: str) -> Any:
        """Start a task and return the reference of its outcome; it is bytes.

        Raises:
            UnserializableValueError: the call's function cannot be sent to a worker.
        """
        self._gave_way_at = time.monotonic()
        with self._lock:
            return self._submit(call, self._pack(call, inputs, log_path))

    def note_seconds(self, call: Call, seconds: float) -> None:
        """Take notice of how long a call has executed that was submitted here."""
        before = self._seconds.get(id(call.function), 0.0)
        seconds = min(seconds, _MOST_SECONDS_REMEMBERED)
        self._seconds[id(call.function)] = max(seconds, _PART_REMEMBERED * before)

    def may_go_ahead(self, call: Call, before: Call, *, beside: int) -> bool:
        """Whether a call is to be submitted while the only one executes that it waits for.

        Its worker keeps a processor meanwhile. So it may where the call before is soon over, to go
        by the last ones of its function; where there are two processors for each call that is with
        Ray, or the two are alone; where it cannot take what the call before needs, for Ray has them
        in one queue; and where the last call of its function was short enough to be told of.
        Now and then it may not, so that others who use Ray have their turn.

        Args:
            call: the one that waits.
            before: the one that executes.
            beside: how many calls are with Ray.
        """
        if self._ahead is None or not (self.knows(call) and self.knows(before)):
            return False
        if time.monotonic() - self._gave_way_at > _SECONDS_TO_GIVE_WAY:
            return False
        is_short = self._seconds.get(id(before.function), math.inf) <= _MOST_SECONDS_BEFORE
        has_room = beside == 1 or 2 * beside <= self._capacities[0].get("CPU", 0)
        is_long = self._is_long.get(id(call.function), False)  # then it cannot be told to begin
        return is_short and has_room and not is_long and self._remote(call) is self._remote(before)

    def submit_ahead(self, call: Call) -> None:
        """Start the task of a call that begins no sooner than :meth:`begin` says.

        Raises:
            UnserializableValueError: the call's function cannot be sent to a worker.
        """
        if self._ahead is not None:
            self._ahead.submit(call.run_id, partial(self._submit_number, call))

    def _submit_number(self, call: Call, number: int) -> Any:
        with self._lock:
            return self._submit(call, number)

    def begin(
        self,
        call: Call,
        inputs: Mapping[str, ArtifactRef],
        register: Callable[[Any], OnResult],
        *,
        log_path: str,
    ) -> bool:
        """Let a call begin that was submitted ahead; see :meth:`CallsAhead.begin`."""
        if self._ahead is None or not self._ahead.knows(call.run_id):
            return False
        return self._ahead.begin(call.run_id, self._pack(call, inputs, log_path), register)

    def drop(self, call: Call) -> None:
        """Let the task of a call that was submitted ahead, if it was, end without having begun."""
        if self._ahead is not None:
            self._ahead.drop(call.run_id)

    def stop_going_ahead(self) -> None:
        """Drop all that was submitted ahead, and submit nothing ahead any more."""
        if self._ahead is not None:
            self._ahead.close()

    def _pack(self, call: Call, inputs: Mapping[str, ArtifactRef], log_path: str) -> bytes:
        packed = self._packer.pack_call(call, inputs, log_path=log_path)
        self._is_long[id(call.function)] = len(packed) > MOST_BYTES
        return packed

    def _submit(self, call: Call, packed: bytes | int) -> Any:
        function = self._packer.pack_function(call.function)
        remote = self._remote(call)
        if len(function) <= _MOST_BYTES_PER_CALL:
            return remote.remote(build_message(packed, function, self._context))
        message = build_message(packed, b"", self._context)
        return remote.remote(message, [self._keep(function)])

    def knows(self, call: Call) -> bool:
        """Whether a call is like one submitted before, so that submitting it is quick."""
        return (
            self._packer.knows(call.function)
            and id(call.options.resource_requirements) in self._by_requirements
        )

    def _keep(self, function: bytes) -> Any:
        """A function as a Ray object; made once."""
        if function not in self._kept:
            self._kept[function] = self._ray.put(function)
        return self._kept[function]

    def _remote(self, call: Call) -> Any:
        """The remote function with the Ray options that a call needs; made once for each."""
        requirements = call.options.resource_requirements
        known = self._by_requirements.get(id(requirements))
        if known is None:
            known = (requirements, *self._build_remote(requirements))
            self._by_requirements[id(requirements)] = known
        _, remote, problems = known
        if problems:
            self._tell(f"{call.function.path}: {problems}")
        return remote

    def _build_remote(self, requirements: ResourceRequirements | None) -> tuple[Any, str]:
        options, problems = clamp_to_any(ray_options(requirements), self._capacities)
        problems = [*problems, *describe_ignored(requirements)] if requirements else []
        if options not in self._by_options:
            arguments = options.as_arguments()
            self._by_options[options] = self._generic.options(max_retries=0, **arguments)
        return self._by_options[options], " ".join(problems)

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._warn(sentence)


def _open_calls_ahead(nodes: list[dict[str, float]]) -> CallsAhead | None:
    """For workers of this machine alone, which hear what this process says."""
    if len(nodes) != 1:
        return None
    with suppress(OSError, AttributeError):  # it only takes longer without
        return CallsAhead()
    return None
