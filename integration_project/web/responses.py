"""Django's answers, on their way from a thread to the caller.

A short answer goes to the event loop in one piece, and the thread is free. A long one
goes in pieces, each after the caller has taken the one before.
"""

import asyncio
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol

from integration_project.web import request_limits
from integration_project.web.bodies import NoRoomError, Receive

if TYPE_CHECKING:
    from concurrent.futures import Future

    from _typeshed.wsgi import WSGIApplication
    from django.http import HttpResponse

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AnswerHeaders = list[tuple[bytes, bytes]]

#: What has no body, and no length of one (RFC 9110, 8.6).
BODILESS: Final = (204, 304)
_STREAMS: Final = threading.BoundedSemaphore(request_limits.MAX_STREAMS)


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """A whole answer."""

    status: int
    headers: AnswerHeaders
    body: bytes


def encode_headers(headers: Iterable[tuple[str, str]]) -> AnswerHeaders:
    """Return WSGI's headers as ASGI has them."""
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in headers
    ]


def make_answer(status: int, headers: AnswerHeaders, body: bytes) -> WebAnswer:
    """Return a whole answer, with the length of its body."""
    return WebAnswer(status, [*headers, _make_length_header(len(body))], body)


def convert_response(response: "HttpResponse") -> WebAnswer:
    """Return an answer that was made without a request."""
    headers: AnswerHeaders = [
        (name.lower().encode(), value.encode())
        for name, value in response.headers.items()
    ]
    return make_answer(response.status_code, headers, response.content)


#: A whole answer, None for one that was sent in pieces, or why there is none.
AnswerOutcome = WebAnswer | BaseException | None


class CallerLeftError(Exception):
    """The caller has left in the middle of the answer, or reads nothing of it."""


async def wait_until_left(receive: Receive) -> None:
    """Return when the caller has left. Parts of the body that still come are ignored."""
    while (await receive())["type"] != "http.disconnect":
        pass


class StreamSender(Protocol):
    """What sends an answer in pieces."""

    def stream(
        self, status: int, headers: AnswerHeaders, parts: Iterator[bytes]
    ) -> None:
        """Send an answer in pieces, from a thread. Raises `CallerLeftError`."""


class AnswerSender:
    """The way to a caller: an answer whole from the loop, or in pieces from a thread."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._receive = receive
        self._send = send
        #: Done as soon as a whole answer is there, or the pieces are sent (then None).
        self.answer: asyncio.Future[WebAnswer | None] = self._loop.create_future()
        self.has_begun = False
        self._leaving: asyncio.Future[Any] | None = None

    async def send_whole(self, answer: WebAnswer, *, closes: bool = False) -> None:
        """Send an answer; with `closes`, the connection ends after it."""
        headers = answer.headers
        if closes:
            headers = [*headers, (b"connection", b"close")]
        await self._start(answer.status, headers)
        await self._send({"type": "http.response.body", "body": answer.body})

    def settle(self, outcome: AnswerOutcome) -> None:
        """Take what `answer_by_wsgi` has returned, in the loop."""
        if self._leaving is not None:
            self._leaving.cancel()
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)

    def stream(
        self, status: int, headers: AnswerHeaders, parts: Iterator[bytes]
    ) -> None:
        """Send an answer in pieces, from a thread. Raises `CallerLeftError`."""
        self._wait(partial(self._begin_stream, status, headers))
        for part in parts:
            self._wait(partial(self._send_part, part))
        self._wait(partial(self._send, {"type": "http.response.body"}))

    def _wait(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step in the loop, and return when it is taken."""
        coroutine = _take(step)
        try:
            sent: Future[None] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed, as the process ends
            coroutine.close()
            raise CallerLeftError from None
        try:
            sent.result(request_limits.STALL_SECONDS)
        except TimeoutError:
            sent.cancel()
            raise CallerLeftError from None

    async def _start(self, status: int, headers: AnswerHeaders) -> None:
        self.has_begun = True
        await self._send(
            {"type": "http.response.start", "status": status, "headers": headers}
        )

    async def _begin_stream(self, status: int, headers: AnswerHeaders) -> None:
        self._leaving = asyncio.ensure_future(wait_until_left(self._receive))
        await self._start(status, headers)

    async def _send_part(self, part: bytes) -> None:
        if self._leaving is not None and self._leaving.done():
            raise CallerLeftError
        await self._send(
            {"type": "http.response.body", "body": part, "more_body": True}
        )


def answer_by_wsgi(
    application: "WSGIApplication", environ: dict[str, Any], sender: StreamSender
) -> AnswerOutcome:
    """Return the application's answer, for `sender.settle`. Runs in a thread."""
    try:
        return _call_wsgi(application, environ, sender)
    except BaseException as error:  # noqa: BLE001 - the answer's future raises it
        return error


def _call_wsgi(
    application: "WSGIApplication", environ: dict[str, Any], sender: StreamSender
) -> WebAnswer | None:
    started = _StartResponse()
    result = application(environ, started)
    with closing(_Closable(result)):
        parts = iter(_join_parts(result))
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            return WebAnswer(started.status, started.with_length(len(first)), first)
        # Each holds its thread, and perhaps a connection of the database, for as long as
        # its caller takes.
        if not _STREAMS.acquire(blocking=False):
            raise NoRoomError
        try:
            everything = chain((first, second), parts)
            if started.has_length or environ["SERVER_PROTOCOL"] == "HTTP/1.1":
                sender.stream(started.status, started.headers, everything)
            else:
                _stream_spooled(started, everything, sender)
        finally:
            _STREAMS.release()
    return None


class _StartResponse:
    """WSGI's `start_response`, which keeps the status and the headers."""

    status = 500

    def __init__(self) -> None:
        self.headers: AnswerHeaders = []

    def __call__(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: object = None,  # noqa: ARG002 - WSGI's signature
    ) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = encode_headers(headers)
        return _refuse_to_write

    @property
    def has_length(self) -> bool:
        return any(name == b"content-length" for name, _ in self.headers)

    def with_length(self, length: int) -> AnswerHeaders:
        if self.has_length or self.status in BODILESS:
            return self.headers
        return [*self.headers, _make_length_header(length)]


class _Closable:
    """A WSGI answer's `close`, which not each of them has."""

    def __init__(self, result: Iterable[bytes]) -> None:
        self.close = getattr(result, "close", lambda: None)


def _join_parts(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts, joined to pieces of about `WHOLE_BYTES`."""
    pieces: list[bytes] = []
    size = 0
    for part in parts:
        if size and size + len(part) > request_limits.WHOLE_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
        pieces.append(part)
        size += len(part)
    if pieces:
        yield b"".join(pieces)


def _stream_spooled(
    started: _StartResponse, parts: Iterator[bytes], sender: StreamSender
) -> None:
    """Learn the length first: HTTP/1.0 has no chunks, and proxies speak it."""
    with tempfile.TemporaryFile() as file:
        for part in parts:
            file.write(part)
        headers = started.with_length(file.tell())
        file.seek(0)
        pieces = iter(partial(file.read, request_limits.WHOLE_BYTES), b"")
        sender.stream(started.status, headers, pieces)


def _make_length_header(length: int) -> tuple[bytes, bytes]:
    return b"content-length", str(length).encode()


def _refuse_to_write(_data: bytes) -> object:
    message = "WSGI's write() is not served here"
    raise NotImplementedError(message)


async def _take(step: Callable[[], Awaitable[None]]) -> None:
    await step()
