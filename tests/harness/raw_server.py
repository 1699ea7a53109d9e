"""A server that answers HTTP as badly as a test wants, byte by byte."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

#: Called with the connection and the body of a request that was read whole.
Handler = Callable[[socket.socket, bytes], object]


class RawServer:
    """Reads each request and leaves the answer to `handler`; a context manager.

    Each connection takes one request, and is closed when its handler returns.
    """

    def __init__(self, handler: Handler, *, reads_first: bool = True) -> None:
        self._handler = handler
        self._reads_first = reads_first
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bodies: list[bytes] = []
        self.changed = threading.Condition()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def wait_for(self, count: int, seconds: float) -> bool:
        """Wait until so many requests have come; return whether they have."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.bodies) >= count, seconds)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(
                    target=self._serve, args=(connection,), daemon=True
                ).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            body = self._read(connection) if self._reads_first else b""
            if body is None:
                return  # whoever came has ended
            with self.changed:
                self.bodies.append(body)
                self.changed.notify_all()
            self._handler(connection, body)

    def _read(self, connection: socket.socket) -> bytes | None:
        """Return the body of a request, or None where it is not there whole."""
        with connection.makefile("rb") as stream:
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if not line:
                    return None
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = stream.read(length)
        return body if len(body) == length else None


def answer(
    body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = ()
) -> bytes:
    """Return an HTTP response after which the connection ends."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body
