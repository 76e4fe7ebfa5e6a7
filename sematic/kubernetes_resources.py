"""The parts of resource requirements: tolerations, secrets, security context, host paths.

Import them from :mod:`sematic.resources` or :mod:`sematic`. What Kubernetes would refuse when a
pod is created is refused here, when the object is made.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, unique
from posixpath import isabs

from sematic.errors import InvalidOptionError
from sematic.frozen import freeze_list, freeze_strings
from sematic.kubernetes_syntax import (
    build_volume_name,
    check_label_key,
    check_label_value,
    check_volume_name,
)

_SECRET_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")


def check_type(name: str, value: object, kind: type) -> None:
    """Raise InvalidOptionError unless ``value`` is a ``kind``."""
    if not isinstance(value, kind):
        raise InvalidOptionError(f"{name} must be a {kind.__name__}, got: {value!r}")


def _is_absolute_path(path: object) -> bool:
    """Whether Kubernetes mounts ``path``; it takes no ``..``, which could leave the volume."""
    return isinstance(path, str) and isabs(path) and ".." not in path.split("/")


def _set(instance: object, name: str, value: object) -> None:
    object.__setattr__(instance, name, value)


# Tolerations.


@unique
class KubernetesTolerationOperator(Enum):
    """How a toleration is compared with a node's taint."""

    Equal = "Equal"
    """Key and value must be those of the taint."""
    Exists = "Exists"
    """The key must be that of the taint; its value is not looked at."""


@unique
class KubernetesTolerationEffect(Enum):
    """Which effect of a taint is tolerated."""

    NoSchedule = "NoSchedule"
    """The pod may be scheduled on a node with a NoSchedule taint."""
    PreferNoSchedule = "PreferNoSchedule"
    """The pod may be scheduled on a node with a PreferNoSchedule taint."""
    NoExecute = "NoExecute"
    """The pod is not evicted from a node with a NoExecute taint."""
    All = "All"
    """Every effect is tolerated."""


@dataclass(frozen=True)
class KubernetesToleration:
    """Lets the pod of a function run on nodes with a certain taint.

    See https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/

    Args:
        key: key of the taint; without one, all keys and values are tolerated.
        operator: how key and value are compared with those of the taint.
        effect: the effect to tolerate; all of them unless given.
        value: what the taint's value must equal, if the operator is ``Equal``.
        toleration_seconds: how long the pod may stay on the node once it has the taint; for the
            effect ``NoExecute`` only.

    Raises:
        InvalidOptionError: a field has the wrong type, or two do not fit together.
    """

    key: str | None = None
    operator: KubernetesTolerationOperator = KubernetesTolerationOperator.Equal
    effect: KubernetesTolerationEffect = KubernetesTolerationEffect.All
    value: str | None = None
    toleration_seconds: int | None = None

    def __post_init__(self) -> None:
        self._check_types()
        if self.toleration_seconds is not None and (
            self.effect is not KubernetesTolerationEffect.NoExecute
        ):
            raise InvalidOptionError(
                "toleration_seconds should only be specified when the effect is NoExecute."
            )
        if self.key:
            check_label_key("key", self.key)
        if self.value:
            self._check_value(self.value)

    def _check_types(self) -> None:
        if not isinstance(self.key, (str, type(None))):
            raise InvalidOptionError(f"key must be None or a string, got: {self.key}")
        for name, kind in (
            ("operator", KubernetesTolerationOperator),
            ("effect", KubernetesTolerationEffect),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise InvalidOptionError(f"{name} must be a {kind}, got {value}")
        if not isinstance(self.value, (str, type(None))):
            raise InvalidOptionError(f"value must be None or a string, got: {self.value}")
        seconds = self.toleration_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, (int, type(None))):
            raise InvalidOptionError(f"toleration_seconds must be None or an int, got: {seconds}")

    def _check_value(self, value: str) -> None:
        check_label_value("value", value)
        if self.operator is KubernetesTolerationOperator.Exists:
            raise InvalidOptionError(
                f"value should only be specified when the operator is Equal, got: {value!r}"
            )
        if not self.key:
            raise InvalidOptionError(
                f"value should only be specified together with a key, got: {value!r}; "
                "a toleration without a key matches all values."
            )


# Secrets.


@dataclass(frozen=True)
class KubernetesSecretMount:
    """Shows entries of the Kubernetes secret ``sematic-func-secrets`` to a function.

    Whoever may run functions in the cluster can read what is in that secret.

    Args:
        environment_secrets: key in the secret to the environment variable that will hold it.
        file_secrets: key in the secret to the file that will hold it, a path relative to
            ``file_secret_root_path``.
        file_secret_root_path: absolute path of the directory of these files. It must be a new
            directory: what an existing one holds is hidden.

    Raises:
        InvalidOptionError: a key, variable name or path is one that Kubernetes does not take.
    """

    environment_secrets: dict[str, str] = field(default_factory=dict)
    file_secrets: dict[str, str] = field(default_factory=dict)
    file_secret_root_path: str = "/secrets"

    def __post_init__(self) -> None:
        for name in ("environment_secrets", "file_secrets"):
            _set(self, name, freeze_strings(name, getattr(self, name)))
        for key in (*self.environment_secrets, *self.file_secrets):
            if not _SECRET_KEY.fullmatch(key):
                raise InvalidOptionError(
                    f"{key!r} cannot be a key of a Kubernetes secret: "
                    "write letters, digits, '-', '_' and '.' only."
                )
        for variable in self.environment_secrets.values():
            if not _VARIABLE.fullmatch(variable):
                raise InvalidOptionError(
                    f"Cannot mount secret to environment variable {variable!r}; "
                    "write letters, digits and '_' only, no digit first."
                )
        for path in self.file_secrets.values():
            _check_secret_path(path)
        if not _is_absolute_path(self.file_secret_root_path):
            raise InvalidOptionError(
                "file_secret_root_path must be an absolute path, "
                f"got: {self.file_secret_root_path!r}"
            )


def _check_secret_path(path: str) -> None:
    if isabs(path):
        raise InvalidOptionError(
            f"Cannot mount secret to absolute path {path!r}; paths must be relative."
        )
    if not path or ".." in path.split("/"):
        raise InvalidOptionError(
            f"Cannot mount secret to path {path!r}; paths must name a file in "
            "file_secret_root_path."
        )


# Security context.


@dataclass(frozen=True)
class KubernetesCapabilities:
    """Linux capabilities of a container, relative to the default ones of its runtime.

    Args:
        add: capabilities to add, for example ``["SYS_ADMIN"]``.
        drop: capabilities to take away.

    Raises:
        InvalidOptionError: a field is no list of strings.
    """

    add: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("add", "drop"):
            _set(self, name, freeze_list(name, getattr(self, name), str))


@dataclass(frozen=True)
class KubernetesSecurityContext:
    """The security context of a function's container.

    Takes effect only where the administrator has enabled ``ALLOW_CUSTOM_SECURITY_CONTEXTS``.

    Args:
        allow_privilege_escalation: whether a process may gain more privileges than its parent.
            Kubernetes takes it as true for a privileged container or one with ``SYS_ADMIN``.
        privileged: whether root in the container is, in essence, root on the node.
        capabilities: Linux capabilities to add and drop.

    Raises:
        InvalidOptionError: a field has the wrong type.
    """

    allow_privilege_escalation: bool
    privileged: bool
    capabilities: KubernetesCapabilities

    def __post_init__(self) -> None:
        check_type("allow_privilege_escalation", self.allow_privilege_escalation, bool)
        check_type("privileged", self.privileged, bool)
        check_type("capabilities", self.capabilities, KubernetesCapabilities)


# Host paths.

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


@dataclass(frozen=True)
class KubernetesHostPathMount:
    """Mounts a path of the node's own file system into the pod.

    Takes effect only where the administrator has enabled ``ALLOW_HOST_PATH_MOUNTING``.
    See https://kubernetes.io/docs/concepts/storage/volumes/#hostpath

    Args:
        node_path: absolute path on the node.
        pod_mount_path: absolute path in the pod.
        name: name of the volume, an RFC 1123 label of at most 63 characters. Made from
            ``pod_mount_path`` if it is empty or ``None``; always the same for the same path.
        type: what must be at ``node_path``, one of the types of Kubernetes; ``""`` checks nothing.

    Raises:
        InvalidOptionError: a path is not absolute, or Kubernetes takes no such name or type.
    """

    node_path: str
    pod_mount_path: str
    name: str = ""
    type: str = ""

    def __post_init__(self) -> None:
        if not _is_absolute_path(self.node_path):
            raise InvalidOptionError(
                f"'hostPath' node path must be a valid absolute path. Got: {self.node_path!r}"
            )
        if not _is_absolute_path(self.pod_mount_path) or ":" in self.pod_mount_path:
            raise InvalidOptionError(
                f"'hostPath' mount path must be a valid absolute path. Got: {self.pod_mount_path!r}"
            )
        _set(self, "name", self.name or build_volume_name(self.pod_mount_path))
        check_volume_name(self.name)
        if self.type not in _HOST_PATH_TYPES:
            raise InvalidOptionError(
                f"'hostPath' type must be one of {', '.join(map(repr, _HOST_PATH_TYPES))}. "
                f"Got: {self.type!r}"
            )
