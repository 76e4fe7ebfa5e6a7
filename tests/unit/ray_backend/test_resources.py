"""Resource requirements as Ray options."""

import subprocess
import sys

import pytest

from sematic.ray_backend.resources import RayOptions, clamp, describe_ignored, ray_options
from sematic.resources import (
    KubernetesCapabilities,
    KubernetesHostPathMount,
    KubernetesResourceRequirements,
    KubernetesSecretMount,
    KubernetesSecurityContext,
    KubernetesToleration,
    ResourceRequirements,
)

MACHINE = {"CPU": 2.0, "GPU": 1.0, "memory": 16.0 * 2**30, "example.com/fpga": 1.0}


def requesting(requests: dict[str, str]) -> RayOptions:
    return ray_options(ResourceRequirements(KubernetesResourceRequirements(requests=requests)))


@pytest.mark.parametrize("nothing", [None, ResourceRequirements()])
def test_without_requests_a_task_takes_one_cpu(nothing) -> None:
    assert ray_options(nothing) == RayOptions(num_cpus=1.0, num_gpus=0.0, memory=None, resources={})


@pytest.mark.parametrize(
    ("requests", "options"),
    [
        ({"cpu": "500m"}, RayOptions(num_cpus=0.5)),
        ({"cpu": "2"}, RayOptions(num_cpus=2.0)),
        ({"cpu": "0"}, RayOptions(num_cpus=0.0)),
        ({"memory": "2Gi"}, RayOptions(memory=2 * 2**30)),
        ({"memory": "100M"}, RayOptions(memory=100_000_000)),
        ({"memory": "1500m"}, RayOptions(memory=2)),
        ({"memory": "0"}, RayOptions(memory=None)),
        ({"nvidia.com/gpu": "1"}, RayOptions(num_gpus=1.0)),
        ({"amd.com/gpu": "2"}, RayOptions(num_gpus=2.0)),
        ({"nvidia.com/gpu": "1", "amd.com/gpu": "1"}, RayOptions(num_gpus=2.0)),
        ({"nvidia.com/gpu": "500m"}, RayOptions(num_gpus=0.5)),
        ({"example.com/fpga": "3"}, RayOptions(resources={"example.com/fpga": 3.0})),
        ({"example.com/fpga": "0"}, RayOptions()),
        ({"ephemeral-storage": "10Gi", "hugepages-2Mi": "4Mi"}, RayOptions()),
    ],
)
def test_requests_become_ray_options(requests, options: RayOptions) -> None:
    assert requesting(requests) == options


def test_amounts_are_rounded_up_to_what_ray_takes() -> None:
    assert requesting({"cpu": "10u"}).num_cpus == 0.0001
    assert requesting({"cpu": "0.12341"}).num_cpus == 0.1235
    assert requesting({"cpu": "0.1234"}).num_cpus == 0.1234
    assert requesting({"nvidia.com/gpu": "1500m"}).num_gpus == 2.0
    assert requesting({"example.com/fpga": "1n"}).resources == {"example.com/fpga": 0.0001}


def test_arguments_for_ray_leave_out_what_is_not_asked_for() -> None:
    assert RayOptions().as_arguments() == {"num_cpus": 1.0}
    arguments = RayOptions(0.5, 1.0, 5, {"a.b/c": 1.0}).as_arguments()
    assert arguments == {
        "num_cpus": 0.5,
        "num_gpus": 1.0,
        "memory": 5,
        "resources": {"a.b/c": 1.0},
    }
    assert type(arguments["resources"]) is dict


def test_equal_options_share_a_hash() -> None:
    assert {RayOptions(resources={"a.b/c": 1.0}): "x"}[RayOptions(resources={"a.b/c": 1.0})] == "x"


# Clamping


def test_what_the_machine_has_stays_as_it_is() -> None:
    options = RayOptions(2.0, 1.0, 16 * 2**30, {"example.com/fpga": 1.0})
    assert clamp(options, MACHINE) == (options, [])


def test_what_the_machine_can_never_give_is_clamped_and_told() -> None:
    options = RayOptions(64.0, 4.0, 32 * 2**30, {"example.com/fpga": 3.0, "example.com/tpu": 1.0})
    clamped, told = clamp(options, MACHINE)
    assert clamped == RayOptions(2.0, 1.0, 16 * 2**30, {"example.com/fpga": 1.0})
    assert told == [
        "This machine cannot give 64 CPUs: running with 2 CPUs.",
        "This machine cannot give 4 GPUs: running with 1 GPU.",
        "This machine cannot give 32.0 GiB of memory: running with 16.0 GiB of memory.",
        "This machine cannot give 3 example.com/fpga: running with 1 example.com/fpga.",
        "This machine cannot give 1 example.com/tpu: running without.",
    ]


def test_a_machine_without_gpus_runs_without() -> None:
    clamped, told = clamp(RayOptions(num_gpus=0.5), {"CPU": 1.0})
    assert clamped == RayOptions()
    assert told == ["This machine cannot give 0.5 GPUs: running without."]


def test_memory_is_clamped_to_whole_bytes() -> None:
    clamped, told = clamp(RayOptions(memory=2**21), {"CPU": 1.0, "memory": 2.0**20 + 0.5})
    assert clamped.memory == 2**20
    assert told == ["This machine cannot give 2.0 MiB of memory: running with 1.0 MiB of memory."]


# Ignored fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("secret_mounts", KubernetesSecretMount(environment_secrets={"a": "A"})),
        ("tolerations", [KubernetesToleration()]),
        ("host_path_mounts", [KubernetesHostPathMount("/n", "/p")]),
        ("node_selector", {"a": "b"}),
        ("security_context", KubernetesSecurityContext(False, False, KubernetesCapabilities())),
        ("annotations", {"a": "b"}),
        ("labels", {"a": "b"}),
        ("mount_expanded_shared_memory", True),
    ],
)
def test_field_that_means_nothing_locally_is_named(field: str, value: object) -> None:
    given = ResourceRequirements(KubernetesResourceRequirements(**{field: value}))
    assert describe_ignored(given) == [
        f"LocalRunner ignores {field}: it takes effect on Kubernetes only."
    ]


def test_all_that_is_ignored_is_named_in_one_sentence_with_the_runner() -> None:
    given = ResourceRequirements(
        KubernetesResourceRequirements(
            labels={"a": "b"},
            annotations={"a": "b"},
            requests={"cpu": "1", "ephemeral-storage": "1Gi"},
        )
    )
    assert describe_ignored(given, runner="MyRunner") == [
        "MyRunner ignores annotations, labels and requests['ephemeral-storage']: they take effect "
        "on Kubernetes only."
    ]


def test_nothing_is_ignored_of_plain_requests() -> None:
    given = KubernetesResourceRequirements(requests={"cpu": "1", "example.com/fpga": "1"})
    assert describe_ignored(ResourceRequirements(given)) == []


def test_ray_is_not_imported() -> None:
    code = "import sys, sematic.ray_backend.resources; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
