"""The types that users pass around: what they check, and that they are stored as plain values."""

import builtins
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import sematic
from sematic.artifacts import FileSystemStore
from sematic.errors import CastError
from sematic.types import (
    HuggingFaceDatasetReference,
    HuggingFaceModelReference,
    HuggingFaceStoredModel,
    Image,
    Link,
    PromptResponse,
    S3Bucket,
    S3Location,
    SnowflakeTable,
    cast,
    describe_type,
)
from sematic.types.snowflake import _quote_names

SHA = "1234567890" * 4
VALUES: list[Any] = [
    Link("docs", "https://example.com/docs"),
    Image(b"\x89PNG"),
    S3Bucket("bucket", region="us-west-2"),
    S3Location(S3Bucket("bucket"), "a/b"),
    HuggingFaceModelReference("owner", "repo", SHA),
    HuggingFaceDatasetReference(None, "repo", subset="part"),
    HuggingFaceStoredModel("/models/a", "transformers.BertModel"),
    PromptResponse("What?", "That."),
    SnowflakeTable("MARKET", "ORDERS"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_they_are_plain_values_under_their_public_names(value: Any, tmp_path: Path) -> None:
    cls = type(value)
    store = FileSystemStore(tmp_path)
    ref = store.put(value, cls)
    assert (ref.codec, ref.type) == ("plain", f"sematic.types.{cls.__name__}")
    assert ref.payload is not None
    assert f'"class":"sematic.types:{cls.__name__}"' in ref.payload
    read = store.get(ref)
    assert type(read) is cls
    assert read == value
    assert describe_type(cls) == ref.type
    assert cast(value, cls) is value


def test_they_go_through_a_pipeline() -> None:
    @sematic.func
    def locate(bucket: S3Bucket) -> S3Location:
        return S3Location(bucket, "data")

    @sematic.func
    def link(location: S3Location) -> Link:
        return Link("data", f"https://example.com/{location.location}")

    @sematic.func
    def pipeline(bucket: S3Bucket) -> Link:
        return link(locate(bucket))

    result = sematic.SilentRunner().run(pipeline(S3Bucket("bucket")))
    assert result == Link("data", "https://example.com/data")


@pytest.mark.parametrize(
    ("url", "missing"),
    [("example.com", "scheme"), ("", "scheme"), ("https://", "netloc"), ("mailto:a@b.c", "netloc")],
)
def test_links_need_scheme_and_netloc(url: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"Incorrect URL, missing {missing} \\(e.g. https://"):
        Link("label", url)


def test_a_mapping_makes_a_link_only_if_its_url_is_one() -> None:
    assert cast({"label": "a", "url": "https://b"}, Link) == Link("a", "https://b")
    with pytest.raises(CastError, match="missing scheme"):
        cast({"label": "a", "url": "b"}, Link)


@pytest.mark.parametrize(
    ("form", "mime_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
    ],
)
def test_the_type_of_an_image_is_found(tmp_path: Path, form: str, mime_type: str) -> None:
    encoded = io.BytesIO()
    Picture.new("RGB", (4, 3)).save(encoded, form)
    path = tmp_path / "picture.of.no.known.ending"
    path.write_bytes(encoded.getvalue())
    for given in (path, str(path)):
        image = Image.from_file(given)
        assert image.bytes == encoded.getvalue()
        assert image.mime_type == mime_type


@pytest.mark.parametrize("content", [b"", b"this is text", bytes(100)])
def test_what_is_no_known_picture_is_just_bytes(content: bytes) -> None:
    assert Image(content).mime_type == "application/octet-stream"


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Image.from_file(str(tmp_path / "missing"))


@pytest.mark.parametrize("uri", ["s3://bucket/a/b", "s3://bucket/a/b/", "s3://bucket/a?b#c"])
def test_s3_locations_are_uris_and_back(uri: str) -> None:
    location = S3Location.from_uri(uri, region="eu-west-1")
    assert location.to_uri() == uri
    assert location.bucket == S3Bucket("bucket", "eu-west-1")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://x/y", "Malformed S3 URI. Must start with s3://: http://x/y"),
        ("s3:///y", "URI is missing a bucket: s3:///y"),
        ("s3://y/", "URI is missing a path: s3://y/"),
        ("s3://y", "URI is missing a path: s3://y"),
    ],
)
def test_other_uris_are_refused(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        S3Location.from_uri(uri)


def test_s3_locations_lead_to_others() -> None:
    file = S3Location.from_uri("s3://bucket/a/b.csv")
    folder = S3Location.from_uri("s3://bucket/a/")
    assert file.parent_directory.location == "a"
    assert folder.parent_directory.location == ""
    assert file.sibling_location("c.csv").location == "a/c.csv"
    assert folder.child_location("b.csv") == file == folder / "b.csv"
    assert (file.parent_directory / "x" / "y").to_uri() == "s3://bucket/a/x/y"
    top = S3Location.from_uri("s3://bucket/a")
    assert top.sibling_location("b").to_uri() == "s3://bucket/b"
    assert top.parent_directory.parent_directory.location == ""


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("repo", HuggingFaceModelReference(None, "repo")),
        ("owner/repo", HuggingFaceModelReference("owner", "repo")),
        (f"owner/repo@{SHA}", HuggingFaceModelReference("owner", "repo", SHA)),
        ("repo:part", HuggingFaceDatasetReference(None, "repo", subset="part")),
        (f"o/repo:part@{SHA}", HuggingFaceDatasetReference("o", "repo", SHA, "part")),
    ],
)
def test_references_are_text_and_back(text: str, reference: Any) -> None:
    assert type(reference).from_string(text) == reference
    assert reference.to_string() == text
    assert reference.repo_reference() == text.partition("@")[0].partition(":")[0]


def test_a_reference_to_the_full_dataset_leaves_out_its_subset() -> None:
    reference = HuggingFaceDatasetReference("o", "repo", SHA, "part")
    assert reference.to_string(full_dataset=True) == f"o/repo@{SHA}"


@pytest.mark.parametrize("text", ["", "/repo", "a/b/c", "repo@", "repo:part", "a@b@c"])
def test_other_texts_are_no_reference_to_a_model(text: str) -> None:
    with pytest.raises(ValueError, match=f"^Improperly formatted reference: '{text}'$"):
        HuggingFaceModelReference.from_string(text)


def test_a_reference_needs_a_repository() -> None:
    with pytest.raises(ValueError, match=r"^Repo must be provided\. Got: None$"):
        HuggingFaceModelReference("owner", None)  # type: ignore[arg-type]


class Model:
    """What `transformers` promises of its models."""

    def __init__(self, text: str, base: "Model | None" = None) -> None:
        self.text = text
        self.base = base

    def save_pretrained(self, directory: str) -> None:
        Path(directory).mkdir(parents=True)
        (Path(directory) / "model").write_text(self.text)

    @classmethod
    def from_pretrained(cls, directory: str, *, device_map: object = "auto") -> "Model":
        assert device_map == "auto"
        return cls((Path(directory) / "model").read_text())


class FineTuned(Model):
    @property
    def base_model(self) -> Model:
        return self.get_base_model()

    def get_base_model(self) -> Model:
        assert self.base is not None
        return self.base

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, base: Model, directory: str, *, device_map: object = "auto"
    ) -> "FineTuned":
        return cls(Model.from_pretrained(directory, device_map=device_map).text, base)


def test_models_are_stored_in_a_folder_and_loaded(tmp_path: Path) -> None:
    stored = HuggingFaceStoredModel.store(Model("weights"), str(tmp_path / "a"))
    assert stored.path == str(tmp_path / "a")
    assert stored.peft_model_type is None
    assert (tmp_path / "a" / "full" / "model").read_text() == "weights"
    assert stored.load().text == "weights"
    stored = HuggingFaceStoredModel.store(FineTuned("more", Model("base")), str(tmp_path / "b"))
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["base", "peft"]
    loaded = stored.load()
    assert (type(loaded), loaded.text, loaded.base.text) == (FineTuned, "more", "base")


@pytest.mark.parametrize(
    ("database", "table"),
    [
        ("MARKET; DROP DATABASE X", "T"),
        ("a.b", "T"),
        ("", "T"),
        ("D", ""),
        ("D", "a.b.c"),
        ("D", "T LIMIT 1"),
        ("D", 'T"'),
        ("D", '"T" UNION SELECT 1'),
        ("D", "1T"),
        ("D", "T."),
        ("D", ".T"),
        ("D", "T--"),
    ],
)
def test_what_is_no_name_of_a_table_is_refused(database: str, table: str) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a Snowflake (table|database)"):
        SnowflakeTable(database, table)


@pytest.mark.parametrize(
    ("table", "quoted"),
    [
        ("orders", '"ORDERS"'),
        ("public.Orders", '"PUBLIC"."ORDERS"'),
        ('"orders"', '"orders"'),
        ('public."a.b"', '"PUBLIC"."a.b"'),
        ('"a""; DROP TABLE b; --"', '"a""; DROP TABLE b; --"'),
    ],
)
def test_names_go_into_a_query_in_quotes(table: str, quoted: str) -> None:
    SnowflakeTable("D", table)
    assert _quote_names(table, most=2, what="table") == quoted


@pytest.mark.parametrize("limit", [-2, -100])
def test_other_negative_limits_are_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"limit is {limit}"):
        SnowflakeTable("D", "T").to_df(limit=limit)


def test_a_missing_connector_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snowflake.connector", None)
    with pytest.raises(ImportError, match=r"pip install 'sematic\[snowflake\]'"):
        SnowflakeTable("D", "T").to_df()


def test_they_load_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **more: Any) -> Any:
        assert name.partition(".")[0] not in ("snowflake", "transformers", "puremagic", "boto3")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    SnowflakeTable("D", "T")
    Image(b"")
    HuggingFaceModelReference.from_string("repo")
    S3Location.from_uri("s3://a/b") / "c"
