"""Small plain values: the payload is in the reference itself. Loads no library.

The codec is ``plain``. Values of classes that other processes cannot import have the codec
``local``, and the definitions of these classes are beside the value; the id does not cover them,
since no two processes pickle a class alike.
"""

import json
from collections.abc import Mapping

from sematic.artifacts.codecs import plain, plain_reader
from sematic.artifacts.codecs.classes import check_definition
from sematic.artifacts.identity import build_id
from sematic.calls import ArtifactRef
from sematic.errors import CorruptArtifactError

LIMIT_BYTES = 16 * 1024
"""Longer texts are files."""

_MAX_DEFINITION_BYTES = 48 * 1024
_HEAD = '{"$":"local","value":'
_MIDDLE = ',"definitions":'
_decoder = json.JSONDecoder()


def build_ref(written: plain.PlainText, descriptor: str) -> ArtifactRef | None:
    """The reference that holds a text, or None if the text is too long."""
    text = written.text
    if len(text) > LIMIT_BYTES:
        return None
    payload = text.encode()
    if len(payload) > LIMIT_BYTES:
        return None
    if written.is_local:
        return _build_local_ref(written, descriptor)
    artifact_id = build_id("plain", descriptor, payload)
    return ArtifactRef(artifact_id, "plain", descriptor, len(payload), text)


def _build_local_ref(written: plain.PlainText, descriptor: str) -> ArtifactRef | None:
    definitions = json.dumps(written.definitions, separators=(",", ":"))
    if len(definitions) > _MAX_DEFINITION_BYTES:
        return None
    payload = f"{_HEAD}{written.text}{_MIDDLE}{definitions}}}"
    artifact_id = build_id("local", descriptor, written.text.encode())
    return ArtifactRef(artifact_id, "local", descriptor, len(payload.encode()), payload)


def read(ref: ArtifactRef) -> object:
    """A fresh value of a reference that holds its payload.

    Raises:
        CorruptArtifactError: the payload is damaged.
        ArtifactError: a class in it is not to be found in this process.
    """
    payload = ref.payload or ""
    if ref.codec == "plain":
        return plain_reader.decode(payload)
    text, definitions = _split_local(payload)
    return plain_reader.decode(text, definitions)


def check(ref: ArtifactRef) -> None:
    """Look whether the payload is what the id was made of.

    Raises:
        CorruptArtifactError: it is not.
    """
    payload = ref.payload or ""
    text = payload if ref.codec == "plain" else _split_local(payload)[0]
    if build_id(ref.codec, ref.type, text.encode("utf-8", "surrogatepass")) != ref.id:
        raise CorruptArtifactError("its payload is not what its id was made of")


def check_readable(ref: ArtifactRef) -> None:
    """Look whether the classes of the value are for this version of Python.

    Raises:
        CorruptArtifactError: the payload is damaged.
        ForeignCodeError: another version compiled one that cannot be found by its name.
    """
    if ref.codec == "plain":
        return
    _, definitions = _split_local(ref.payload or "")
    for name, definition in definitions.items():
        if "<locals>" in name:
            check_definition(definition)


def _split_local(payload: str) -> tuple[str, Mapping[str, str]]:
    try:
        _, end = _decoder.raw_decode(payload, len(_HEAD))
        definitions = json.loads(payload)["definitions"]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(f"its payload is damaged: {error}") from error
    return payload[len(_HEAD) : end], definitions
