"""Which codec takes which value. A new codec is a module beside this one and a line in here.

A library's codec is loaded with the first value of that library, so no codec imports what the
user has not imported.
"""

import importlib
from collections.abc import Iterator
from typing import cast

from sematic.artifacts.codecs.codec import Codec
from sematic.errors import ArtifactError

# The names are in the record: they stay. The modules may move.
_MODULES = {
    "plain": "plain_file",
    "sequence": "sequences",
    "array": "arrays",
    "frame": "frames",
    "polars": "polars_frames",
    "table": "tables",
    "figure": "figures",
    "plotly": "plotly_figures",
    "picture": "pictures",
    "estimator": "estimators",
    "torch": "torch_values",
    "pickle": "pickles",
}
# By the top-level package of a class or of one of its bases.
_LIBRARIES = {
    "numpy": "array",
    "pandas": "frame",
    "polars": "polars",
    "pyarrow": "table",
    "matplotlib": "figure",
    "plotly": "plotly",
    "PIL": "picture",
    "sklearn": "estimator",
    "torch": "torch",
    "sematic": "picture",
}

ANYTHING = "pickle"
"""The codec that takes what no other one takes."""


def find_codec(name: str) -> Codec:
    """The codec of a name.

    Raises:
        ArtifactError: a newer version of this package has it, perhaps; this one has not. Or the
            library that it is for is not installed.
    """
    module = _MODULES.get(name)
    if module is None:
        raise ArtifactError(
            f"This value was written by codec {name!r}, which this version of sematic does not "
            "have. Upgrade it."
        )
    try:
        return cast(Codec, importlib.import_module(f"sematic.artifacts.codecs.{module}"))
    except ImportError as error:
        raise ArtifactError(
            f"This value needs the package {error.name}, which is not installed here: {error}. "
            "Install it."
        ) from error


def iter_special(value: object) -> Iterator[tuple[str, Codec]]:
    """The codecs made for a value's type, with their names; often none."""
    names = dict.fromkeys(
        _LIBRARIES[package]
        for base in type(value).__mro__
        if (package := base.__module__.partition(".")[0]) in _LIBRARIES
    )
    for name in (*names, "sequence"):
        codec = find_codec(name)
        if codec.accepts(value):
            yield name, codec
