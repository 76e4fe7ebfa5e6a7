"""A TCP proxy on this machine whose connections drop after so many bytes."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 64 * 1024
_RESET = struct.pack("ii", 1, 0)


class LossyProxy:
    """Passes bytes on, and resets the connection when it is told to.

    Attributes:
        port: where it listens, on the loopback address.
        drop_upload_after: bytes from clients, of all connections together, after which each
            connection that sends more is reset; ``None`` for never.
        drop_download_after: the same for what comes back.
        hold_upload_after: bytes from clients after which no more are passed on; ``None`` for never.
        held: set when that is the case.
        most_drops: after so many dropped connections, drop no more.
        dropped: how many connections were reset.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self._counts = {"up": 0, "down": 0}
        self.port: int = self._listener.getsockname()[1]
        self.drop_upload_after: int | None = None
        self.drop_download_after: int | None = None
        self.hold_upload_after: int | None = None
        self.held = threading.Event()
        self.most_drops: int | None = None
        self.dropped = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uploaded(self) -> int:
        """How many bytes have come from clients."""
        return self._counts["up"]

    def heal(self) -> None:
        """Drop no more, and hold nothing."""
        self.drop_upload_after = self.drop_download_after = self.hold_upload_after = None
        self._healed.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, sink, way in ((client, server, "up"), (server, client, "down")):
                arguments = (source, sink, way, client)
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, way: str, client: socket.socket
    ) -> None:
        try:
            while data := source.recv(_PIECE):
                if self._is_too_much(way, len(data)):
                    self._reset(client)
                    break
                limit = self.hold_upload_after
                if way == "up" and limit is not None and self.uploaded > limit:
                    self.held.set()
                    self._healed.wait()
                sink.sendall(data)
        except OSError:
            pass  # the other direction was reset
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def _is_too_much(self, way: str, size: int) -> bool:
        with self._lock:
            self._counts[way] += size
            limit = self.drop_upload_after if way == "up" else self.drop_download_after
            if self.most_drops is not None and self.dropped >= self.most_drops:
                return False
            return limit is not None and self._counts[way] > limit

    def _reset(self, client: socket.socket) -> None:
        self.dropped += 1
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it: it holds it open
        client.close()


@contextmanager
def lossy_proxy(target: tuple[str, int]) -> Iterator[LossyProxy]:
    """A proxy that is closed at the end."""
    proxy = LossyProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
