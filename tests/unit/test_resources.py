"""Resource requirements: validated, frozen, stored and read back."""

import copy
import json
import pickle
import re
from dataclasses import FrozenInstanceError, asdict
from decimal import Decimal, localcontext

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.errors import InvalidOptionError, UnknownSchemaError
from sematic.resources import (
    KubernetesCapabilities,
    KubernetesHostPathMount,
    KubernetesResourceRequirements,
    KubernetesSecretMount,
    KubernetesSecurityContext,
    KubernetesToleration,
    KubernetesTolerationEffect,
    KubernetesTolerationOperator,
    ResourceRequirements,
    parse_quantity,
)

FULL = ResourceRequirements(
    kubernetes=KubernetesResourceRequirements(
        node_selector={"pool": "gpu"},
        requests={"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "1"},
        secret_mounts=KubernetesSecretMount(
            environment_secrets={"api-key": "API_KEY"}, file_secrets={"cert": "tls/cert.pem"}
        ),
        tolerations=[
            KubernetesToleration(
                key="example.com/dedicated",
                operator=KubernetesTolerationOperator.Equal,
                effect=KubernetesTolerationEffect.NoExecute,
                value="gpu",
                toleration_seconds=42,
            ),
            KubernetesToleration(),
        ],
        mount_expanded_shared_memory=True,
        security_context=KubernetesSecurityContext(
            allow_privilege_escalation=True,
            privileged=True,
            capabilities=KubernetesCapabilities(add=["SYS_ADMIN"], drop=["CHOWN"]),
        ),
        host_path_mounts=[KubernetesHostPathMount("/data", "/mnt/data", type="Directory")],
        annotations={"Example.com/Note": "anything goes: {}"},
        labels={"team": "a-team"},
    )
)


# Quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("500m", "0.5"),
        ("100u", "0.0001"),
        ("7n", "0.000000007"),
        ("2k", "2000"),
        ("3M", "3000000"),
        ("1.5G", "1500000000"),
        ("1T", "1e12"),
        ("1P", "1e15"),
        ("1E", "1e18"),
        ("1Ki", "1024"),
        ("1Mi", "1048576"),
        ("2Gi", "2147483648"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
        ("0.5Gi", "536870912"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12e+2", "1200"),
        ("5e-1", "0.5"),
    ],
)
def test_quantity_is_parsed(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 Gi", " 1", "1\n", "2GB", "2gi", "1K", "1ki", "m", ".", "-", "--1", "1mm"),
        *("1e", "1e1.5", "1e12345678901", "NaN", "inf", "0x10", "1_000", "1,5", "\u0661"),
    ],
)
def test_text_that_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError, match="is not a Kubernetes quantity") as caught:
        parse_quantity(text)
    assert repr(text) in str(caught.value)


def test_quantity_is_capped_and_rounded_up_as_in_kubernetes() -> None:
    assert parse_quantity("1e999999999") == 2**63 - 1
    assert parse_quantity("-1e999999999") == -(2**63) + 1
    assert parse_quantity("8Ei") == 2**63 - 1
    assert parse_quantity("0e999999999") == 0
    assert parse_quantity("1e-999999999") == Decimal("1e-9")
    assert parse_quantity("0.1n") == Decimal("1e-9")
    assert parse_quantity("-0.1n") == Decimal("-1e-9")


def test_quantity_does_not_depend_on_the_callers_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 3
        assert str(parse_quantity("123456789.5")) == "123456789.500000000"


@given(number=st.integers(0, 2**62), power=st.integers(0, 6))
@settings(derandomize=True, max_examples=50)
def test_binary_suffix_multiplies_by_powers_of_1024(number: int, power: int) -> None:
    suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]
    assert parse_quantity(f"{number}{suffix}") == min(number * 1024**power, 2**63 - 1)


# Defaults


def test_defaults_are_those_of_the_reference() -> None:
    kubernetes = ResourceRequirements().kubernetes
    assert kubernetes.node_selector == {}
    assert kubernetes.requests == {}
    assert kubernetes.secret_mounts == KubernetesSecretMount({}, {}, "/secrets")
    assert kubernetes.tolerations == []
    assert kubernetes.mount_expanded_shared_memory is False
    assert kubernetes.security_context is None
    assert kubernetes.host_path_mounts == []
    assert kubernetes.annotations == {}
    assert kubernetes.labels == {}
    assert KubernetesToleration() == KubernetesToleration(
        key=None,
        operator=KubernetesTolerationOperator.Equal,
        effect=KubernetesTolerationEffect.All,
        value=None,
        toleration_seconds=None,
    )
    assert KubernetesCapabilities() == KubernetesCapabilities(add=[], drop=[])


# Frozen


def test_the_callers_objects_are_copied() -> None:
    requests, tolerations = {"cpu": "1"}, [KubernetesToleration()]
    requirements = KubernetesResourceRequirements(requests=requests, tolerations=tolerations)
    requests["cpu"] = "2"
    tolerations.clear()
    assert requirements.requests == {"cpu": "1"}
    assert len(requirements.tolerations) == 1


def test_no_field_can_be_set() -> None:
    with pytest.raises(FrozenInstanceError):
        FULL.kubernetes.requests = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("cpu", "2"),
        lambda d: d.__delitem__("cpu"),
        lambda d: d.__ior__({"cpu": "2"}),
        lambda d: d.update(cpu="2"),
        lambda d: d.setdefault("gpu", "2"),
        lambda d: d.pop("cpu"),
        lambda d: d.popitem(),
        lambda d: d.clear(),
    ],
)
def test_no_dict_can_be_changed(change) -> None:
    requests = KubernetesResourceRequirements(requests={"cpu": "1"}).requests
    with pytest.raises(TypeError, match="never changes"):
        change(requests)
    assert requests == {"cpu": "1"}


@pytest.mark.parametrize(
    "change",
    [
        lambda items: items.__setitem__(0, "B"),
        lambda items: items.__delitem__(0),
        lambda items: items.__iadd__(["B"]),
        lambda items: items.__imul__(2),
        lambda items: items.append("B"),
        lambda items: items.extend(["B"]),
        lambda items: items.insert(0, "B"),
        lambda items: items.remove("A"),
        lambda items: items.pop(),
        lambda items: items.clear(),
        lambda items: items.reverse(),
        lambda items: items.sort(),
    ],
)
def test_no_list_can_be_changed(change) -> None:
    added = KubernetesCapabilities(add=["A"]).add
    with pytest.raises(TypeError, match="never changes"):
        change(added)
    assert added == ["A"]


def test_dicts_and_lists_are_as_plain_ones_to_readers() -> None:
    kubernetes = FULL.kubernetes
    assert kubernetes.node_selector == {"pool": "gpu"}
    plain = {"pool": "gpu"}
    assert plain == kubernetes.node_selector
    assert isinstance(kubernetes.node_selector, dict)
    assert kubernetes.requests["cpu"] == "500m"
    assert json.dumps(kubernetes.node_selector) == '{"pool": "gpu"}'
    assert [toleration.key for toleration in kubernetes.tolerations][1] is None
    assert type(kubernetes.node_selector.copy()) is dict
    assert kubernetes.node_selector | {"a": "b"} == {"pool": "gpu", "a": "b"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_them_equal_and_frozen(protocol: int) -> None:
    again = pickle.loads(pickle.dumps(FULL, protocol))
    assert again == FULL
    with pytest.raises(TypeError, match="never changes"):
        again.kubernetes.requests["cpu"] = "2"


def test_other_ways_of_copying_work() -> None:
    assert cloudpickle.loads(cloudpickle.dumps(FULL)) == FULL
    assert copy.deepcopy(FULL) == FULL
    assert copy.copy(FULL.kubernetes.requests) == FULL.kubernetes.requests
    assert asdict(FULL)["kubernetes"]["requests"] == FULL.kubernetes.requests


def test_equal_requirements_have_equal_hashes() -> None:
    one = KubernetesResourceRequirements(requests={"cpu": "1", "memory": "1Gi"})
    other = KubernetesResourceRequirements(requests={"memory": "1Gi", "cpu": "1"})
    assert {one: "x"}[other] == "x"


def test_clone_changes_what_it_is_told_and_checks_it() -> None:
    assert FULL.clone() == FULL
    changed = FULL.kubernetes.clone(requests={"cpu": "2"})
    assert changed.requests == {"cpu": "2"}
    assert changed.labels == FULL.kubernetes.labels
    with pytest.raises(InvalidOptionError, match="not a Kubernetes quantity"):
        FULL.kubernetes.clone(requests={"cpu": "two"})


# Validation


def test_all_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="key must be None or a string, got: 3"):
        KubernetesToleration(key=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": 3}, "key must be None or a string, got: 3"),
        (
            {"operator": "Equal"},
            "operator must be a <enum 'KubernetesTolerationOperator'>, got Equal",
        ),
        (
            {"effect": "NoSchedule"},
            "effect must be a <enum 'KubernetesTolerationEffect'>, got NoSchedule",
        ),
        ({"value": 3}, "value must be None or a string, got: 3"),
        ({"toleration_seconds": "a"}, "toleration_seconds must be None or an int, got: a"),
        ({"toleration_seconds": True}, "toleration_seconds must be None or an int, got: True"),
        (
            {"toleration_seconds": 1},
            "toleration_seconds should only be specified when the effect is NoExecute.",
        ),
        ({"key": "not a key"}, "key has an invalid key: 'not a key'"),
        ({"key": "k", "value": "-x"}, "value has an invalid value: '-x'"),
        ({"value": "x"}, "value should only be specified together with a key"),
        (
            {"key": "k", "value": "x", "operator": KubernetesTolerationOperator.Exists},
            "value should only be specified when the operator is Equal, got: 'x'",
        ),
    ],
)
def test_toleration_is_validated(fields, message: str) -> None:
    with pytest.raises(InvalidOptionError, match=re.escape(message)):
        KubernetesToleration(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"file_secrets": {"a": "/abs"}},
            "Cannot mount secret to absolute path '/abs'; paths must be relative.",
        ),
        ({"file_secrets": {"a": "../b"}}, "Cannot mount secret to path '../b'"),
        ({"file_secrets": {"a": ""}}, "Cannot mount secret to path ''"),
        ({"file_secrets": ["a"]}, "file_secrets must be a dict of str to str, got: ['a']"),
        ({"environment_secrets": {"a": "1B"}}, "environment variable '1B'"),
        ({"environment_secrets": {"a": "A=B"}}, "environment variable 'A=B'"),
        ({"environment_secrets": {"a b": "A"}}, "'a b' cannot be a key of a Kubernetes secret"),
        ({"file_secret_root_path": "here"}, "must be an absolute path, got: 'here'"),
        ({"file_secret_root_path": None}, "must be an absolute path, got: None"),
    ],
)
def test_secret_mount_is_validated(fields, message: str) -> None:
    with pytest.raises(InvalidOptionError, match=re.escape(message)):
        KubernetesSecretMount(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"node_path": "n"}, "'hostPath' node path must be a valid absolute path. Got: 'n'"),
        ({"node_path": "/a/../b"}, "node path must be a valid absolute path. Got: '/a/../b'"),
        ({"node_path": None}, "'hostPath' node path must be a valid absolute path. Got: None"),
        ({"pod_mount_path": "p/q"}, "'hostPath' mount path must be a valid absolute path. Got: "),
        ({"pod_mount_path": "/a:b"}, "mount path must be a valid absolute path. Got: '/a:b'"),
        ({"name": "a" * 64}, "Host path volume name must have at most 63 characters. Got: "),
        (
            {"name": "A_b"},
            "Host path volume name must start with an alphanumeric character and only contain "
            "alphanumeric characters and dashes. Got: 'A_b'",
        ),
        ({"name": "-a"}, "Host path volume name must start with an alphanumeric character"),
        ({"name": "Ab"}, "must be in lower case and end with an alphanumeric character"),
        ({"name": "a-"}, "must be in lower case and end with an alphanumeric character"),
        ({"name": 3}, "Host path volume name must be a str. Got: 3"),
        ({"type": "Folder"}, "'hostPath' type must be one of '', 'BlockDevice'"),
    ],
)
def test_host_path_mount_is_validated(fields, message: str) -> None:
    with pytest.raises(InvalidOptionError, match=re.escape(message)):
        KubernetesHostPathMount(**{"node_path": "/n", "pod_mount_path": "/p", **fields})


@pytest.mark.parametrize("name", ["", None])
def test_volume_is_named_after_its_mount_path(name) -> None:
    assert KubernetesHostPathMount("/n", "/mnt/my_data", name=name).name == "volume-mnt-my-data"
    assert KubernetesHostPathMount("/n", "/", name=name).name == "volume"
    assert KubernetesHostPathMount("/n", "/data/", name=name).name == "volume-data"


@given(path=st.text(max_size=200))
@settings(derandomize=True, max_examples=300)
def test_default_volume_name_is_always_valid(path: str) -> None:
    path = "/" + path.replace(":", "").replace("..", "")
    name = KubernetesHostPathMount("/n", path).name
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert name == KubernetesHostPathMount("/n", path).name


def test_default_volume_names_keep_paths_apart_that_look_alike() -> None:
    paths = ["/Data", "/data", "/data.", "/DATA", "/" + "a" * 70, "/" + "a" * 71]
    names = {KubernetesHostPathMount("/n", path).name for path in paths}
    assert len(names) == len(paths)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"requests": {"cpu": "two"}}, "requests['cpu']: 'two' is not a Kubernetes quantity"),
        ({"requests": {"cpu": "-1"}}, "requests['cpu'] must not be negative, got: '-1'"),
        (
            {"requests": {"cpu": 1}},
            "requests must be a dict of str to str, got for 'cpu': 1. Write a string, such as '1'.",
        ),
        ({"requests": {1: "1"}}, "requests must be a dict of str to str, got the key: 1"),
        ({"requests": "cpu=1"}, "requests must be a dict of str to str, got: 'cpu=1'"),
        ({"requests": None}, "requests must be a dict of str to str, got: None"),
        ({"requests": {"gpu": "1"}}, "requests has the key 'gpu', which is no Kubernetes resource"),
        ({"requests": {"CPU": "1"}}, "requests has the key 'CPU', which is no Kubernetes resource"),
        ({"requests": {"nvidia.com/": "1"}}, "requests has an invalid key: 'nvidia.com/'"),
        ({"node_selector": {"pool": "a b"}}, "node_selector has an invalid value: 'a b'"),
        ({"labels": {"a/b/c": "x"}}, "labels has an invalid key: 'a/b/c'"),
        ({"labels": {"a": "x" * 64}}, "labels has an invalid value"),
        ({"labels": {"a": "x\n"}}, "labels has an invalid value"),
        ({"annotations": {"": "x"}}, "annotations has an invalid key: ''"),
        ({"secret_mounts": {}}, "secret_mounts must be a KubernetesSecretMount, got: {}"),
        ({"tolerations": KubernetesToleration()}, "tolerations must be a list of"),
        ({"tolerations": ["k"]}, "tolerations must be a list of KubernetesToleration, got in it:"),
        ({"mount_expanded_shared_memory": 1}, "mount_expanded_shared_memory must be a bool, got:"),
        ({"security_context": True}, "security_context must be a KubernetesSecurityContext, got:"),
        ({"host_path_mounts": ["/a"]}, "host_path_mounts must be a list of"),
    ],
)
def test_kubernetes_requirements_are_validated(fields, message: str) -> None:
    with pytest.raises(InvalidOptionError, match=re.escape(message)):
        KubernetesResourceRequirements(**fields)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["/a-b", "/a/b"], "Two host_path_mounts have the name 'volume-a-b'"),
        (["/a", "/a"], "Two host_path_mounts have the name 'volume-a'"),
    ],
)
def test_two_volumes_of_one_name_are_refused(paths: list[str], message: str) -> None:
    mounts = [KubernetesHostPathMount("/n", path) for path in paths]
    with pytest.raises(InvalidOptionError, match=re.escape(message)):
        KubernetesResourceRequirements(host_path_mounts=mounts)


def test_two_volumes_at_one_path_are_refused() -> None:
    mounts = [KubernetesHostPathMount("/n", "/p", name=name) for name in ("a", "b")]
    with pytest.raises(InvalidOptionError, match="have the mount path '/p'"):
        KubernetesResourceRequirements(host_path_mounts=mounts)


def test_security_context_and_requirements_check_types() -> None:
    with pytest.raises(InvalidOptionError, match="privileged must be a bool, got: 'yes'"):
        KubernetesSecurityContext(True, "yes", KubernetesCapabilities())  # type: ignore[arg-type]
    with pytest.raises(InvalidOptionError, match="capabilities must be a KubernetesCapabilities"):
        KubernetesSecurityContext(True, True, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidOptionError, match="add must be a list of str, got: 'SYS_ADMIN'"):
        KubernetesCapabilities(add="SYS_ADMIN")  # type: ignore[arg-type]
    with pytest.raises(InvalidOptionError, match="kubernetes must be a Kubernetes"):
        ResourceRequirements(kubernetes={"cpu": "1"})  # type: ignore[arg-type]


def test_all_kinds_of_resources_can_be_requested() -> None:
    requests = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1G", "hugepages-2Mi": "4Mi"}
    requests |= {"nvidia.com/gpu": "1", "example.com/fpga": "2"}
    assert KubernetesResourceRequirements(requests=requests).requests == requests


# The record


@pytest.mark.parametrize("requirements", [FULL, ResourceRequirements()])
def test_requirements_survive_the_record(requirements: ResourceRequirements) -> None:
    data = requirements.to_json()
    again = ResourceRequirements.from_json(json.loads(json.dumps(data)))
    assert again == requirements


def test_json_is_plain_data() -> None:
    data = FULL.to_json()["kubernetes"]
    assert type(data["requests"]) is dict
    assert type(data["tolerations"]) is list
    assert data["tolerations"][0]["effect"] == "NoExecute"
    assert type(data["security_context"]["capabilities"]["add"]) is list


def test_fields_that_an_older_record_lacks_get_their_default() -> None:
    data = {"kubernetes": {"requests": {"cpu": "1"}, "tolerations": [{"key": "k"}]}}
    assert ResourceRequirements.from_json(data).kubernetes == KubernetesResourceRequirements(
        requests={"cpu": "1"}, tolerations=[KubernetesToleration(key="k")]
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"slurm": {}}, "unknown fields of ResourceRequirements: slurm"),
        ({"kubernetes": {"gpus": 1}}, "unknown fields of KubernetesResourceRequirements: gpus"),
        (
            {"kubernetes": {"tolerations": [{"effect": "Maybe"}]}},
            "unknown KubernetesTolerationEffect 'Maybe'",
        ),
    ],
)
def test_record_of_a_newer_version_is_refused(data, message: str) -> None:
    with pytest.raises(UnknownSchemaError, match=re.escape(message)):
        ResourceRequirements.from_json(data)
