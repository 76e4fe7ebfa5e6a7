"""What a standalone function needs of the machine that executes it.

:class:`ResourceRequirements` is what users pass to ``@sematic.func(resource_requirements=...)``.
Everything here is frozen through and through: dicts and lists are copied in and refuse changes.
What Kubernetes would refuse later is refused when the object is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from sematic.errors import InvalidOptionError, UnknownSchemaError
from sematic.frozen import FrozenDict, freeze_list, freeze_strings
from sematic.kubernetes_resources import (
    KubernetesCapabilities,
    KubernetesHostPathMount,
    KubernetesSecretMount,
    KubernetesSecurityContext,
    KubernetesToleration,
    KubernetesTolerationEffect,
    KubernetesTolerationOperator,
    check_type,
)
from sematic.kubernetes_syntax import (
    check_label_key,
    check_label_value,
    is_qualified_name,
    parse_quantity,
)
from sematic.option_names import checks_names

__all__ = [
    "KubernetesCapabilities",
    "KubernetesHostPathMount",
    "KubernetesResourceRequirements",
    "KubernetesSecretMount",
    "KubernetesSecurityContext",
    "KubernetesToleration",
    "KubernetesTolerationEffect",
    "KubernetesTolerationOperator",
    "ResourceRequirements",
    "parse_quantity",
]

_STANDARD_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_REQUESTS = 'requests={"cpu": "1", "memory": "1Gi"}'
_AMOUNTS = ("cpu", "cpus", "num_cpus", "memory", "gpu", "gpus", "num_gpus", "limits")


@checks_names(dict.fromkeys(_AMOUNTS, f"Write {_REQUESTS}."))
@dataclass(frozen=True)
class KubernetesResourceRequirements:
    """What the pod of a function needs.

    Args:
        node_selector: labels that the node must have.
        requests: resource name to Kubernetes quantity, for example
            ``{"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "1"}``. Requested, and the limit
            too: the pod gets this much and no more. Other resources than ``cpu``, ``memory``,
            ``ephemeral-storage`` and ``hugepages-<size>`` are named with a domain.
        secret_mounts: entries of a Kubernetes secret to show as variables or files.
        tolerations: taints of nodes that do not keep the pod away.
        mount_expanded_shared_memory: whether ``/dev/shm`` may grow up to half of the memory,
            where it is 64 MB otherwise. A pod that goes beyond is ended.
        security_context: a custom one; needs the administrator's leave.
        host_path_mounts: paths of the node to mount; needs the administrator's leave.
        annotations: annotations of the pod; only keys that the administrator allows are applied.
        labels: labels of the pod; only keys that the administrator allows are applied.

    Raises:
        InvalidOptionError: a field has the wrong type, or a value that Kubernetes does not take.
    """

    node_selector: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    secret_mounts: KubernetesSecretMount = field(default_factory=KubernetesSecretMount)
    tolerations: list[KubernetesToleration] = field(default_factory=list)
    mount_expanded_shared_memory: bool = False
    security_context: KubernetesSecurityContext | None = None
    host_path_mounts: list[KubernetesHostPathMount] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._freeze()
        check_type("secret_mounts", self.secret_mounts, KubernetesSecretMount)
        check_type("mount_expanded_shared_memory", self.mount_expanded_shared_memory, bool)
        if self.security_context is not None:
            check_type("security_context", self.security_context, KubernetesSecurityContext)
        for name, quantity in self.requests.items():
            _check_request(name, quantity)
        for key in self.annotations:
            check_label_key("annotations", key.lower())
        for kind in ("labels", "node_selector"):
            for key, value in getattr(self, kind).items():
                check_label_key(kind, key)
                check_label_value(kind, value)
        _check_distinct(self.host_path_mounts)

    def clone(self, **changes: Any) -> "KubernetesResourceRequirements":
        """A copy, with the given fields changed."""
        return replace(self, **changes)

    def _freeze(self) -> None:
        for name in ("node_selector", "requests", "annotations", "labels"):
            object.__setattr__(self, name, freeze_strings(name, getattr(self, name)))
        for name, kind in (
            ("tolerations", KubernetesToleration),
            ("host_path_mounts", KubernetesHostPathMount),
        ):
            object.__setattr__(self, name, freeze_list(name, getattr(self, name), kind))


_IN_KUBERNETES = f"Write kubernetes=sematic.KubernetesResourceRequirements({_REQUESTS})."


@checks_names(dict.fromkeys((*_AMOUNTS, "requests"), _IN_KUBERNETES))
@dataclass(frozen=True)
class ResourceRequirements:
    """What a standalone function needs of the machine that executes it.

    Args:
        kubernetes: what its pod needs. LocalRunner takes ``requests`` from it, as far as this
            machine goes.

    Raises:
        InvalidOptionError: ``kubernetes`` is something else.
    """

    kubernetes: KubernetesResourceRequirements = field(
        default_factory=KubernetesResourceRequirements
    )

    def __post_init__(self) -> None:
        check_type("kubernetes", self.kubernetes, KubernetesResourceRequirements)

    def clone(self, **changes: Any) -> "ResourceRequirements":
        """A copy, with the given fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain dicts, lists, strings and numbers, for the record."""
        return {item.name: _to_json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ResourceRequirements":
        """The requirements that ``to_json`` gave ``data`` for; fields left out get their default.

        Raises:
            UnknownSchemaError: a field or a value of an enum is not known.
            InvalidOptionError: a value is not valid.
        """
        return cls(**_build_fields(cls, data))


def _check_request(name: str, quantity: str) -> None:
    if not (name in _STANDARD_RESOURCES or name.startswith("hugepages-") or "/" in name):
        raise InvalidOptionError(
            f"requests has the key {name!r}, which is no Kubernetes resource. Write cpu, memory, "
            "ephemeral-storage, hugepages-<size>, or a name with a domain such as nvidia.com/gpu."
        )
    if not is_qualified_name(name):
        raise InvalidOptionError(f"requests has an invalid key: {name!r}")
    try:
        value = parse_quantity(quantity)
    except InvalidOptionError as error:
        raise InvalidOptionError(f"requests[{name!r}]: {error}") from None
    if value < 0:
        raise InvalidOptionError(f"requests[{name!r}] must not be negative, got: {quantity!r}")


def _check_distinct(mounts: list[KubernetesHostPathMount]) -> None:
    """Kubernetes takes no two volumes of one name, and no two mounts at one path."""
    for attribute, meaning in (("name", "name"), ("pod_mount_path", "mount path")):
        values = [getattr(mount, attribute) for mount in mounts]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise InvalidOptionError(
                f"Two host_path_mounts have the {meaning} {twice!r}; give each one of its own."
            )


# To and from the record.

_NESTED: dict[str, type[Any]] = {
    "capabilities": KubernetesCapabilities,
    "effect": KubernetesTolerationEffect,
    "host_path_mounts": KubernetesHostPathMount,
    "kubernetes": KubernetesResourceRequirements,
    "operator": KubernetesTolerationOperator,
    "secret_mounts": KubernetesSecretMount,
    "security_context": KubernetesSecurityContext,
    "tolerations": KubernetesToleration,
}


def _to_json(value: Any) -> Any:
    if is_dataclass(value):
        return {item.name: _to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, FrozenDict):
        return dict(value)
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value


def _build(kind: type[Any], data: Any) -> Any:
    if data is None:
        return None
    if isinstance(data, list):
        return [_build(kind, item) for item in data]
    if issubclass(kind, Enum):
        if data in [member.value for member in kind]:
            return kind(data)
        raise UnknownSchemaError(
            f"The record has the unknown {kind.__name__} {data!r}: "
            "a newer sematic wrote it, install that one."
        )
    return kind(**_build_fields(kind, data))


def _build_fields(kind: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(data) - {item.name for item in fields(kind)})
    if unknown:
        raise UnknownSchemaError(
            f"The record has unknown fields of {kind.__name__}: {', '.join(unknown)}. "
            "A newer sematic wrote it: install that one."
        )
    return {
        name: _build(_NESTED[name], value) if name in _NESTED else value
        for name, value in data.items()
    }
