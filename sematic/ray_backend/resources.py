"""Resource requirements as Ray options. Pure: it does not import Ray.

The one table, from ``requests`` of :class:`KubernetesResourceRequirements` to Ray:

================================  =============  =================================================
request                           Ray option     value
================================  =============  =================================================
``cpu``                           ``num_cpus``   cores: ``500m`` is 0.5; 1 if there is no request
``memory``                        ``memory``     bytes: ``2Gi`` is 2147483648
``nvidia.com/gpu``,               ``num_gpus``   their sum; more than one only in whole numbers,
``amd.com/gpu``                                  as Ray has it
``ephemeral-storage``,            none           ignored, :func:`describe_ignored` tells
``hugepages-<size>``
any other, ``example.com/name``   ``resources``  a custom resource of the same name
================================  =============  =================================================

All are rounded up, to Ray's granularity of 0.0001 or, memory, to whole bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

from sematic.frozen import FrozenDict
from sematic.resources import (
    KubernetesResourceRequirements,
    ResourceRequirements,
    parse_quantity,
)

_GPUS = ("nvidia.com/gpu", "amd.com/gpu")
_STEPS_PER_UNIT = 10_000

_CLUSTER_FIELDS = (
    "secret_mounts",
    "tolerations",
    "host_path_mounts",
    "node_selector",
    "security_context",
    "annotations",
    "labels",
    "mount_expanded_shared_memory",
)


@dataclass(frozen=True)
class RayOptions:
    """What one Ray task asks for. Hashable: equal requirements can share a remote function.

    Attributes:
        num_cpus: cores, a multiple of 0.0001.
        num_gpus: GPUs; a whole number if more than 1.
        memory: bytes, or ``None`` for no request.
        resources: custom resources of Ray, name to amount.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory: int | None = None
    resources: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "resources", FrozenDict(self.resources))

    def as_arguments(self) -> dict[str, Any]:
        """Keyword arguments for Ray's ``.options(...)``, without those that ask for nothing."""
        asked = {"num_gpus": self.num_gpus, "memory": self.memory, "resources": self.resources}
        given = {name: value for name, value in asked.items() if value}
        if "resources" in given:
            given["resources"] = dict(self.resources)
        return {"num_cpus": self.num_cpus, **given}


def ray_options(requirements: ResourceRequirements | None) -> RayOptions:
    """The Ray options for ``requirements``, by the table above."""
    if requirements is None:
        return RayOptions()
    amounts = {
        name: Fraction(parse_quantity(quantity))
        for name, quantity in requirements.kubernetes.requests.items()
        if not _is_ignored(name)
    }
    memory = ceil(amounts.pop("memory", Fraction(0)))
    gpus = sum((amounts.pop(name, Fraction(0)) for name in _GPUS), Fraction(0))
    return RayOptions(
        num_cpus=_round_up(amounts.pop("cpu", Fraction(1))),
        num_gpus=float(ceil(gpus)) if gpus > 1 else _round_up(gpus),
        memory=memory or None,
        resources={name: _round_up(amount) for name, amount in amounts.items() if amount},
    )


def clamp(options: RayOptions, capacity: Mapping[str, float]) -> tuple[RayOptions, list[str]]:
    """``options`` within what one node has at all, and a sentence for each that was too much.

    Args:
        options: what a task asks for. Ray would let it wait for ever if no node has as much.
        capacity: all resources of the node, free or in use, under Ray's names: ``CPU``, ``GPU``,
            ``memory`` and custom ones, as ``ray.nodes()`` has them in ``Resources``.
    """
    gpus = min(options.num_gpus, capacity.get("GPU", 0.0))
    limits = {name: capacity.get(name, 0.0) for name in options.resources}
    clamped = RayOptions(
        num_cpus=min(options.num_cpus, capacity.get("CPU", 0.0)),
        num_gpus=float(floor(gpus)) if gpus > 1 else gpus,
        memory=min(options.memory or 0, floor(capacity.get("memory", 0.0))) or None,
        resources={
            name: min(asked, limits[name])
            for name, asked in options.resources.items()
            if limits[name]
        },
    )
    return clamped, _describe_clamping(options, clamped)


def clamp_to_any(
    options: RayOptions, capacities: Sequence[Mapping[str, float]]
) -> tuple[RayOptions, list[str]]:
    """``options`` within what one of several nodes has; the node that takes least away."""
    clampings = [clamp(options, capacity) for capacity in capacities]
    return min(clampings, key=lambda clamping: len(clamping[1]), default=(options, []))


def describe_ignored(
    requirements: ResourceRequirements, *, runner: str = "LocalRunner"
) -> list[str]:
    """A sentence that names all fields in use that mean nothing on local Ray, if there are any."""
    given = requirements.kubernetes
    default = KubernetesResourceRequirements()
    used = [name for name in _CLUSTER_FIELDS if getattr(given, name) != getattr(default, name)]
    used += [f"requests[{name!r}]" for name in given.requests if _is_ignored(name)]
    if not used:
        return []
    *others, last = used
    names = f"{', '.join(others)} and {last}" if others else last
    effect = "they take effect" if others else "it takes effect"
    return [f"{runner} ignores {names}: {effect} on Kubernetes only."]


def _is_ignored(request: str) -> bool:
    return request == "ephemeral-storage" or request.startswith("hugepages-")


def _round_up(amount: Fraction) -> float:
    return ceil(amount * _STEPS_PER_UNIT) / _STEPS_PER_UNIT


def _describe_clamping(asked: RayOptions, given: RayOptions) -> list[str]:
    pairs = [
        (asked.num_cpus, given.num_cpus, _count("CPU")),
        (asked.num_gpus, given.num_gpus, _count("GPU")),
        (asked.memory or 0, given.memory or 0, _bytes),
        *(
            (amount, given.resources.get(name, 0.0), _count(name, plural=name))
            for name, amount in asked.resources.items()
        ),
    ]
    return [
        f"This machine cannot give {text(wanted)}: "
        + (f"running with {text(got)}." if got else "running without.")
        for wanted, got, text in pairs
        if wanted > got
    ]


def _count(unit: str, *, plural: str | None = None) -> Callable[[float], str]:
    many = plural or f"{unit}s"
    return lambda amount: f"{amount:g} {unit if amount == 1 else many}"


def _bytes(amount: float) -> str:
    unit, size = ("GiB", 2**30) if amount >= 2**30 else ("MiB", 2**20)
    return f"{amount / size:.1f} {unit} of memory"
