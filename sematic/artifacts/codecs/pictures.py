"""Pictures: pillow's, and encoded ones of ``sematic.types.Image``, with the picture in the summary.

An encoded one is stored as the bytes that it is. pillow pickles its own without loss.
"""

import base64
import io
import sys
from collections.abc import Mapping
from typing import Any

from sematic.artifacts.arrow_file import BLOB_SCHEMA, ArrowFile, build_blob
from sematic.artifacts.codecs import pickles
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.summaries import type_name
from sematic.errors import CorruptArtifactError
from sematic.types.images import Image

_MAX_PIXELS = 1200
_MAX_BYTES = 90_000  # as base64 they fit into a summary


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return type(value) is Image or _is_of_pillow(value)


def _is_of_pillow(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def encode(value: Any) -> Encoded:
    """The bytes of an encoded picture as they are; a pickle of pillow's."""
    if isinstance(value, Image):
        return Encoded(BLOB_SCHEMA, [build_blob(value.bytes)], {"container": "image"})
    return pickles.encode(value)


def decode(file: ArrowFile) -> object:
    """The picture, in memory of its own."""
    if "buffers" in file.metadata:
        return pickles.decode(file)
    if file.metadata.get("container") != "image":
        raise CorruptArtifactError("a container of its kind is unknown")
    return Image(bytes(file.blob(0)))


def summarise(value: Any) -> Mapping[str, Any]:
    """What it is, and the picture as base64: at most 1200 pixels wide and high, and 90,000 bytes.

    A longer one is made smaller where pillow is installed; elsewhere it is left out.
    """
    content: dict[str, Any] = {"kind": "image", "type": type_name(value)}
    if isinstance(value, Image):
        content |= {"mime_type": value.mime_type, "length": len(value.bytes)}
        if len(value.bytes) <= _MAX_BYTES:
            return {**content, "data": base64.b64encode(value.bytes).decode()}
        return {**content, **_shrink_encoded(value.bytes)}
    content |= {"size": list(value.size), "mode": value.mode}
    return {**content, **_shrink(value)}


def _shrink_encoded(encoded: bytes) -> dict[str, Any]:
    try:
        import PIL.Image
    except ImportError:
        return {}
    try:
        with PIL.Image.open(io.BytesIO(encoded)) as opened:
            return {"size": list(opened.size), **_shrink(opened)}
    except (OSError, PIL.Image.DecompressionBombError):
        return {}  # it is damaged, or none that pillow knows: its type and length are known


def _shrink(picture: Any) -> dict[str, Any]:
    """A copy as PNG that fits; without a picture if there is no such."""
    import PIL.Image

    copy = picture.copy()
    longest = _MAX_PIXELS
    for _ in range(6):
        copy.thumbnail((longest, longest), PIL.Image.Resampling.BILINEAR, reducing_gap=None)
        output = io.BytesIO()
        _with_plain_mode(copy).save(output, "PNG")
        png = output.getvalue()
        if len(png) <= _MAX_BYTES:
            return {"data": base64.b64encode(png).decode(), "shown_as": "image/png"}
        longest = int(max(copy.size) * min(0.8, 0.9 * (_MAX_BYTES / len(png)) ** 0.5))
    return {}


def _with_plain_mode(picture: Any) -> Any:
    """In a mode that PNG has."""
    return (
        picture if picture.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else picture.convert("RGB")
    )
