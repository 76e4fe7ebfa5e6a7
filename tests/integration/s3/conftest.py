"""A server that speaks S3's protocol, on this machine."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.s3.lossy_proxy import LossyProxy, lossy_proxy

_numbers = itertools.count()


@dataclass(frozen=True)
class Bucket:
    """A bucket of the test's own.

    Attributes:
        name: its name.
        address: host and port of the server.
        client: of boto3: another view of the same bucket.
    """

    name: str
    address: tuple[str, int]
    client: Any

    def uri(self, port: int | None = None) -> str:
        """What the setting would be; by another port if a proxy is in between."""
        host = f"{self.address[0]}%3A{port or self.address[1]}"
        query = f"endpoint_override={host}&scheme=http&region=us-east-1"
        return f"s3://key:secret@{self.name}/artifacts?{query}"

    def keys(self) -> list[str]:
        """What anybody sees in the bucket."""
        listing = self.client.list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in listing.get("Contents", ())]

    def read(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)


@pytest.fixture(scope="session")
def s3_address() -> Iterator[tuple[str, int]]:
    server_module: Any = pytest.importorskip("moto.server", reason="needs the package moto")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(s3_address: tuple[str, int]) -> Bucket:
    boto3: Any = pytest.importorskip("boto3")
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{s3_address[0]}:{s3_address[1]}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    name = f"bucket-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return Bucket(name, s3_address, client)


@pytest.fixture
def proxy(s3_address: tuple[str, int]) -> Iterator[LossyProxy]:
    with lossy_proxy(s3_address) as made:
        yield made
