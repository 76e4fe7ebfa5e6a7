"""What encoded pictures are, told from how they begin: neither decoded nor unpickled."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from sematic.types.images import Image
from sematic.wording import format_size

_CLASS = "sematic.types:Image"
_ENDINGS: Mapping[str, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/svg+xml": ".svg",
}
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # of JPEG's markers 0xC0 to 0xCF: tables


def picture_ending(mime_type: str | None) -> str:
    """The ending of a file of such a picture; of those that are not known ``".bin"``.

    Without a type it is ``".png"``: pillow's own pictures can be written in any form.
    """
    return ".png" if mime_type is None else _ENDINGS.get(mime_type, ".bin")


def picture_in_payload(payload: Any) -> bytes | None:
    """The bytes of an ``Image``, if that is what a payload is; see ``values.read_payload``."""
    if not isinstance(payload, dict) or payload.get("class") != _CLASS:
        return None
    content = payload.get("fields", {}).get("bytes")
    if not isinstance(content, dict) or content.get("$") != "bytes":
        return None
    return base64.b64decode(content["value"])


def describe_picture(encoded: bytes) -> tuple[str, str]:
    """The MIME type, and the type with the pixels (where they are known) and the size."""
    mime_type = Image(encoded).mime_type
    pixels = _pixels(encoded)
    parts = [mime_type, f"{pixels[0]:,} × {pixels[1]:,} pixels" if pixels else ""]
    return mime_type, ", ".join([part for part in parts if part] + [format_size(len(encoded))])


def _pixels(encoded: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or JPEG; ``None`` of others, and of what is cut off."""
    try:
        if encoded.startswith(b"\x89PNG\r\n\x1a\n") and encoded[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", encoded, 16)
        elif encoded.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack_from("<HH", encoded, 6)
        elif encoded.startswith(b"\xff\xd8"):
            height, width = struct.unpack_from(">HH", encoded, _jpeg_frame(encoded) + 5)
        else:
            return None
    except struct.error:
        return None
    return width, height


def _jpeg_frame(encoded: bytes) -> int:
    """Where the segment begins that has the size; segments are a marker, a length, and data."""
    place = 2
    while True:
        start, marker, length = struct.unpack_from(">BBH", encoded, place)
        if start != 0xFF or length < 2:
            raise struct.error("no segment of a JPEG begins here")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            return place
        place += 2 + length
