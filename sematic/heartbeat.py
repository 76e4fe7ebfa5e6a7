"""Heartbeat: keeps the lease of a driver, and hears of wishes to cancel, while it drives."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sematic.errors import FencedError, RecordError
from sematic.ports import Lease

_SECONDS_TO_HEAR = 0.5
# How often a lease is renewed while it lasts, and how seldom at least.
_RENEWALS = 6
_MOST_SECONDS_BETWEEN_RENEWALS = 5.0
# From this share of a lease on nothing new is begun before it is renewed.
_SAFE_SHARE = 0.6
# On macOS the plain one counts on while the machine sleeps; Python's time.monotonic is another one.
_COUNTS_ON = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC
# How long nothing new is begun, for want of a record, before the pipeline run is given up.
_MOST_SECONDS_WITHOUT = 600.0


@dataclass(frozen=True, slots=True)
class _Listener:
    on_cancel: Callable[[str], None]
    on_error: Callable[[BaseException], None]
    on_wake: Callable[[], None]


class Heartbeat:
    """Renews a lease from a thread of its own, and looks for wishes.

    Args:
        lease: what to keep.
        since: when it began or was renewed last, or earlier; as :func:`lease_clock` tells.
    """

    def __init__(self, lease: Lease, *, since: float) -> None:
        self._lease = lease
        self._listener: _Listener | None = None
        self._asleep = _seconds_asleep()
        self._lock = threading.Lock()
        self._renewed_at = since
        self._is_confirming = False
        self._pause = min(lease.seconds / _RENEWALS, _MOST_SECONDS_BETWEEN_RENEWALS)
        self._closed = threading.Event()
        self._in_a_hurry = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sematic-heartbeat", daemon=True)
        self._thread.start()

    def listen(
        self,
        on_cancel: Callable[[str], None],
        on_error: Callable[[BaseException], None],
        *,
        on_wake: Callable[[], None],
    ) -> None:
        """From now on tell what is heard; until then the lease is renewed, and no more.

        Args:
            on_cancel: told once why the pipeline run is to be cancelled.
            on_error: told once that another driver has taken over.
            on_wake: told each time that the machine has slept: waits take as much too long.
        """
        self._listener = _Listener(on_cancel, on_error, on_wake)

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
        began = time.monotonic()  # while the machine sleeps, nobody waits
        while not self.is_fresh():
            if self._closed.is_set():
                return False
            try:
                self._renew()
            except FencedError:
                raise
            except RecordError:
                if time.monotonic() - began > _MOST_SECONDS_WITHOUT:
                    raise
                if self._in_a_hurry.wait(_SECONDS_TO_HEAR):
                    return self.is_fresh()
        return True

    def confirm_beside(
        self, on_certain: Callable[[], None], on_error: Callable[[BaseException], None]
    ) -> None:
        """As :meth:`confirm`, in a thread of its own. Returns at once; one caller at a time.

        While it is being found out, asking again does nothing: who asked first is told.

        Args:
            on_certain: told in that thread; never where :meth:`stop_waiting` came first.
            on_error: told there what :meth:`confirm` raises; nothing is found out after that.
        """
        if not self._is_confirming:
            self._is_confirming = True
            arguments = (on_certain, on_error)
            name = "sematic-confirm"
            threading.Thread(target=self._confirm, args=arguments, name=name, daemon=True).start()

    def _confirm(
        self, on_certain: Callable[[], None], on_error: Callable[[BaseException], None]
    ) -> None:
        try:
            certain = self.confirm()
        except BaseException as error:  # noqa: BLE001 - who asked raises it again
            on_error(error)
            return
        self._is_confirming = False  # before: who is told may ask again at once
        if certain:
            on_certain()

    def is_ours(self) -> bool:
        """Whether certainly nobody else drives, as far as one look at the record tells."""
        if not self.is_fresh():
            with suppress(RecordError):  # it is fenced, or cannot be asked
                self._renew()
        return self.is_fresh()

    def stop_waiting(self) -> None:
        """From now on :meth:`confirm` does not wait for a record: nothing new is wanted."""
        self._in_a_hurry.set()

    def close(self) -> None:
        """End the thread, and let go of the lease. Nobody renews it from now on."""
        self._closed.set()
        self._in_a_hurry.set()
        self._thread.join()
        with self._lock:
            self._lease.close()

    def give_up(self) -> None:
        """End the thread and the lease: nobody drives from here. Others need not wait for that."""
        self._closed.set()
        self._thread.join()
        with suppress(RecordError):  # then it runs out, or is somebody else's
            self._lease.end()
        self._lease.close()

    def is_fresh(self) -> bool:
        """Whether :meth:`confirm` takes no time."""
        return lease_clock() - self._renewed_at <= self._lease.seconds * _SAFE_SHARE

    def _renew(self) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            began = lease_clock()  # before: the record's clock starts at some time during the call
            self._lease.renew()
            self._renewed_at = began

    def _work(self) -> None:
        heard = False
        while not self._closed.wait(min(_SECONDS_TO_HEAR, self._pause)):
            listener = self._listener
            try:
                if lease_clock() - self._renewed_at >= self._pause:
                    self._renew()
                wish = self._read_wish() if listener and not heard else None
            except FencedError as error:
                if listener:
                    listener.on_error(error)
                    return
            except RecordError:  # it is locked or out of reach: perhaps not the next time
                pass
            else:
                if listener and wish is not None:
                    heard = True
                    listener.on_cancel(wish)
            if listener:
                self._look_at_clocks(listener)

    def _look_at_clocks(self, listener: _Listener) -> None:
        asleep = _seconds_asleep()
        if asleep - self._asleep > _SECONDS_TO_HEAR:
            self._asleep = asleep
            listener.on_wake()

    def _read_wish(self) -> str | None:
        with self._lock:
            return self._lease.read_wish()


def lease_clock() -> float:
    """Seconds, never set; counted on while the process is stopped and while the machine sleeps."""
    return time.clock_gettime(_COUNTS_ON)


def _seconds_asleep() -> float:
    """How long the machine has slept, counted from any moment: no wait of Python's counts that."""
    return lease_clock() - time.monotonic()
