"""matplotlib figures: pickled, with a picture in the summary."""

import base64
import io
import pickle
from collections.abc import Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sematic.artifacts.codecs import pickles
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.pickler import dump

_MAX_PIXELS = 1200
_MAX_PNG_BYTES = 90_000  # as base64 it fits into a summary

decode = pickles.decode


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return isinstance(value, Figure)


def encode(value: Figure) -> Encoded:
    """As any other object; the figure's window, if it has one, stays with this process."""
    return pickles.encode(value)


def summarise(value: Figure) -> Mapping[str, Any]:
    """A picture: PNG as base64, at most 1200 pixels wide and high."""
    width, height = (float(inches) for inches in value.get_size_inches())
    content = {"kind": "figure", "type": "matplotlib.figure.Figure", "inches": [width, height]}
    # Drawing changes a figure, and so does another canvas: the picture is drawn from a copy.
    copy = pickle.loads(dump(value))
    dpi = min(float(value.dpi), _MAX_PIXELS / max(width, height, 0.01))
    for _ in range(4):
        png = _draw(copy, dpi)
        if len(png) <= _MAX_PNG_BYTES:
            return {**content, "png": base64.b64encode(png).decode()}
        dpi *= 0.9 * (_MAX_PNG_BYTES / len(png)) ** 0.5
    return content


def _draw(figure: Figure, dpi: float) -> bytes:
    figure.dpi = dpi
    output = io.BytesIO()
    FigureCanvasAgg(figure).print_png(output)  # type: ignore[no-untyped-call]
    return output.getvalue()
