"""Types: what values may be passed, and how they are checked.

The names below load what they need when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sematic.types.assignability import can_cast_type
    from sematic.types.casting import cast, caster
    from sematic.types.descriptors import describe_type
    from sematic.types.forms import Unchecked
    from sematic.types.hugging_face import (
        HuggingFaceDatasetReference,
        HuggingFaceModelReference,
        HuggingFaceReference,
        HuggingFaceStoredModel,
    )
    from sematic.types.images import Image
    from sematic.types.links import Link
    from sematic.types.names import canonical_module, qualified_name
    from sematic.types.prompts import PromptResponse
    from sematic.types.s3 import S3Bucket, S3Location
    from sematic.types.snowflake import SnowflakeTable

_HOMES = {
    "HuggingFaceDatasetReference": "sematic.types.hugging_face",
    "HuggingFaceModelReference": "sematic.types.hugging_face",
    "HuggingFaceReference": "sematic.types.hugging_face",
    "HuggingFaceStoredModel": "sematic.types.hugging_face",
    "Image": "sematic.types.images",
    "Link": "sematic.types.links",
    "PromptResponse": "sematic.types.prompts",
    "S3Bucket": "sematic.types.s3",
    "S3Location": "sematic.types.s3",
    "SnowflakeTable": "sematic.types.snowflake",
    "Unchecked": "sematic.types.forms",
    "can_cast_type": "sematic.types.assignability",
    "canonical_module": "sematic.types.names",
    "cast": "sematic.types.casting",
    "caster": "sematic.types.casting",
    "describe_type": "sematic.types.descriptors",
    "qualified_name": "sematic.types.names",
}

__all__ = [
    "HuggingFaceDatasetReference",
    "HuggingFaceModelReference",
    "HuggingFaceReference",
    "HuggingFaceStoredModel",
    "Image",
    "Link",
    "PromptResponse",
    "S3Bucket",
    "S3Location",
    "SnowflakeTable",
    "Unchecked",
    "can_cast_type",
    "canonical_module",
    "cast",
    "caster",
    "describe_type",
    "qualified_name",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
