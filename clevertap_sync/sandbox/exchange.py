"""One request and its answer on the wire, well-behaved or not."""

import gzip
import re
import select
import socket
import struct
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from clevertap_sync.sandbox.answers import (
    LENGTH_REQUIRED,
    TOO_LARGE,
    Answer,
    header_lines,
)
from clevertap_sync.sandbox.faults import Fault
from clevertap_sync.sandbox.world import World

_SILENT = frozenset(
    {
        "reset_before_storing",
        "reset_after_storing",
        "close_after_storing",
        "hang_before_storing",
        "hang_after_storing",
        "garbage",
    }
)
_SLOW = frozenset({"hang_before_storing", "hang_after_storing", "endless", "drip"})
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK = 64 * 1024
_MOST_DRAINED = 64 * 1024 * 1024
_LOOK_SECONDS = 0.05


class Exchange:
    """What a handler read, and the ways to answer it."""

    def __init__(
        self,
        handler: BaseHTTPRequestHandler,
        world: World,
        afterwards: list[Callable[[], None]],
    ) -> None:
        split = urlsplit(handler.path)
        self.method = handler.command
        self.path = split.path
        self.query = dict(parse_qsl(split.query, keep_blank_values=True))
        #: By lower-case name.
        self.headers = {name.lower(): text for name, text in handler.headers.items()}
        self._handler = handler
        self._world = world
        self._afterwards = afterwards
        self._is_last = False
        self._unread = self._length()

    def _length(self) -> int | None:
        text = self.headers.get("content-length", "")
        if not text and "transfer-encoding" not in self.headers:
            return 0
        return int(text) if _LENGTH.fullmatch(text) else None

    def read_body(self, limit: int) -> bytes | Answer:
        """Return the body, or the answer to one that is too large or has no length."""
        if self._unread is None:
            return LENGTH_REQUIRED
        if self._unread > limit:
            self.drain()
            return TOO_LARGE
        body = self._handler.rfile.read(self._unread)
        if len(body) < self._unread:
            raise ConnectionResetError
        self._unread = 0
        return body

    def afterwards(self, act: Callable[[], None]) -> None:
        """Hang up after the answer, and call `act` when the connection is gone."""
        self._is_last = True
        self._afterwards.append(act)

    def drain(self) -> None:
        """Read the body away, so that closing does not destroy the answer."""
        left = min(self._unread or 0, _MOST_DRAINED)
        while left > 0:
            chunk = self._handler.rfile.read(min(left, _CHUNK))
            if not chunk:
                raise ConnectionResetError
            left -= len(chunk)
        self._unread = 0

    def is_silent(self, fault: Fault) -> bool:
        """Return whether nobody will get an answer to read."""
        return fault.ending in _SILENT

    def is_slow(self, fault: Fault) -> bool:
        """Return whether the ending lasts, so that the request stays in flight."""
        return fault.ending in _SLOW

    def send(self, answer: Answer, *, keep_alive: bool = False) -> None:
        """Send an answer as it should be."""
        self._handler.close_connection |= not keep_alive
        connection = "Close" if self._handler.close_connection else "keep-alive"
        head = self._head(
            answer, content_length=len(answer.body), connection=connection
        )
        self._write(head + answer.body)

    def deliver(self, answer: Answer, fault: Fault, *, keep_alive: bool) -> None:
        """Send an answer, or do to it what `fault` says."""
        if fault.ending == "answer":
            self.send(answer, keep_alive=keep_alive and not self._is_last)
            return
        self._handler.close_connection = True
        match fault.ending:
            case "truncated":
                self._truncate(answer)
            case "endless":
                self._never_end(answer)
            case "drip":
                self._drip(answer, fault.drip_seconds)
            case "gzip_bomb":
                self._bomb(answer)
            case ending:
                self._end_without_answer(ending)

    def _end_without_answer(self, ending: str) -> None:
        match ending:
            case "reset_before_storing" | "reset_after_storing":
                self._reset()
            case "hang_before_storing" | "hang_after_storing":
                self._wait_until_gone()
            case "garbage":
                self._write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            case "close_after_storing":
                pass

    def _head(
        self,
        answer: Answer,
        *,
        content_length: int | None,
        connection: str = "Close",
        extra: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Unknown"
        given = {name.lower() for name, _ in answer.headers}
        headers = [*answer.headers, *extra]
        if content_length is not None and "content-length" not in given:
            headers.append(("content-length", str(content_length)))
        headers.append(("connection", connection))
        status_line = f"HTTP/1.1 {answer.status} {phrase}\r\n".encode()
        return status_line + header_lines(headers) + b"\r\n"

    def _write(self, data: bytes) -> None:
        self._handler.connection.sendall(data)

    def _reset(self) -> None:
        """Make closing the socket send RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def _truncate(self, answer: Answer) -> None:
        head = self._head(answer, content_length=len(answer.body))
        self._write(head + answer.body[: len(answer.body) // 2])

    def _never_end(self, answer: Answer) -> None:
        self._write(self._head(answer, content_length=None) + answer.body)
        while not self._is_gone():
            self._write(b" " * _CHUNK)

    def _drip(self, answer: Answer, seconds: float) -> None:
        head = self._head(answer, content_length=len(answer.body))
        for byte in head + answer.body:
            self._write(bytes([byte]))
            self._world.sleep(seconds)

    def _bomb(self, answer: Answer) -> None:
        bomb = _gzip_bomb()
        extra = (("content-encoding", "gzip"),)
        self._write(self._head(answer, content_length=len(bomb), extra=extra) + bomb)

    def _wait_until_gone(self) -> None:
        while not self._is_gone():
            self._world.sleep(_LOOK_SECONDS)

    def _is_gone(self) -> bool:
        """Return whether the client has closed its end, or the sandbox closes."""
        if self._world.closing:
            return True
        connection = self._handler.connection
        readable, _, _ = select.select([connection], [], [], 0)
        if not readable:
            return False
        try:
            return not connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


@cache
def _gzip_bomb() -> bytes:
    """Return a megabyte that unpacks to a gigabyte of blanks.

    It is many small members: as quick to make as one of them.
    """
    return gzip.compress(b" " * 10 * 1024 * 1024, mtime=0) * 100
