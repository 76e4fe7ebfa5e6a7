"""scikit-learn estimators: pickled, with structure and parameters in the summary."""

from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator

from sematic.artifacts.codecs import pickles
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.summaries import build_tree, type_name

_MAX_DEPTH = 8
_MAX_PARTS = 50

decode = pickles.decode


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return isinstance(value, BaseEstimator)


def encode(value: BaseEstimator) -> Encoded:
    """As any other object; its arrays are not copied."""
    return pickles.encode(value)


def summarise(value: BaseEstimator) -> Mapping[str, Any]:
    """Parameters, estimators in them, and what was learned: numbers, and the shapes of arrays."""
    return _describe(value, 0)


def _describe(value: Any, depth: int) -> Mapping[str, Any]:
    if not isinstance(value, BaseEstimator):
        return _describe_value(value, depth)
    content: dict[str, Any] = {"kind": "estimator", "type": type_name(value)}
    if depth == _MAX_DEPTH:
        return content
    parameters = list(value.get_params(deep=False).items())[:_MAX_PARTS]
    content["parameters"] = {name: _describe(item, depth + 1) for name, item in parameters}
    learned = {
        name: _describe_value(item, depth)
        for name, item in list(vars(value).items())
        if name.endswith("_") and not name.startswith("_") and not _has_estimator(item)
    }
    if learned:
        content["learned"] = dict(list(learned.items())[:_MAX_PARTS])
    return content


def _describe_value(value: Any, depth: int) -> Mapping[str, Any]:
    if isinstance(value, list | tuple) and _has_estimator(value):  # the steps of a pipeline
        items = [_describe(item, depth + 1) for item in value[:_MAX_PARTS]]
        return {"kind": "list", "length": len(value), "items": items}
    return build_tree(value)


def _has_estimator(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_estimator, value[:_MAX_PARTS]))
    return isinstance(value, BaseEstimator)
