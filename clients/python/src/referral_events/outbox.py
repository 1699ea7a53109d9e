"""What `enqueue` leaves to the client: where it waits, the thread that sends it, and their end.

A fork takes no thread along and leaves locks as they were, so that the child starts over: with
a store and a thread of its own, once it has something to send.
"""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

from referral_events.answers import Refusal
from referral_events.background import BackgroundSender
from referral_events.errors import QueueFullError
from referral_events.spool import DiskSpool
from referral_events.transport import Transport
from referral_events.waiting import CLOSED, MemoryQueue, Waiting

logger = logging.getLogger("referral_events")

#: At the process's end, what waits gets so long.
_EXIT_SECONDS: Final = 10.0


class Outbox:
    """Sends what is added, in a thread, until it is closed or the process ends."""

    def __init__(
        self,
        transport: Transport,
        *,
        most: int,
        spool: str | Path | None,
        on_refused: Callable[[Refusal], None] | None,
    ) -> None:
        self._transport = transport
        self._most = most
        self._spool = spool
        self._on_refused = on_refused
        self._sender: BackgroundSender | None = None
        self._is_closed = False
        self._mutex = threading.Lock()
        self._waiting = self._open_waiting()
        with _fork:
            _outboxes.add(self)
        if spool is not None:
            # What an earlier process left goes out, also where nothing new comes.
            self._start_sender()

    def add(self, body: bytes, wait: float) -> None:
        """Keep an event and send it soon.

        Raises `QueueFullError` where no room came within `wait` seconds, and `ValueError`
        once this is closed.
        """
        self._start_sender()
        if not self._waiting.add(body, wait):
            message = (
                f"{self._most} events wait already, and no room came within {wait:g} s. "
                "Wait, or give the event back to whoever sent it."
            )
            raise QueueFullError(message)

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits any more; return whether it is so."""
        return self._waiting.wait_until_empty(timeout)

    def close(self, timeout: float) -> int:
        """Send what waits, for `timeout` seconds at most; return how many events are left."""
        with self._mutex:
            sender, self._sender, self._is_closed = self._sender, None, True
        if sender is None:
            self._waiting.close()
            return 0
        atexit.unregister(self._close_at_exit)
        try:
            self.flush(timeout)
        finally:
            sender.stop()
        left = self._waiting.close()
        if left:
            what = "stay in the spool" if self._spool is not None else "are lost"
            logger.error("The client is closed: %d events %s", left, what)
        return left

    def _start_sender(self) -> None:
        """See to it that this process has a thread that sends."""
        sender = self._sender
        if sender is not None and sender.is_alive():
            return
        with self._mutex:
            if self._is_closed:
                raise ValueError(CLOSED)
            if self._sender is not None and self._sender.is_alive():
                return
            sender = BackgroundSender(self._transport, self._waiting, self._on_refused)
            sender.start()
            if self._sender is None:
                atexit.register(self._close_at_exit)
            self._sender = sender

    def _close_at_exit(self) -> None:
        self.close(_EXIT_SECONDS)

    def _open_waiting(self) -> Waiting:
        if self._spool is None:
            return MemoryQueue(self._most)
        return DiskSpool(self._spool, self._most)

    def before_fork(self) -> None:
        """Let go of what a child must not inherit."""
        self._waiting.before_fork()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on, or, in the child, begin anew."""
        self._waiting.after_fork(in_child=in_child)
        if in_child:
            self._mutex = threading.Lock()
            self._sender = None
            atexit.unregister(self._close_at_exit)


_outboxes: "weakref.WeakSet[Outbox]" = weakref.WeakSet()
#: Held while a fork is under way, of the outboxes below.
_fork: Final = threading.Lock()
_forking: list[Outbox] = []


def _before_fork() -> None:
    _fork.acquire()
    _forking[:] = _outboxes
    for each in _forking:
        each.before_fork()


def _after_fork(*, in_child: bool) -> None:
    for each in _forking:
        each.after_fork(in_child=in_child)
    _forking.clear()
    # A child has the thread that forked, and no other that could wait for it.
    _fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(in_child=False),
        after_in_child=lambda: _after_fork(in_child=True),
    )
