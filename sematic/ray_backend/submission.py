"""Calls as Ray tasks: what is made once is made once."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sematic.calls import ArtifactRef, Call
from sematic.ports import ArtifactStore
from sematic.ray_backend.cluster import read_capacities
from sematic.ray_backend.remote import build_context, build_message, execute_remotely
from sematic.ray_backend.resources import RayOptions, clamp_to_any, describe_ignored, ray_options
from sematic.resources import ResourceRequirements
from sematic.shipping import Packer

# Code that is larger, because of the data in it, is given to Ray once rather than with each call.
_MOST_BYTES_PER_CALL = 50_000


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
        self._context = build_context(store, permit)
        self._packer = Packer()
        self._kept: dict[bytes, Any] = {}  # object refs
        self._by_options: dict[RayOptions, Any] = {}
        # By id of the requirements, which it keeps: the remote function, and what is wrong.
        self._by_requirements: dict[int, tuple[ResourceRequirements | None, Any, str]] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def submit(self, call: Call, inputs: Mapping[str, ArtifactRef], *, log_path: str) -> Any:
        """Start a task and return the reference of its outcome; it is bytes.

        Raises:
            UnserializableValueError: the call's function cannot be sent to a worker.
        """
        with self._lock:
            return self._submit(call, inputs, log_path)

    def _submit(self, call: Call, inputs: Mapping[str, ArtifactRef], log_path: str) -> Any:
        packed, function = self._packer.pack_call(call, inputs, log_path=log_path)
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
