"""A network that fails on order: a TCP proxy on 127.0.0.1 before any server of a test.

It stands before CleverTap, Redis or PostgreSQL alike, because it knows no protocol. One
thread serves all its connections, and there are never more than MOST_CONNECTIONS.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

HOST: Final = "127.0.0.1"
MOST_CONNECTIONS: Final = 256
CHUNK_BYTES: Final = 65536
TICK_SECONDS: Final = 0.02
WAIT_SECONDS: Final = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class _Fault:
    """What happens to connections now; `amount` is seconds or bytes."""

    kind: Literal["none", "refuse", "black_hole", "reset", "cut", "drip", "delay"]
    amount: float = 0


class Proxy:
    """Passes everything on to `port` until it is told otherwise; a context manager.

    An order holds for open connections and for new ones, until the next order.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._fault = _Fault("none")
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="proxy", daemon=True
        )
        self.port = 0
        #: How many connections were accepted so far.
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url_of(self, url: str) -> str:
        """Return the URL that leads through the proxy to what `url` leads to."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{HOST}:{self.port}"))

    # Orders

    def behave(self) -> None:
        """Pass everything on again, and what a black hole kept back as well."""
        self._order(_Fault("none"))

    def refuse(self) -> None:
        """Break what is open, and refuse what comes: nobody listens."""
        self._order(_Fault("refuse"))

    def black_hole(self) -> None:
        """Swallow everything in both directions. Who connects meets silence, not an end."""
        self._order(_Fault("black_hole"))

    def reset(self) -> None:
        """Break what is open with a RST, and what comes as soon as it has come."""
        self._order(_Fault("reset"))

    def cut(self, *, after: int) -> None:
        """Break each connection once `after` more bytes of answers have passed."""
        self._order(_Fault("cut", after))

    def drip(self, *, every: float) -> None:
        """Pass answers on a byte at a time, one `every` so many seconds."""
        self._order(_Fault("drip", every))

    def delay(self, seconds: float) -> None:
        """Keep each piece of an answer back for so long."""
        self._order(_Fault("delay", seconds))

    # The rest happens in the loop's thread.

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS)

    def _order(self, fault: _Fault) -> None:
        self._do(self._obey(fault))

    async def _obey(self, fault: _Fault) -> None:
        self._fault = fault
        if fault.kind == "black_hole":
            self._flows.clear()
        else:
            self._flows.set()
        if fault.kind in {"refuse", "reset"}:
            self._break_all()
        if fault.kind == "refuse":
            self._stop_listening()
        elif self._listener is None:
            await self._listen()

    # asyncio's own server forgets a connection that comes while it closes.
    async def _listen(self) -> None:
        self._listener = listener = socket.create_server((HOST, self.port))
        listener.settimeout(0)
        self.port = listener.getsockname()[1]
        self._loop.add_reader(listener, self._accept, listener)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            self.connections += 1
            task = self._loop.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            # A task that is cancelled before its first step closes nothing by itself.
            task.add_done_callback(lambda _: connection.close())

    async def _close(self) -> None:
        self._stop_listening()
        self._break_all()
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _break_all(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._writers.discard(writer)
            await _shut(writer)

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        await self._flows.wait()
        answers, onward = await asyncio.open_connection(HOST, self._target)
        full = len(self._writers) >= 2 * MOST_CONNECTIONS
        if full or self._fault.kind in {"refuse", "reset"}:
            _reset(onward)
            raise ConnectionResetError
        self._writers.add(onward)
        try:
            await asyncio.gather(
                self._pump(reader, onward, _pass_on),
                self._pump(answers, writer, self._answer),
            )
        finally:
            self._writers.discard(onward)
            _reset(onward)
            await _shut(onward)

    async def _pump(self, source: Any, sink: asyncio.StreamWriter, give: Any) -> None:
        while data := await source.read(CHUNK_BYTES):
            await self._flows.wait()
            await give(sink, data)
        with suppress(OSError):
            sink.write_eof()

    async def _answer(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        fault = self._fault
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.amount)
            case "drip":
                data = await self._drip(sink, data, fault)
            case "cut":
                await _pass_on(sink, data[: int(fault.amount)])
                # What was written has to be out before the RST throws it away.
                await asyncio.sleep(TICK_SECONDS)
                raise ConnectionResetError
        await _pass_on(sink, data)

    async def _drip(
        self, sink: asyncio.StreamWriter, data: bytes, fault: _Fault
    ) -> bytes:
        """Pass byte after byte while the order holds; return what is left of `data`."""
        while data and self._fault is fault:
            await asyncio.sleep(fault.amount)
            await _pass_on(sink, data[:1])
            data = data[1:]
        return data


async def _pass_on(sink: asyncio.StreamWriter, data: bytes) -> None:
    sink.write(data)
    await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection with a RST."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _shut(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
