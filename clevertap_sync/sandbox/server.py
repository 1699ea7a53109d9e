"""The sandbox's HTTP server: a bounded number of threads on 127.0.0.1."""

import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import (
    control,
    counts,
    deletion,
    describing,
    export,
    profile_call,
)
from clevertap_sync.sandbox.answers import NOT_FOUND, WRONG_METHOD
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.upload import answer_upload
from clevertap_sync.sandbox.world import ClosingError

HOST = "127.0.0.1"
#: All accounts' uploads in flight, with as many again for those to be refused.
THREADS = 224
_IDLE_SECONDS = 75
_WAKE_SECONDS = 1

Endpoint = Callable[[State, Location, Exchange], None]


#: Each path of CleverTap's API: the methods it takes, and who answers.
_ENDPOINTS: dict[str, tuple[tuple[str, ...], Endpoint]] = {
    "/1/upload": (("POST",), answer_upload),
    "/1/profile.json": (("GET",), profile_call.profile),
    "/1/events.json": (("GET", "POST"), export.events),
    "/1/counts/events.json": (("GET", "POST"), counts.event_count),
    "/1/delete/profiles.json": (("POST",), deletion.delete_profiles),
    "/getSchema": (("GET", "POST"), describing.schema),
    "/getschema": (("GET", "POST"), describing.schema),
}


def answer(state: State, exchange: Exchange) -> None:
    """Answer one request, whatever it is."""
    if exchange.path == "/" or exchange.path.startswith(control.PREFIX):
        control.answer(state, exchange)
        return
    location, path = _route(state, exchange.path)
    methods, endpoint = _ENDPOINTS.get(path, ((), answer_upload))
    if location is None or not methods:
        exchange.drain()
        exchange.send(NOT_FOUND)
    elif exchange.method not in methods:
        exchange.drain()
        exchange.send(WRONG_METHOD)
    else:
        endpoint(state, location, exchange)


def _route(state: State, path: str) -> tuple[Location | None, str]:
    """Return the location that a path names, and what follows it."""
    first, _, rest = path.removeprefix("/").partition("/")
    if first == "1" or path in _ENDPOINTS:
        return state.default_location, path
    known = first in Location.__members__.values()
    return (Location(first) if known else None), f"/{rest}"


class Server:
    """Listens from the moment that it is made; `serve` answers until `close`."""

    def __init__(self, state: State, port: int = 0) -> None:
        self._state = state
        self._listener = socket.create_server((HOST, port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sandbox")
        self._open: set[socket.socket] = set()
        self._crash: Exception | None = None

    def serve(self) -> None:
        """Accept connections until the server is closed."""
        world = self._state.world
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with world.condition:
                if world.closing:
                    connection.close()
                    return
                self._open.add(connection)
                self._pool.submit(self._converse, connection)

    def close(self) -> None:
        """End every conversation and wait until all threads are gone.

        Raises RuntimeError if the sandbox itself failed to answer a request.
        """
        self._state.world.close()
        self._wake()
        with self._state.world.condition:
            for connection in self._open:
                _hang_up(connection)
        self._pool.shutdown(wait=True)
        self._listener.close()
        if self._crash is not None:
            msg = "The sandbox has a fault of its own: it could not answer a request."
            raise RuntimeError(msg) from self._crash

    def _wake(self) -> None:
        """Knock once, so that `accept` returns and sees that it is over."""
        try:
            socket.create_connection((HOST, self.port), timeout=_WAKE_SECONDS).close()
        except OSError:
            self._listener.close()

    def _converse(self, connection: socket.socket) -> None:
        afterwards: list[Callable[[], None]] = []
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Handler(self._state, connection, afterwards)
        except (OSError, ClosingError):
            # The client has gone, or the sandbox closes: nobody is left to tell.
            pass
        except Exception as exc:  # noqa: BLE001 # `close` raises it
            self._crash = self._crash or exc
        finally:
            with self._state.world.condition:
                self._open.discard(connection)
            connection.close()
        self._finish(afterwards)

    def _finish(self, afterwards: list[Callable[[], None]]) -> None:
        """Do what is to happen only when the connection is gone."""
        try:
            for act in afterwards:
                act()
        except ClosingError:
            pass
        except Exception as exc:  # noqa: BLE001 # `close` raises it
            self._crash = self._crash or exc


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Reads requests with the standard library; answers are our own bytes."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def __init__(
        self,
        state: State,
        connection: socket.socket,
        afterwards: list[Callable[[], None]],
    ) -> None:
        self._state = state
        self._afterwards = afterwards
        super().__init__(connection, connection.getpeername(), None)  # type: ignore[arg-type] # nothing of a handler's server is used

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Answer any method alike: the routes know which they take."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        exchange = Exchange(self, self._state.world, self._afterwards)
        answer(self._state, exchange)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name in the standard library
        """Log nothing: a request line may carry an identity."""
