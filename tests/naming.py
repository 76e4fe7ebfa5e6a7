"""Names of parametrised tests: the same in every process, as pytest-xdist needs them."""

import re


def stable_id(value: object) -> str:
    """``repr`` without memory addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
