"""Values as files of a place: which codec, which bytes, and the reference to them."""

from sematic.artifacts.arrow_file import ArrowFile, build_segments
from sematic.artifacts.codecs import plain_file
from sematic.artifacts.codecs.codec import Codec, Encoded
from sematic.artifacts.codecs.compiled_code import PYTHON, check_python
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.codecs.plain import PlainText
from sematic.artifacts.codecs.registry import ANYTHING, find_codec, iter_special
from sematic.artifacts.identity import Hashing, build_id
from sematic.artifacts.places import Place
from sematic.artifacts.summaries import build_summary
from sematic.calls import ArtifactRef
from sematic.errors import CorruptArtifactError


def write_value(
    value: object, descriptor: str, *, text: PlainText | None, place: Place
) -> ArtifactRef:
    """Store a value as a file.

    Args:
        value: any value; neither changed nor kept.
        descriptor: of its declared type.
        text: its text, where the caller found out that it is plain.
        place: where the file goes.

    Raises:
        UnserializableValueError: no codec can take the value.
        ArtifactError: the file cannot be kept.
    """
    special = list(iter_special(value))
    name, encoded = _encode(value, special, text)
    segments = build_segments(
        encoded.schema, encoded.batches, codec=name, metadata=encoded.metadata
    )
    artifact_id = place.write(segments, Hashing(name, descriptor, segments))
    # A frame that had to be pickled is shown as a frame all the same.
    shown_by = special[0][1] if special else find_codec(name)
    return ArtifactRef(
        id=artifact_id,
        codec=name,
        type=descriptor,
        size=sum(len(segment) for segment in segments),
        summary=build_summary(value, shown_by.summarise),
    )


def _encode(
    value: object, special: list[tuple[str, Codec]], text: PlainText | None
) -> tuple[str, Encoded]:
    for name, codec in special:
        try:
            return name, codec.encode(value)
        except NotEncodable:
            continue
    if text is not None and not text.is_local:
        return "plain", plain_file.encode_text(text.text)
    if text is None and type(value) in (list, tuple):  # too long for the caller to try
        try:
            return "plain", plain_file.encode(value)
        except NotEncodable:
            pass
    return ANYTHING, find_codec(ANYTHING).encode(value)


def read_value(ref: ArtifactRef, *, place: Place, verify: bool) -> object:
    """A fresh value from a file.

    Raises:
        MissingArtifactError: the file is not there.
        CorruptArtifactError: it is not what was written.
        ArtifactError: it needs something that this process does not have.
    """
    codec = find_codec(ref.codec)
    if verify and not place.is_trusted(ref.id):
        memory = _read_verified(ref, place)
    else:
        memory = place.read(ref.id, ref.size)
    return codec.decode(ArrowFile(memory, codec=ref.codec))


def check_file(ref: ArtifactRef, *, place: Place) -> None:
    """Read a file to its end, and compare it with its id.

    Raises:
        MissingArtifactError: the file is not there.
        CorruptArtifactError: it is not what was written.
        ForeignCodeError: it is, but has code in it that another version of Python compiled.
    """
    memory = _read_verified(ref, place)
    check_python(ArrowFile(memory, codec=ref.codec).metadata.get(PYTHON))


def _read_verified(ref: ArtifactRef, place: Place) -> memoryview:
    memory = place.read(ref.id, ref.size)
    if build_id(ref.codec, ref.type, memory) != ref.id:
        raise CorruptArtifactError("its bytes are not those that its id was made of")
    place.trust(ref.id)
    return memory
