"""Buckets of tests: what anybody sees in them, beside what the code under test says."""

import json
import subprocess
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol
from urllib.parse import quote

import pyarrow.fs as pafs


class Bucket(Protocol):
    """A bucket of the test's own.

    Attributes:
        name: its name.
        address: host and port of the server.
    """

    name: str
    address: tuple[str, int]

    def uri(self, port: int | None = None, *, seconds: int = 3) -> str:
        """What the setting would be; by another port if a proxy is in between.

        Google's client tries again for so many seconds. That of S3 does not count them.
        """

    def keys(self) -> list[str]:
        """The names of all objects."""

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, content: bytes) -> None: ...

    def delete(self, key: str) -> None: ...

    def age(self, key: str) -> None:
        """Two days, past the protocol: it has no request for that."""


class S3Bucket:
    """A bucket of moto's server, which is in this process."""

    def __init__(self, name: str, address: tuple[str, int]) -> None:
        import boto3

        self.name = name
        self.address = address
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://{address[0]}:{address[1]}",
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        self._client.create_bucket(Bucket=name)

    def uri(self, port: int | None = None, *, seconds: int = 3) -> str:
        host = f"{self.address[0]}%3A{port or self.address[1]}"
        query = f"endpoint_override={host}&scheme=http&region=us-east-1"
        return f"s3://key:secret@{self.name}/artifacts?{query}"

    def keys(self) -> list[str]:
        listing = self._client.list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in listing.get("Contents", ())]

    def read(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=key)

    def age(self, key: str) -> None:
        from moto.s3.models import s3_backends

        (backend,) = s3_backends["123456789012"].values()
        old = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(days=2)
        backend.buckets[self.name].keys[key].last_modified = old


class GoogleBucket:
    """A bucket of a server with Google's protocol."""

    def __init__(
        self, name: str, address: tuple[str, int], server: "subprocess.Popen[str]"
    ) -> None:
        self.name = name
        self.address = address
        self._server = server
        self._ask("POST", "/storage/v1/b", json.dumps({"name": name}).encode())

    def uri(self, port: int | None = None, *, seconds: int = 3) -> str:
        host = f"{self.address[0]}%3A{port or self.address[1]}"
        query = f"endpoint_override={host}&scheme=http&retry_limit_seconds={seconds}"
        return f"gs://anonymous@{self.name}/artifacts?{query}"

    def keys(self) -> list[str]:
        listing = json.loads(self._ask("GET", f"/storage/v1/b/{self.name}/o"))
        return [entry["name"] for entry in listing.get("items", ())]

    def read(self, key: str) -> bytes:
        return self._ask("GET", f"{self._path(key)}?alt=media")

    def write(self, key: str, content: bytes) -> None:
        filesystem, _ = pafs.FileSystem.from_uri(self.uri())
        with filesystem.open_output_stream(f"{self.name}/{key}") as stream:
            stream.write(content)

    def delete(self, key: str) -> None:
        self._ask("DELETE", self._path(key))

    def age(self, key: str) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{self.name} {key}\n")
        self._server.stdin.flush()
        assert self._server.stdout.readline() == "\n"

    def _path(self, key: str) -> str:
        return f"/storage/v1/b/{self.name}/o/{quote(key, safe='')}"

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            f"http://{self.address[0]}:{self.address[1]}{path}",
            data=body,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content
