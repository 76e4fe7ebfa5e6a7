"""What no record refers to, and what its collectors have in common."""

import re
from dataclasses import dataclass

DAY_SECONDS = 86_400.0
BATCH = 2_000
"""So many ids are asked for at a time."""

NAME = re.compile("[0-9a-f]{38}")
"""What files of artifacts are called inside of their folders."""


@dataclass(frozen=True)
class Garbage:
    """A file that is not needed: the artifact's id, or what else it is called; and its bytes."""

    name: str
    size: int
