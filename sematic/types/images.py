"""``Image``: an encoded picture (PNG, JPEG, ...) that people are shown as one."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

_UNKNOWN = "application/octet-stream"


@dataclass
class Image:
    """An encoded picture, e.g. the content of a PNG or JPEG file.

    Attributes:
        bytes: the picture as its file has it; not looked at before it is shown.
    """

    __module__ = "sematic.types"

    bytes: bytes

    @classmethod
    def from_file(cls, file_path: "str | PathLike[str]") -> "Image":
        """The picture of a file.

        Raises:
            OSError: the file cannot be read.
        """
        return cls(Path(file_path).read_bytes())

    @property
    def mime_type(self) -> str:
        """What the bytes themselves say that they are, e.g. ``"image/png"``.

        ``"application/octet-stream"`` where they say nothing that is known.
        """
        import puremagic  # loads a table of some thousand formats

        try:
            return str(puremagic.from_string(self.bytes, mime=True)) or _UNKNOWN
        except (puremagic.PureError, ValueError):  # ValueError: there are no bytes
            return _UNKNOWN
