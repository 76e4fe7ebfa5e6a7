"""Heartbeat: keeps the lease of a driver, and hears of wishes to cancel, while it drives."""

import sys
import threading
import time
from collections.abc import Callable

from sematic.errors import FencedError, RecordError
from sematic.ports import Lease

_SECONDS_TO_HEAR = 0.5
# How often a lease is renewed while it lasts, and how seldom at least.
_RENEWALS = 6
_MOST_SECONDS_BETWEEN_RENEWALS = 5.0
# From this share of a lease on nothing new is begun before it is renewed.
_SAFE_SHARE = 0.6
# How long nothing new is begun, for want of a record, before the pipeline run is given up.
_MOST_SECONDS_WITHOUT = 600.0


class Heartbeat:
    """Renews a lease from a thread of its own, and looks for wishes.

    Args:
        lease: what to keep.
        since: when it began or was renewed last, or earlier; as :func:`lease_clock` tells.
        on_cancel: told once why the pipeline run is to be cancelled.
        on_error: told once that another driver has taken over.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        since: float,
        on_cancel: Callable[[str], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._lease = lease
        self._on_cancel = on_cancel
        self._on_error = on_error
        self._lock = threading.Lock()
        self._renewed_at = since
        self._pause = min(lease.seconds / _RENEWALS, _MOST_SECONDS_BETWEEN_RENEWALS)
        self._closed = threading.Event()
        self._in_a_hurry = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sematic-heartbeat", daemon=True)
        self._thread.start()

    def confirm(self) -> bool:
        """Return when it is certain that nobody else drives: before anything new is begun.

        A driver that was stopped for a while, or could not reach the record, may have been taken
        for lost. It takes no time as long as the lease is fresh.

        Returns:
            False where it is not certain, after :meth:`stop_waiting`.

        Raises:
            FencedError: another driver has taken the pipeline run over.
            RecordError: the record could not be written for too long.
        """
        while not self.is_fresh():
            try:
                self._renew()
            except FencedError:
                raise
            except RecordError:
                if lease_clock() - self._renewed_at > _MOST_SECONDS_WITHOUT:
                    raise
                if self._in_a_hurry.wait(_SECONDS_TO_HEAR):
                    return self.is_fresh()
        return True

    def stop_waiting(self) -> None:
        """From now on :meth:`confirm` does not wait for a record: nothing new is wanted."""
        self._in_a_hurry.set()

    def close(self) -> None:
        """End the thread, and let go of the lease."""
        self._closed.set()
        self._thread.join()
        self._lease.close()

    def is_fresh(self) -> bool:
        """Whether :meth:`confirm` takes no time."""
        return lease_clock() - self._renewed_at <= self._lease.seconds * _SAFE_SHARE

    def _renew(self) -> None:
        with self._lock:
            began = lease_clock()  # before: the record's clock starts at some time during the call
            self._lease.renew()
            self._renewed_at = began

    def _work(self) -> None:
        heard = False
        while not self._closed.wait(min(_SECONDS_TO_HEAR, self._pause)):
            try:
                if lease_clock() - self._renewed_at >= self._pause:
                    self._renew()
                wish = None if heard else self._read_wish()
            except FencedError as error:
                self._on_error(error)
                return
            except RecordError:  # it is locked or out of reach: perhaps not the next time
                continue
            if wish is not None:
                heard = True
                self._on_cancel(wish)

    def _read_wish(self) -> str | None:
        with self._lock:
            return self._lease.read_wish()


def lease_clock() -> float:
    """Seconds, counted on while the process is stopped and while the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
