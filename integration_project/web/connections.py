"""The connections of a web process: how long a head may take, and how many there may be.

A connection costs a descriptor and a few kilobytes, and no thread. Where there are too
many, the one that has been idle for longest goes.
"""

import asyncio
import resource
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from integration_project.web import request_limits
from integration_project.web.heads import explain_fault, find_framing, is_unclear

if TYPE_CHECKING:
    from integration_project.web.application import Application


class Connection(HttpToolsProtocol):
    """uvicorn's connection, watched by `Connections` from its first moment to its last."""

    transport: asyncio.Transport

    def __init__(
        self,
        watch: "Connections",
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch = watch
        self._application: Application = config.loaded_app
        #: Since when the head of a request is awaited, while one is.
        self.head_since: float | None = None
        #: Since when the caller reads nothing of the answer.
        self.stalled_since: float | None = None
        #: The request that is served; `cycle` is the last that came.
        self._answering: RequestResponseCycle | None = None
        #: The request whose body was cut off.
        self._cut_off: MutableMapping[str, Any] | None = None
        #: The request that begins when all that has come is parsed.
        self._beginning: RequestResponseCycle | None = None
        self._is_parsing = False
        #: Whether later data is ignored.
        self._is_deaf = False
        #: Whether the parser is fed a head that has been read already.
        self._goes_on = False
        #: Whether headers that come are those of a head, and not of what follows a body.
        self._is_in_head = False
        self._fault = HTTPStatus.BAD_REQUEST
        #: Bytes received of a head, bytes parsed of it, and bytes of the heads that wait.
        self._head_bytes = self._parsed_bytes = self._waiting_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(request_limits.UNSENT_BYTES)
        # The loop reads from every ready connection before this class counts the bytes.
        transport.max_size = request_limits.READ_BYTES  # type: ignore[attr-defined]
        self.head_since = self.loop.time()
        self._watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the watch."""
        self._watch.remove(self)
        self.pipeline.clear()
        if self.is_busy:
            self.cycle = self._answering  # type: ignore[assignment]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is a head that does not end."""
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        self._is_parsing = True
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse(self._fault)
            return
        finally:
            self._is_parsing = False
            if self._beginning is not None:
                self._begin(self._beginning)
        if self.head_since is None:
            if not self.is_busy:
                # It belongs to no request, and must not keep the connection for ever.
                self.head_since = self.loop.time()
            return
        self._head_bytes += len(data)
        if (
            self._head_bytes > request_limits.MAX_HEAD_BYTES
            and not self.transport.is_closing()
        ):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a caller that sends no more and still reads, if a request is being served.

        A body that has not ended will never be whole.
        """
        if self.is_busy:
            self._end_input()
        return self.is_busy

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        if self._goes_on:
            return
        super().on_message_begin()
        self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]
        self._is_in_head = True
        self.head_since = self.loop.time()
        self._head_bytes = self._parsed_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        if not self._goes_on:
            self._count(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless there are too many of them.

        One behind the body is left out: no proxy has to have seen it (RFC 9110, 6.5.1).
        """
        if self._goes_on:
            return
        self._count(len(name) + len(value))
        if not self._is_in_head:
            return
        super().on_header(name, value)
        if len(self.headers) > request_limits.MAX_HEADERS:
            self._end_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Wait no longer, and let the request begin."""
        if self._goes_on:
            return
        self.head_since = None
        self._is_in_head = False
        if self.parser.get_method() == b"CONNECT":
            self._end_parsing(HTTPStatus.NOT_IMPLEMENTED)
        if is_unclear(self.headers, self.parser.get_http_version()) or (
            len(self.pipeline) >= request_limits.MAX_PIPELINED
        ):
            self._end_parsing(HTTPStatus.BAD_REQUEST)
        self._watch.note_busy(self)
        super().on_headers_complete()
        if self._watch.is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, but no more of one whose turn has not come."""
        if self.cycle is not self._answering:
            self.flow.pause_reading()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request is whole, unless the parser skips its body."""
        if not (self.parser.should_upgrade() and find_framing(self.headers)):
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let the next request begin, if there is one."""
        if not self.pipeline:
            self._watch.note_idle(self)
        if self.head_since is not None:
            # The rest of the next head was not waited for until now.
            self.head_since = self.loop.time()
        super().on_response_complete()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being served."""
        return self._answering is not None and not self._answering.response_complete

    @property
    def has_begun_head(self) -> bool:
        """Whether a part of the next request has come, and not all of its head."""
        is_awaited = self.head_since is not None and not self._is_deaf
        return is_awaited and self._head_bytes > 0

    def shutdown(self) -> None:
        """Answer what is being served, and say that nothing is served after it.

        One that serves nothing may be just about to bring a request: `Connections` ends it.
        """
        if self.is_busy:
            self.cycle.keep_alive = False

    def has_cut_off(self, scope: MutableMapping[str, Any]) -> bool:
        """Return whether the body of the request was cut off."""
        return self._cut_off is scope

    def drop(self) -> None:
        """Close it in the middle of an answer."""
        if self._answering is not None:
            self._answering.disconnected = True
        self.transport.abort()

    def pause_writing(self) -> None:
        """Note since when the other side does not read."""
        self.stalled_since = self.loop.time()
        super().pause_writing()
        self._watch.note_stalled(self)

    def resume_writing(self) -> None:
        """Note that it reads again."""
        self.stalled_since = None
        self._watch.note_taken(self)
        super().resume_writing()

    def _start_asgi_task(
        self,
        cycle: RequestResponseCycle,
        app: ASGI3Application,  # noqa: ARG002 - uvicorn's signature
    ) -> None:
        self._answering = cycle
        if not self.pipeline:
            self._waiting_bytes = 0
        if self._is_parsing:
            # Its body may be here as well, and most are.
            self._beginning = cycle
        else:
            self._begin(cycle)

    def _begin(self, cycle: RequestResponseCycle) -> None:
        """Let a request be served: at once if it is whole, else in a task."""
        self._beginning = None
        is_whole = not (
            cycle.more_body
            or self._cut_off is cycle.scope
            or self.flow.write_paused
            or self.flow.read_paused
        )
        if not (is_whole and self._application.take_whole(self, cycle)):
            super()._start_asgi_task(cycle, self.app)

    def _parse(self, data: bytes) -> None:
        """Parse what came. Raises `HttpParserError`.

        A request that proposes another protocol is answered in HTTP; the parser would stop.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if framing := find_framing(self.headers):
                    self._go_on_with_body(framing)
            else:
                return

    def _go_on_with_body(self, framing: list[tuple[bytes, bytes]]) -> None:
        """Have the body parsed that the parser took for another protocol."""
        self._goes_on = True
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = map(b": ".join, framing)
        self.parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", b""]))
        self._goes_on = False

    def _count(self, size: int) -> None:
        """Count a part of a head, which need not have come bit by bit."""
        self._parsed_bytes += size
        if self._parsed_bytes > request_limits.MAX_HEAD_BYTES:
            self._end_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self.is_busy:
            self._waiting_bytes += size
            if self._waiting_bytes > request_limits.MAX_HEAD_BYTES:
                self._end_parsing(HTTPStatus.BAD_REQUEST)

    def _end_parsing(self, fault: HTTPStatus) -> None:
        """Make the parser fail: a callback has no other way to refuse a request."""
        self._fault = fault
        raise ValueError

    def _end_input(self) -> None:
        """Answer what has come, and nothing after it."""
        self._is_deaf = True
        self.head_since = None
        self.cycle.keep_alive = False
        if self.cycle.more_body:
            self._cut_off = self.cycle.scope  # type: ignore[assignment]
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why nothing of this reached an application, and close.

        While another request is served, its answer is all that is said.
        """
        if self.is_busy:
            self._end_input()
            return
        text = explain_fault(status)
        headers = [
            *self.server_state.default_headers,
            (b"connection", b"close"),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
        ]
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
        lines += map(b": ".join, headers)
        self.transport.write(b"\r\n".join([*lines, b"", text]))
        # A caller that is still sending would see a reset in place of the answer. It has
        # HEAD_SECONDS to read the answer and to close.
        self.transport.write_eof()
        self._is_deaf = True
        self.head_since = self.loop.time()


class Connections:
    """Closes connections that are overdue, and the idlest where there are too many.

    `make_room` ends a request whose body is still on its way, or returns False.
    """

    def __init__(self, most: int, make_room: Callable[[], bool]) -> None:
        self._most = most
        self._make_room = make_room
        self._all: dict[Connection, None] = {}
        #: Those that serve no request, the one that became so first in front.
        self._idle: dict[Connection, None] = {}
        #: Those whose caller reads nothing, the one that stopped first in front.
        self._stalled: dict[Connection, None] = {}
        self._closing_since: dict[Connection, float] = {}
        #: Whether each connection's next answer is its last: the process ends.
        self.is_ending = False

    def end_soon(self) -> None:
        """Let each connection bring the request that is on its way, and none after it.

        A caller whose request meets a connection that is just being closed sees a reset,
        and does not know whether it was served. So nothing is closed at once.
        """
        self.is_ending = True
        loop = asyncio.get_running_loop()
        loop.call_later(request_limits.LAST_IDLE_SECONDS, self._close_unused)
        loop.call_later(request_limits.LAST_BODY_SECONDS, self._close_unserved)

    def add(self, connection: Connection) -> None:
        """Take a new connection in, in the place of the idlest if need be, or close it."""
        self._all[connection] = None
        self._idle[connection] = None
        if len(self._all) <= self._most:
            return
        idlest = next(iter(self._idle))
        if idlest is not connection or not self._make_room():
            idlest.transport.abort()

    def remove(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self._all.pop(connection, None)
        self._idle.pop(connection, None)
        self._stalled.pop(connection, None)
        self._closing_since.pop(connection, None)

    def note_busy(self, connection: Connection) -> None:
        """Note that it serves a request."""
        self._idle.pop(connection, None)

    def note_idle(self, connection: Connection) -> None:
        """Note that it serves none."""
        self._idle.pop(connection, None)
        if connection in self._all:
            self._idle[connection] = None

    def note_stalled(self, connection: Connection) -> None:
        """Note that it has more to send than the other side takes.

        Where all such have too much, those go that have waited for longest.
        """
        self._stalled[connection] = None
        sizes = {each: each.transport.get_write_buffer_size() for each in self._stalled}
        too_much = sum(sizes.values()) - request_limits.MAX_UNSENT_BYTES
        for each, size in sizes.items():
            if too_much <= 0:
                break
            too_much -= size
            del self._stalled[each]
            each.transport.abort()

    def note_taken(self, connection: Connection) -> None:
        """Note that the caller reads again."""
        self._stalled.pop(connection, None)

    def close_overdue(self, now: float) -> None:
        """Close connections whose head is overdue, and those whose caller reads nothing."""
        for connection in list(self._all):
            transport = connection.transport
            if _is_over(connection.stalled_since, now, request_limits.STALL_SECONDS):
                transport.abort()
            elif transport.is_closing():
                since = self._closing_since.setdefault(connection, now)
                if _is_over(since, now, request_limits.STALL_SECONDS):
                    transport.abort()
            elif not connection.is_busy and _is_over(
                connection.head_since, now, request_limits.HEAD_SECONDS
            ):
                transport.close()

    def _close_unused(self) -> None:
        for connection in list(self._all):
            if not (connection.is_busy or connection.has_begun_head):
                connection.transport.close()

    def _close_unserved(self) -> None:
        for connection in list(self._all):
            if not connection.is_busy:
                connection.transport.close()


def raise_descriptor_limit() -> int:
    """Let the process have as many descriptors as it may. Return how many connections fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return request_limits.MAX_CONNECTIONS
    return max(
        1, min(request_limits.MAX_CONNECTIONS, hard - request_limits.SPARE_DESCRIPTORS)
    )


def _is_over(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since > seconds
