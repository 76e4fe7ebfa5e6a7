"""One real Ray for all tests that use it: a start and an end take some six seconds."""

import secrets
from collections.abc import Iterator
from types import ModuleType

import pytest

# What keeps Ray quiet and out of the user's home.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_task_oom_retries": "0",
    # Without it, Ray writes a token into the home directory.
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The ``ray`` module, initialised with two CPUs, on loopback only.

    Started in the main thread, since Ray dies with the thread that started it. Its workers keep
    what they record in a directory of the test session.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        config_directory = tmp_path_factory.mktemp("ray") / ".sematic"
        patch.setenv("SEMATIC_CONFIG_DIR", str(config_directory))

        import ray
        from ray._private import ray_constants

        # On Linux, Ray takes 127.0.0.1 for "the address that other machines reach" without this.
        patch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )
        yield ray
        ray.shutdown()
