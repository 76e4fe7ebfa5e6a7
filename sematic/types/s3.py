"""``S3Bucket`` and ``S3Location``: places in S3, as names; nothing connects to them."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_SCHEME = "s3://"


@dataclass
class S3Bucket:
    """A bucket in S3.

    Attributes:
        name: its name, which is unique in all of S3.
        region: where it is, e.g. ``"us-west-2"``, if that is known.
    """

    __module__ = "sematic.types"

    name: str
    region: str | None = None


@dataclass
class S3Location:
    """An object or a folder in a bucket.

    Attributes:
        bucket: the bucket.
        location: the path inside of it, e.g. ``"path/to/object"``; empty for all of the bucket.
    """

    __module__ = "sematic.types"

    bucket: S3Bucket
    location: str

    @classmethod
    def from_uri(cls, uri: str, region: str | None = None) -> "S3Location":
        """The location that a URI names.

        Args:
            uri: of the form ``s3://bucket/path/to/location``.
            region: the bucket's region, if it is known.

        Raises:
            ValueError: it has another form.
        """
        if urlsplit(uri).scheme != "s3":
            raise ValueError(f"Malformed S3 URI. Must start with s3://: {uri}")
        # Not with `urlsplit`: "?" and "#" are letters of a key like others.
        bucket, _, location = uri[len(_SCHEME) :].partition("/")
        if not bucket:
            raise ValueError(f"URI is missing a bucket: {uri}")
        if not location:
            raise ValueError(f"URI is missing a path: {uri}")
        return cls(bucket=S3Bucket(name=bucket, region=region), location=location)

    def to_uri(self) -> str:
        """The URI, e.g. ``"s3://bucket/path/to/location"``."""
        return f"{_SCHEME}{self.bucket.name}/{self.location}"

    @property
    def parent_directory(self) -> "S3Location":
        """The folder that the object or folder is in; the bucket is its own parent."""
        parent = self.location.removesuffix("/").rpartition("/")[0]
        return S3Location(bucket=self.bucket, location=parent)

    def sibling_location(self, location: str) -> "S3Location":
        """A location in the same folder."""
        return self.parent_directory.child_location(location)

    def child_location(self, location: str) -> "S3Location":
        """A location inside of this one."""
        parent = self.location
        if parent and not parent.endswith("/"):
            parent += "/"
        return S3Location(bucket=self.bucket, location=f"{parent}{location}")

    def __truediv__(self, location: str) -> "S3Location":
        return self.child_location(location)
