"""For tests of pipelines, ours and our users': mocked functions, and ports that live in memory.

:mod:`sematic.testing.chaos`, which is imported by its own name, runs pipelines under faults.
"""

from collections.abc import Sequence

from sematic.in_memory import ForgetfulTracker, MemoryStore
from sematic.testing.fakes import FakeClock, ManualExecutor, MemoryTracker
from sematic.testing.mocks import SematicFuncMock, mock_sematic_funcs

__all__: Sequence[str] = (
    "FakeClock",
    "ForgetfulTracker",
    "ManualExecutor",
    "MemoryStore",
    "MemoryTracker",
    "SematicFuncMock",
    "mock_sematic_funcs",
)
