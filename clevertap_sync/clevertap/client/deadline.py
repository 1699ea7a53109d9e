"""One thread that ends requests at their deadline, by shutting their sockets.

A socket's own timeout counts per read, so a server that sends one byte a second can hold
a call for ever. Another thread that shuts the socket wakes the call wherever it waits: in
connect, in the TLS handshake, in a read or in a write.

Pure: imports no framework, and knows nothing of HTTP.
"""

import heapq
import itertools
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Protocol

# The longest that a condition variable is asked to wait in one go.
_LONGEST_WAIT_SECONDS = 3600.0


class HasFileno(Protocol):
    """A socket, plain or wrapped in TLS."""

    def fileno(self) -> int:
        """Return the file descriptor."""


class Deadline:
    """How long one request may take, and the sockets that are shut when it is over.

    `over` completes at the deadline or when everything is aborted. It is for a thread
    that waits on something other than a socket.
    """

    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.expired = False
        self.aborted = False
        self.over: Future[object] = Future()
        self._closed = False
        # Reentrant: a signal may abort everything while its thread is in here.
        self._lock = threading.RLock()
        self._sockets: list[socket.socket] = []

    @property
    def is_over(self) -> bool:
        """Whether the time is up or everything was aborted."""
        return self.expired or self.aborted or self.remaining() == 0

    @property
    def is_closed(self) -> bool:
        """Whether the request has ended, so that no socket is left to shut."""
        return self._closed

    def remaining(self) -> float:
        """Return the seconds that are left, never less than 0."""
        return max(0.0, self.ends_at - time.monotonic())

    def watch(self, sock: HasFileno) -> None:
        """Shut `sock` when this is over; at once, if it is over already.

        It keeps a descriptor of its own: TLS takes the original away from its socket
        object, and the number of a closed descriptor may belong to another file by now.
        """
        twin = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            if not self._closed:
                self._sockets.append(twin)
            if self.expired or self.aborted:
                _shut(twin)
            if self._closed:
                twin.close()

    def end(self, *, aborted: bool) -> None:
        """Shut every socket, once."""
        with self._lock:
            if self._closed or self.expired or self.aborted:
                return
            self.aborted, self.expired = aborted, not aborted
            for twin in self._sockets:
                _shut(twin)
            self.over.set_result(None)

    def close(self) -> None:
        """Close our own descriptors: the request has ended."""
        with self._lock:
            self._closed = True
            for twin in self._sockets:
                twin.close()
            self._sockets.clear()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # not connected yet, or no longer
        sock.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Ends deadlines when their time comes. Its thread starts with the first one."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Start over without a thread: after a fork, the child has none of them."""
        self._wake = threading.Condition()
        self._heap: list[tuple[float, int, Deadline]] = []
        self._looks_at = 0.0
        self._open: set[Deadline] = set()
        self._aborting = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def set_deadline(self, seconds: float) -> Iterator[Deadline]:
        """Give the request inside `seconds` to end, then shut its sockets."""
        limit = Deadline(seconds)
        self._begin(limit)
        try:
            yield limit
        finally:
            with self._wake:
                self._open.discard(limit)
            limit.close()

    def abort_all(self) -> None:
        """End all open requests, and until `reset` each new one at once."""
        with self._wake:
            self._aborting = True
            doomed = list(self._open)
        for limit in doomed:
            limit.end(aborted=True)

    def reset(self) -> None:
        """Let new requests run again."""
        with self._wake:
            self._aborting = False

    def _begin(self, limit: Deadline) -> None:
        with self._wake:
            self._open.add(limit)
            aborting = self._aborting
            self._drop_closed()
            heapq.heappush(self._heap, (limit.ends_at, next(self._ids), limit))
            self._start()
            # Most often it looks in good time, because of one that has ended since.
            if limit.ends_at < self._looks_at:
                self._wake.notify()
        if aborting:
            limit.end(aborted=True)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._run, name="watchdog", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._next_due().end(aborted=False)

    def _next_due(self) -> Deadline:
        """Wait until a deadline's time has come, and take it off the heap."""
        with self._wake:
            while True:
                self._drop_closed()
                wait = None
                if self._heap:
                    left = self._heap[0][2].remaining()
                    wait = min(left, _LONGEST_WAIT_SECONDS)
                if wait == 0:
                    return heapq.heappop(self._heap)[2]
                self._looks_at = math.inf if wait is None else time.monotonic() + wait
                self._wake.wait(wait)

    def _drop_closed(self) -> None:
        while self._heap and self._heap[0][2].is_closed:
            heapq.heappop(self._heap)


_watchdog = Watchdog()
os.register_at_fork(after_in_child=_watchdog.reset_after_fork)

set_deadline = _watchdog.set_deadline
abort_all = _watchdog.abort_all
reset = _watchdog.reset
