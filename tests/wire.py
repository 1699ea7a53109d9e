"""A server that speaks real HTTP on 127.0.0.1 and does exactly what a test scripts.

One step per request, in order. A step gets the connection and does what it likes with
it: answer, dribble, hang, reset. The connection is closed after the step, unless the
step is kept. After the last step, requests are answered with 500.
"""

import contextlib
import email
import json
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Self

from clevertap_sync.clevertap.client import Client
from referrals.secret import Secret
from tests.harness.process import PATIENCE_SECONDS

CRLF = b"\r\n"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: Message
    body: bytes
    #: The number of the connection that it came by, from 1.
    connection: int


@dataclass(frozen=True)
class Step:
    """What the server does with one request."""

    play: Callable[[socket.socket], object]
    keep: bool = False
    #: Play as soon as the connection is open, without reading a request.
    unread: bool = False


class ScriptedServer:
    """The server, as a context manager. `url` is its address."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.requests: list[Seen] = []
        self.connections = 0
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(timeout=PATIENCE_SECONDS)

    def plays(self, *steps: Step) -> None:
        """Script the next steps."""
        for step in steps:
            self._steps.put(step)

    def answers(self, status: int, body: object = b"", **headers: str) -> None:
        """Script one answer; what is not bytes is encoded as JSON."""
        self.plays(raw(bytes_of(status, body, **headers)))

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                self.connections += 1
                self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(sock):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with contextlib.closing(sock):
                while self._serve_one(sock, number):
                    pass

    def _serve_one(self, sock: socket.socket, number: int) -> bool:
        """Play one step. False: the connection is to be closed."""
        step = None if self._steps.empty() else self._steps.get()
        if step is None or not step.unread:
            seen = read_request(sock, number)
            if seen is None:
                if step is not None:
                    self._steps.put(step)
                return False
            self.requests.append(seen)
        step = step or answer(500, b"the script is over")
        step.play(sock)
        return step.keep


def read_request(sock: socket.socket, number: int) -> Seen | None:
    """Read one request to its end; None where the other side closed."""
    head = b""
    while not head.endswith(CRLF * 2):
        byte = sock.recv(1)
        if not byte:
            return None
        head += byte
    line, _, rest = head.decode("latin-1").partition("\r\n")
    method, target, _ = line.split(" ")
    headers = email.message_from_string(rest)
    body, length = b"", int(headers.get("Content-Length", "0"))
    while len(body) < length:
        body += sock.recv(length - len(body))
    return Seen(method, target, headers, body, number)


def bytes_of(status: int, body: object = b"", **headers: str) -> bytes:
    """Return an HTTP answer; `Content_Type="…"` becomes the header Content-Type."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(payload)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} Words\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode("latin-1") + CRLF + payload


def answer(
    status: int, body: object = b"", *, keep: bool = False, **headers: str
) -> Step:
    """Answer whole and at once."""
    if keep:
        headers = {"Connection": "keep-alive", **headers}
    return raw(bytes_of(status, body, **headers), keep=keep)


def raw(data: bytes, *, keep: bool = False, unread: bool = False) -> Step:
    """Send exactly these bytes."""
    return Step(lambda sock: sock.sendall(data), keep=keep, unread=unread)


def dribble(data: bytes, *, every: float, unread: bool = False) -> Step:
    """Send one byte at a time."""

    def play(sock: socket.socket) -> None:
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(every)

    return Step(play, unread=unread)


def pour(head: bytes, blocks: Iterator[bytes]) -> Step:
    """Send a head, then block after block for as long as the other side reads."""

    def play(sock: socket.socket) -> None:
        sock.sendall(head)
        for block in blocks:
            sock.sendall(block)

    return Step(play)


def slowly(data: bytes, *, every: float) -> Iterator[bytes]:
    """Yield `data` again and again, with a pause before each."""
    while True:
        time.sleep(every)
        yield data


def late(data: bytes, *, after: float) -> Step:
    """Send everything, but not at once."""

    def play(sock: socket.socket) -> None:
        time.sleep(after)
        sock.sendall(data)

    return Step(play)


def silence(*, unread: bool = False) -> Step:
    """Say nothing until the other side closes."""

    def play(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    return Step(play, unread=unread)


def reset(*, after: bytes = b"", unread: bool = False) -> Step:
    """Send what is given, then break the connection off with a RST."""

    def play(sock: socket.socket) -> None:
        if after:
            sock.sendall(after)
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        sock.close()

    return Step(play, unread=unread)


#: What no log, message or traceback may show.
CANARY = "CAN-ARY-PASS"


def a_client(url: str, *, seconds: float = 60.0, passcode: str = CANARY) -> Client:
    """Return a client of the server at `url`."""
    return Client(
        base_url=url,
        account_id="TEST-123-456-7890",
        passcode=Secret(passcode),
        request_seconds=seconds,
    )
