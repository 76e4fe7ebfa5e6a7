"""Where benchmarks record: in a directory of their own that is gone afterwards."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_record() -> Iterator[Path]:
    """An empty config directory while the block runs, for this process and its children."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    with tempfile.TemporaryDirectory(prefix="sematic-bench-", ignore_cleanup_errors=True) as place:
        directory = Path(place, ".sematic")
        os.environ["SEMATIC_CONFIG_DIR"] = str(directory)
        os.environ["SEMATIC_PROGRESS"] = "off"
        try:
            yield directory
        finally:
            for name in list(os.environ):
                if _is_setting(name):
                    del os.environ[name]
            os.environ.update(before)


def _is_setting(name: str) -> bool:
    return name.startswith("SEMATIC_")
