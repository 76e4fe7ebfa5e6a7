"""The pickler of everything that has no codec of its own."""

import io
from typing import Any

import cloudpickle


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle's, without what ties a value to its process."""

    def reducer_override(self, obj: Any) -> Any:
        """Figures let go of their window: otherwise reading one would open it again."""
        if _is_figure(obj):
            constructor, arguments, state, *rest = obj.__reduce_ex__(5)
            if isinstance(state, dict):
                state = {k: v for k, v in state.items() if k != "_restore_to_pylab"}
            return constructor, arguments, state, *rest
        return super().reducer_override(obj)


def _is_figure(obj: object) -> bool:
    return any(
        base.__module__ == "matplotlib.figure" and base.__name__ == "Figure"
        for base in type(obj).__mro__
    )


def dump(value: object) -> bytes:
    """The pickle of a value with everything in it."""
    stream = io.BytesIO()
    Pickler(stream, protocol=5).dump(value)
    return stream.getvalue()
