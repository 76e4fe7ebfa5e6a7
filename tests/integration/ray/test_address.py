"""``ray_address`` of a Ray that asks for the token in the user's home."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.programs import run_python

pytestmark = pytest.mark.ray

_PROGRAM = """
import os, sys
import sematic

@sematic.func(standalone=True)
def add(a: int, b: int) -> int:
    return a + b

before = dict(os.environ)
print(sematic.LocalRunner(progress="off", ray_address=sys.argv[1]).run(add(1, 2)))
left = {name for name in before.keys() ^ os.environ.keys() if name.startswith("RAY_")}
print(sorted(left), sematic.LocalRunner(progress="off").run(add(3, 4)))
"""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A Ray started from the command line of a user whose home has a token."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(secrets.token_hex(32))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tempfile.mkdtemp(prefix="ray-")  # short: the paths of sockets are
    options = f"--port={port} --num-cpus=1 --include-dashboard=false --disable-usage-stats"
    ray = (sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--head")
    head = subprocess.Popen(
        [*ray, "--block", "--node-ip-address=127.0.0.1", *options.split(), "--temp-dir", directory],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "RAY_ENABLE_RAY_CLUSTER": "0"},
    )
    try:
        _wait_for(port, head)
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()  # and with it all that it started
        head.wait(60)
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for(port: int, head: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 180
    while True:
        assert head.poll() is None
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def test_the_token_of_a_ray_on_this_machine_is_found(address: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    assert run_python(str(tmp_path / "program.py"), address).split("\n")[:2] == ["3", "[] 7"]
