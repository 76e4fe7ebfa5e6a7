"""A lease that does as it is told."""

from sematic.errors import RecordError


class FakeLease:
    """Counts renewals; fails with an error, and has a wish, if it was given one."""

    def __init__(self, seconds: float = 0.3) -> None:
        self.seconds = seconds
        self.error: RecordError | None = None
        self.wish: str | None = None
        self.renewed = 0
        self.ended = False

    def renew(self) -> None:
        if self.error is not None:
            raise self.error
        self.renewed += 1

    def read_wish(self) -> str | None:
        return self.wish

    def end(self) -> None:
        if self.error is not None:
            raise self.error
        self.ended = True

    def close(self) -> None:
        pass
