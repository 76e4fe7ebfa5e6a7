"""Functions of the standard library that are replaced for a while, and put back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Replacements:
    """Replaces attributes for as long as somebody needs it.

    Args:
        owners: what has the attributes, their names, and what is to take their place; the names
            must differ.

    Attributes:
        originals: by name, what was replaced; kept, for a thread, or atexit, may have ours when it
            is not in place any more.
    """

    def __init__(self, *owners: tuple[Any, str, Any]) -> None:
        self._ours = owners
        self._patched: set[str] = set()
        self._users = 0
        self._lock = threading.Lock()
        self.originals: dict[str, Any] = {name: getattr(owner, name) for owner, name, _ in owners}
        # What has been there without ours around it, or in it.
        self._plain = {name: [original] for name, original in self.originals.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have them in place while the block runs. Blocks may overlap."""
        self.put()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._unpatch()

    def put(self) -> None:
        """Have them in place from now on."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._patch()

    def renew_lock(self) -> None:
        """In a forked child: another thread may have held it."""
        self._lock = threading.Lock()

    def _patch(self) -> None:
        for owner, name, ours in self._ours:
            found = getattr(owner, name)
            # One of those that were there before: somebody has put it back in the place of ours.
            is_plain = any(found is plain for plain in self._plain[name])
            if name not in self._patched or is_plain:
                self._patched.add(name)
                self.originals[name] = found
                if not is_plain:
                    self._plain[name].append(found)
                setattr(owner, name, ours)

    def _unpatch(self) -> None:
        """Put back what ours replaced. Where somebody has put theirs around it, it stays."""
        for owner, name, ours in self._ours:
            if getattr(owner, name) is ours:
                self._patched.discard(name)
                setattr(owner, name, self.originals[name])
