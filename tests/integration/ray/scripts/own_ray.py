"""Uses Ray as users do, and tells what was left behind. The argument says in which way."""

import faulthandler
import glob
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import sematic


@sematic.func(standalone=True)
def add(a: int, b: int) -> int:
    return a + b


@sematic.func(standalone=True)
def ray_address(_: int) -> str:
    import ray

    return str(ray.get_runtime_context().gcs_address)


@sematic.func
def pipeline(n: int) -> list[int]:
    return [add(i, i) for i in range(n)]


def run(future: Any, **options: Any) -> Any:
    return sematic.LocalRunner(progress="off", **options).run(future)


def state() -> dict[str, Any]:
    """What must be after a pipeline run as it was before."""
    for thread in threading.enumerate():
        if thread.name == "sematic-kept-open":  # it ends in a second
            thread.join()
    return {
        "environment": {
            name: value for name, value in os.environ.items() if not name.startswith("SEMATIC_")
        },
        "signal handlers": [repr(signal.getsignal(number)) for number in signal.valid_signals()],
        "caught signals": caught_signals(),
        "faulthandler": faulthandler.is_enabled(),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "shared memory": sorted(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else [],
        "session directories": glob.glob(f"{os.environ['RAY_TMPDIR']}/sematic-ray-*"),
        "excepthook": repr(sys.excepthook),
        "token": Path("~/.ray").expanduser().exists(),
    }


def caught_signals() -> list[int]:
    """As the system has them: C code sets handlers too. The C library has two for itself."""
    status = Path("/proc/self/status")
    if not status.exists():
        return []
    (mask,) = (line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
    caught = int(mask.split()[1], 16)
    return [int(number) for number in signal.valid_signals() if caught >> (number - 1) & 1]


def children() -> list[str]:
    import psutil
    import ray  # noqa: F401  psutil comes with it

    return [f"{p.pid} {p.name()}" for p in psutil.Process().children(recursive=True)]


def logging_of_ray() -> dict[str, Any]:
    """What it is once Ray has been imported."""
    logger = logging.getLogger("ray")
    handlers = [[repr(handler), repr(handler.formatter)] for handler in logger.handlers]
    return {"level": logger.level, "propagate": logger.propagate, "handlers": handlers}


def configured_by_the_user() -> Any:
    import ray  # noqa: F401

    logger = logging.getLogger("ray")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(logging.NullHandler())
    before = logging_of_ray()
    value = run(pipeline(1))
    return {"values": value, "before": before, "after": logging_of_ray()}


def twice() -> Any:
    before = state()
    values = [run(pipeline(3)), run(pipeline(3))]
    after = state()
    changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    return {"values": values, "changed": changed, "children": children()}


def in_a_thread() -> Any:
    found = []
    thread = threading.Thread(target=lambda: found.append(run(pipeline(3))))
    thread.start()
    thread.join()
    return {"values": found, "children": children()}


def two_at_once() -> Any:
    found: dict[int, Any] = {}

    def work(n: int) -> None:
        found[n] = [run(pipeline(n)), run(ray_address(n))]

    threads = [threading.Thread(target=work, args=(n,)) for n in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"values": [found[2][0], found[3][0]], "children": children()}


def with_ray_initialised() -> Any:
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
        _temp_dir=f"{os.environ['RAY_TMPDIR']}/users",
    )
    mine = ray.get_runtime_context().gcs_address
    found = {"values": run(pipeline(3)), "same": run(ray_address(0)) == mine}
    found["still up"] = ray.is_initialized() and ray.get(ray.remote(lambda: 7).remote()) == 7
    ray.shutdown()
    found["after"] = run(pipeline(2))
    return found


def then_the_users_own() -> Any:
    """The user starts Ray after us; it must not miss or meet a token of ours."""
    import ray

    first = run(pipeline(2))
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
        _temp_dir=f"{os.environ['RAY_TMPDIR']}/users",
    )
    second = ray.get(ray.remote(lambda: 7).remote())
    ray.shutdown()
    return {"values": [first, second]}


def address() -> Any:
    """Uses the Ray at the address in the environment variable ADDRESS; else starts its own."""
    theirs = os.environ["ADDRESS"]
    return {
        "by default": run(ray_address(0)) == theirs,
        "with address": run(ray_address(0), ray_address=theirs) == theirs,
        "values": run(pipeline(3), ray_address=theirs),
        "children": children(),
    }


def fork_before() -> Any:
    """A child that was forked before Ray was started runs a pipeline of its own."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if run(pipeline(3)) == [0, 2, 4] else 1)
    values = run(pipeline(2))
    return {"values": values, "child": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


@sematic.func
def fork_inside(values: list[int]) -> list[int]:
    """A child is forked while Ray is up, tries to use it, and exits as programs do."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            from sematic.errors import InfrastructureError
            from sematic.ray_backend.cluster import LocalRay

            LocalRay().enter()
        except InfrastructureError as error:
            code = 0 if "forked" in str(error) else 2
        threading._shutdown()  # type: ignore[attr-defined]
        import atexit

        atexit._run_exitfuncs()
        os._exit(code)
    return [*values, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


@sematic.func
def fork_pipeline(n: int) -> list[int]:
    return fork_inside([add(i, i) for i in range(n)]).set(name="fork")


@sematic.func
def after_fork(n: int) -> list[int]:
    forked = fork_pipeline(n)
    return [add(forked[0], 1), add(forked[n], 10)]


def fork_while_up() -> Any:
    return {"values": run(after_fork(2))}


def main() -> None:
    start = time.monotonic()
    found = globals()[sys.argv[1]]()
    found["seconds"] = time.monotonic() - start
    print(json.dumps(found))


if __name__ == "__main__":
    main()
