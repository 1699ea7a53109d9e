"""Sends requests that are ready as bytes, from as many clients as one asks for.

A client is a thread with one kept connection and no library in between: what the load
costs is taken from what is measured, on the same cores.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

HERE: Final = "127.0.0.1"
READ_BYTES: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 60.0
#: A server that is overrun answers 503; its caller comes back.
TRIES: Final = 20
PAUSE_SECONDS: Final = 0.25


@dataclass
class Sent:
    """What became of the requests: when each was sent and answered, on one clock."""

    began: float = 0.0
    ended: float = 0.0
    sent_at: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    repeated: int = 0

    @property
    def seconds(self) -> float:
        """Return how long it took, from the first request to the last answer."""
        return self.ended - self.began

    def latencies(self) -> list[float]:
        """Return the seconds from each request to its answer."""
        return [b - a for a, b in zip(self.sent_at, self.answered_at, strict=True)]


class RefusedError(Exception):
    """A request that should have been accepted was not."""


class Client:
    """One connection, kept open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request; return the answer's status and body.

        A kept connection that the server closed meanwhile is opened anew, once.
        """
        try:
            return self._ask(request)
        except (ConnectionError, EOFError):
            self.close()
            return self._ask(request)

    def close(self) -> None:
        """End the connection."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection((HERE, self._port), TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        answer = bytearray()
        while (end := answer.find(b"\r\n\r\n")) < 0:
            self._read_into(answer)
        head = bytes(answer[:end]).lower()
        needed = end + 4 + int(head.partition(b"content-length:")[2].split(None, 1)[0])
        while len(answer) < needed:
            self._read_into(answer)
        if b"connection: close" in head:
            self.close()
        return int(head.split(None, 2)[1]), bytes(answer[end + 4 :])

    def _read_into(self, answer: bytearray) -> None:
        part = self._socket.recv(READ_BYTES) if self._socket else b""
        if not part:
            raise EOFError
        answer += part


def post(
    path: str, body: bytes, *, key: str = "", kind: str = "application/json"
) -> bytes:
    """Return a whole POST request as bytes."""
    return _send("POST", path, body, key=key, kind=kind)


def put(path: str, body: bytes, *, key: str) -> bytes:
    """Return a whole PUT request as bytes."""
    return _send("PUT", path, body, key=key, kind="application/json")


def _send(method: str, path: str, body: bytes, *, key: str, kind: str) -> bytes:
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HERE}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {key}"] if key else ()),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def get(path: str, *headers: str) -> bytes:
    """Return a whole GET request as bytes."""
    return "\r\n".join(
        [f"GET {path} HTTP/1.1", f"Host: {HERE}", *headers, "", ""]
    ).encode()


def run(
    port: int,
    requests: Iterable[bytes],
    *,
    clients: int = 1,
    seconds: float | None = None,
    starts: Sequence[float] | None = None,
) -> Sent:
    """Send `requests`, each once, from `clients` connections side by side.

    Stops after `seconds`. With `starts`, request n goes out that many seconds after the
    beginning. Raises `RefusedError` for an answer that is not a success.
    """
    sent = Sent(began=time.monotonic())
    feed = _Feed(enumerate(requests), sent.began + seconds if seconds else None)
    faults: list[BaseException] = []
    threads = [
        threading.Thread(target=_guarded, args=(port, feed, sent, starts, faults))
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    sent.ended = max(sent.answered_at, default=time.monotonic())
    return sent


class _Feed:
    """Hands each request to one client, until they or the time run out."""

    def __init__(
        self, requests: Iterator[tuple[int, bytes]], until: float | None
    ) -> None:
        self._requests = requests
        self._until = until
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Hand nothing out any more."""
        self._until = 0.0

    def next(self) -> tuple[int, bytes] | None:
        """Return the next request and its number."""
        with self._lock:
            if self._until is not None and time.monotonic() >= self._until:
                return None
            return next(self._requests, None)


def _guarded(
    port: int,
    feed: _Feed,
    sent: Sent,
    starts: Sequence[float] | None,
    faults: list[BaseException],
) -> None:
    client = Client(port)
    try:
        _client(client, feed, sent, starts)
    except BaseException as fault:  # noqa: BLE001 - the caller of `run` raises it
        faults.append(fault)
        feed.stop()
    finally:
        client.close()


def _client(
    client: Client, feed: _Feed, sent: Sent, starts: Sequence[float] | None
) -> None:
    while numbered := feed.next():
        number, request = numbered
        if starts is not None:
            time.sleep(max(0.0, sent.began + starts[number] - time.monotonic()))
        at = time.monotonic()
        _insist(client, request, sent)
        answered = time.monotonic()
        # One after the other would let two clients mix their numbers up.
        with _noting:
            sent.sent_at.append(at)
            sent.answered_at.append(answered)
            sent.numbers.append(number)


def _insist(client: Client, request: bytes, sent: Sent) -> None:
    for _ in range(TRIES):
        status, body = client.ask(request)
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            break
        sent.repeated += 1
        time.sleep(PAUSE_SECONDS)
    message = f"A request was answered {status}: {body[:300].decode(errors='replace')}"
    raise RefusedError(message)


def wait_for(
    condition: Callable[[], bool], seconds: float, *, what: str, pause: float = 0.05
) -> None:
    """Return once `condition()` holds; raise `TimeoutError` after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            message = f"Waited {seconds:.0f} s in vain: {what}."
            raise TimeoutError(message)
        time.sleep(pause)


_noting: Final = threading.Lock()
