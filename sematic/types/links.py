"""``Link``: a URL that the dashboard shows as a button."""

from dataclasses import dataclass
from urllib.parse import urlparse


@dataclass
class Link:
    """A URL that the dashboard shows as a button.

    Attributes:
        label: what is on the button.
        url: where it leads to.

    Raises:
        ValueError: the URL has no scheme or no netloc, as ``urllib.parse.urlparse`` sees it.
    """

    __module__ = "sematic.types"

    label: str
    url: str

    def __post_init__(self) -> None:
        parsed = urlparse(self.url)
        if not parsed.scheme:
            raise ValueError(f"Incorrect URL, missing scheme (e.g. https://): {parsed!r}")
        if not parsed.netloc:
            raise ValueError(f"Incorrect URL, missing netloc (e.g. https://<netloc>): {parsed!r}")
