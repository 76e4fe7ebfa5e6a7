"""Servers that speak the protocols of S3 and of Google Cloud Storage, on this machine."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.object_stores.buckets import Bucket, GoogleBucket, S3Bucket
from tests.integration.object_stores.lossy_proxy import LossyProxy, lossy_proxy

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[tuple[str, int]]:
    server_module = pytest.importorskip("moto.server", reason="needs the package moto")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture(scope="session")
def google_server() -> "Iterator[subprocess.Popen[str]]":
    """In a process of its own: Arrow's client for it keeps Python's lock while it waits."""
    pytest.importorskip("gcp_storage_emulator", reason="needs the package gcp-storage-emulator")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.object_stores.google_server"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def google_address(google_server: "subprocess.Popen[str]") -> tuple[str, int]:
    assert google_server.stdout is not None
    return "127.0.0.1", int(google_server.stdout.readline())


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    name = f"bucket-{next(_numbers)}"
    if request.param == "s3":
        return S3Bucket(name, request.getfixturevalue("s3_address"))
    address = request.getfixturevalue("google_address")
    return GoogleBucket(name, address, request.getfixturevalue("google_server"))


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[LossyProxy]:
    with lossy_proxy(bucket.address) as made:
        yield made
