"""Requests of which all is here as soon as their head is: most of the API's.

They need no task of the event loop: nothing of them is awaited but a thread's answer.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from integration_project.web.bodies import Body, Receive
from integration_project.web.calls import Call
from integration_project.web.responses import (
    BODILESS,
    AnswerHeaders,
    AnswerOutcome,
    AnswerSender,
    Send,
    WebAnswer,
)

if TYPE_CHECKING:
    from integration_project.web.connections import Connection

logger: Final = logging.getLogger(__name__)

Finish = Callable[["WholeRequest", AnswerOutcome], None]


class WholeRequest:
    """The way to the caller of such a request. Belongs to one answer.

    `finish` is called in the loop with what a thread has made of the request.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: "Connection",
        cycle: RequestResponseCycle,
        call: Call,
        finish: Finish,
    ) -> None:
        self.call = call
        self.body = Body(b"", 0, is_whole=True)
        self._loop = loop
        self._connection = connection
        self._cycle = cycle
        self._finish = finish
        self._sender: AnswerSender | None = None
        self._waiting: asyncio.Task[None] | None = None
        # A server that ends waits for these, also for one whose caller has left.
        connection.tasks.add(self)  # type: ignore[arg-type]

    @property
    def has_begun(self) -> bool:
        """Whether a part of the answer is on its way."""
        return self._sender is not None and self._sender.has_begun

    @property
    def receive(self) -> Receive:
        """What tells that the caller has left."""
        return cast("Receive", self._cycle.receive)

    def wait(self, turn: Coroutine[Any, Any, None]) -> None:
        """Wait for a turn. What ends the wait without one is the outcome."""
        self._waiting = self._loop.create_task(self._wait(turn))

    def settle(self, outcome: AnswerOutcome) -> None:
        """Take what became of the request, in the loop."""
        self._connection.tasks.discard(self)
        if self._sender is not None:
            self._sender.settle(None)
        try:
            self._finish(self, outcome)
        except Exception as error:  # noqa: BLE001 - whoever calls has other requests to end
            logger.error("An answer was not sent (%s)", type(error).__name__)  # noqa: TRY400 - its frames say nothing more
            self.drop()
        self._cycle.on_response = _do_nothing

    def stream(
        self, status: int, headers: AnswerHeaders, parts: Iterator[bytes]
    ) -> None:
        """Send an answer in pieces, from a thread."""
        cycle = self._cycle
        receive, send = cast("Receive", cycle.receive), cast("Send", cycle.send)
        self._sender = AnswerSender(receive, send, self._loop)
        self._sender.stream(status, headers, parts)

    def send_whole(self, answer: WebAnswer) -> None:
        """Send an answer, unless its caller has left."""
        if not self._cycle.disconnected:
            _write(self._cycle, answer)

    def drop(self) -> None:
        """Close the connection in the middle of the answer."""
        self._connection.drop()

    def cancel(self, msg: object = None) -> None:
        """Let go of it: uvicorn calls this where its time is over."""

    async def _wait(self, turn: Coroutine[Any, Any, None]) -> None:
        try:
            await turn
        except Exception as error:  # noqa: BLE001 - the outcome, as a thread's would be
            self.settle(error)


def _write(cycle: RequestResponseCycle, answer: WebAnswer) -> None:
    """Write head and body in one piece. Raises `ValueError` for what would break HTTP."""
    has_body = cycle.scope["method"] != "HEAD" and answer.status not in BODILESS
    body = answer.body if has_body else b""
    headers = [*cycle.default_headers, *answer.headers]
    if not cycle.keep_alive:
        headers.append((b"connection", b"close"))
    head = b"".join(
        [STATUS_LINE[answer.status], *[b"%b: %b\r\n" % each for each in headers]]
    )
    is_stated = not has_body or _make_length(body) in answer.headers
    if head.count(b"\n") != len(headers) + 1 or not is_stated:
        message = "An answer was not whole"
        raise ValueError(message)
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"%b\r\n%b" % (head, body))
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


def _make_length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


def _do_nothing() -> None:
    pass
