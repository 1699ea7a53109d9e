"""The connections of a web process: how long a head may take, and how many there may be.

A connection costs a descriptor and a few kilobytes, and no thread. Where there are too
many, the one that has been idle for longest goes.
"""

import asyncio
import resource
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from integration_project.web import limits

LOOK_SECONDS: Final = 1.0


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
        #: Since when the head of a request is awaited, while one is.
        self.head_since: float | None = None
        #: Since when the other side takes nothing of what is written.
        self.stalled_since: float | None = None
        #: Whether the body that is on its way has ended before its end.
        self.is_cut_off = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room."""
        super().connection_made(transport)
        self.head_since = self.loop.time()
        self._watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._watch.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is a head that does not end."""
        super().data_received(data)
        if self.head_since is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > limits.MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer whoever sends no more and still listens, if there is something to answer.

        A body that is not at its end then never comes to it.
        """
        # Before the first request there is none, whatever its type says.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        if cycle.more_body:
            self.is_cut_off = True
            cycle.more_body = False
            cycle.message_event.set()
        return True

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        """Refuse what is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]
        self.head_since = self.loop.time()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Wait no longer, and let the request begin."""
        self.head_since = None
        self._watch.note_busy(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Let the next request begin, if there is one."""
        self._watch.note_idle(self)
        super().on_response_complete()

    def drop(self) -> None:
        """Close it in the middle of an answer."""
        self.cycle.disconnected = True
        self.transport.abort()

    def pause_writing(self) -> None:
        """Note since when the other side does not read."""
        self.stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it reads again."""
        self.stalled_since = None
        super().resume_writing()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why nothing of this reached an application, and close."""
        text = f"{status.phrase}: {status.description}.\n".encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\n"
            "content-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(text)}\r\n\r\n"
        )
        self.transport.write(head.encode() + text)
        self.transport.close()


class Connections:
    """Closes what is overdue, and what is too many.

    `make_room` ends a request that is still on its way, or returns False.
    """

    def __init__(self, most: int, make_room: Callable[[], bool]) -> None:
        self._most = most
        self._make_room = make_room
        self._all: dict[Connection, None] = {}
        #: Those that serve no request, the one that became so first in front.
        self._idle: dict[Connection, None] = {}
        self._closing_since: dict[Connection, float] = {}

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
        """Forget a connection that is closed."""
        self._all.pop(connection, None)
        self._idle.pop(connection, None)
        self._closing_since.pop(connection, None)

    def note_busy(self, connection: Connection) -> None:
        """Note that it serves a request."""
        self._idle.pop(connection, None)

    def note_idle(self, connection: Connection) -> None:
        """Note that it serves none."""
        self._idle.pop(connection, None)
        if connection in self._all:
            self._idle[connection] = None

    def close_overdue(self, now: float) -> None:
        """Close those whose head is overdue, and whose other side reads nothing."""
        for connection in list(self._all):
            transport = connection.transport
            if _is_over(connection.stalled_since, now, limits.STALL_SECONDS):
                transport.abort()
            elif transport.is_closing():
                since = self._closing_since.setdefault(connection, now)
                if _is_over(since, now, limits.STALL_SECONDS):
                    transport.abort()
            elif _is_over(connection.head_since, now, limits.HEAD_SECONDS):
                transport.close()


def raise_descriptor_limit() -> int:
    """Let the process have as many descriptors as it may. Return how many connections fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return limits.MAX_CONNECTIONS
    return max(1, min(limits.MAX_CONNECTIONS, hard - limits.SPARE_DESCRIPTORS))


def _is_over(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since > seconds
