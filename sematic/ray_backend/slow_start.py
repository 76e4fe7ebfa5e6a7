"""More time for Ray to start on a busy machine: it gives itself half a minute."""

import time
from collections.abc import Callable
from typing import Any

# With what is before and after it, less than our own patience for a start.
_SECONDS_TO_APPEAR = 120.0
_SECONDS_BETWEEN_LOOKS = 0.1


def patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of Ray's, which waits for a node that is not there yet.

    Args:
        get_node: raises RuntimeError if the node is not there; Ray asks until half a minute is
            over, and then gives up.
    """
    deadline = time.monotonic() + _SECONDS_TO_APPEAR

    def get(*args: Any, **options: Any) -> Any:
        while True:
            try:
                return get_node(*args, **options)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_SECONDS_BETWEEN_LOOKS)

    return get
