"""One attempt has one deadline, from its request to the last byte of the answer.

`requests` gives each read a time of its own: a server that sends a byte now and then would keep
a call for ever. So a timer shuts the socket, which wakes the thread that reads from it.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

_this_thread: Final = threading.local()


class Deadline:
    """Shuts the socket of one attempt when its time is over, or when it is ended before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: A descriptor of our own: TLS takes the original away from its socket.
        self._twin: socket.socket | None = None
        self.is_over = False

    def watch(self, sock: socket.socket) -> None:
        """Shut `sock` when this is over; at once, if it is over already."""
        self.close()
        with self._lock:
            self._twin = socket.socket(fileno=socket.dup(sock.fileno()))
            if self.is_over:
                _shut(self._twin)

    def end(self) -> None:
        """Shut the socket, and whichever comes after it."""
        with self._lock:
            self.is_over = True
            if self._twin is not None:
                _shut(self._twin)

    def close(self) -> None:
        """Close our own descriptor: the attempt has ended."""
        with self._lock:
            if self._twin is not None:
                self._twin.close()
            self._twin = None


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # no longer connected
        sock.shutdown(socket.SHUT_RDWR)


class Deadlines:
    """The attempts of one transport that are under way."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()

    @contextmanager
    def within(self, seconds: float) -> Iterator[Deadline]:
        """Let the attempt of this thread take so many seconds."""
        deadline = Deadline()
        timer = threading.Timer(seconds, deadline.end)
        timer.daemon = True
        # While the interpreter ends, no thread can be started: each read has its time then.
        with suppress(RuntimeError):
            timer.start()
        self._open.add(deadline)
        _this_thread.deadline = deadline
        try:
            yield deadline
        finally:
            _this_thread.deadline = None
            self._open.discard(deadline)
            timer.cancel()
            deadline.close()

    def end_all(self) -> None:
        """End what is under way, at once."""
        for deadline in self._open.copy():
            deadline.end()


def _watch(sock: socket.socket | None) -> None:
    deadline: Deadline | None = getattr(_this_thread, "deadline", None)
    if deadline is not None and sock is not None:
        deadline.watch(sock)


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's
        _watch(self.sock)
        return super().getresponse()


class _TLSConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's
        _watch(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS: Final[dict[str, Callable[..., Any]]] = {"http": _Pool, "https": _TLSPool}


class WatchedAdapter(HTTPAdapter):
    """Makes connections that a deadline can end, also through a proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let the manager make watched connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return a manager that makes watched connections; SOCKS has its own."""
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
