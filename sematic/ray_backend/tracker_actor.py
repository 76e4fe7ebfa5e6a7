"""TrackerActor: hosts the recorder of one pipeline run while Ray is up."""

import pickle
from typing import Any, Protocol

from sematic.errors import SematicError


class Writer(Protocol):
    """Writes rows to the record. Picklable; each process opens connections of its own."""

    def write(self, rows: Any) -> None:
        """Write a batch of rows: all of it or nothing; one written before is ignored."""

    def close(self) -> None:
        """Let go of connections."""


class _Host:
    """The actor itself. It answers with what went wrong rather than raise: Ray wraps exceptions."""

    def __init__(self, writer: bytes) -> None:
        self._writer: Writer = pickle.loads(writer)

    def write(self, rows: bytes) -> bytes | None:
        try:
            self._writer.write(pickle.loads(rows))
        except SematicError as error:
            return pickle.dumps(error)
        return None


class TrackerActor:
    """A Writer that writes from a Ray actor, for one pipeline run.

    The actor is pinned to the driver's node, where a SQLite file is, and ends with the driver. If
    it dies, the batch on its way is written again from here, and so is everything after it: a
    batch that the actor did write is recognised by its sequence numbers.

    Args:
        ray: the ``ray`` module, initialised.
        writer: what the actor hosts, and what takes over if it dies.
    """

    def __init__(self, ray: Any, writer: Writer) -> None:
        self._ray = ray
        self._writer = writer
        place = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        host = ray.remote(_Host).options(
            num_cpus=0, max_restarts=0, max_task_retries=0, scheduling_strategy=place
        )
        self._actor: Any = host.remote(pickle.dumps(writer))

    def write(self, rows: Any) -> None:
        """Write a batch of rows through the actor.

        Raises:
            RecordError: what the hosted writer raised.
        """
        if self._actor is None:
            self._writer.write(rows)
            return
        try:
            answer = self._ray.get(self._actor.write.remote(pickle.dumps(rows)))
        except self._ray.exceptions.RayError:
            self._actor = None  # died, or its node did: whether it wrote the batch is not known
            self._writer.write(rows)
            return
        if answer is not None:
            raise pickle.loads(answer)

    def close(self) -> None:
        """End the actor."""
        if self._actor is not None:
            self._ray.kill(self._actor)
            self._actor = None
        self._writer.close()
