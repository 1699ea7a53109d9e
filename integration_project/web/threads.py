"""The threads in which Django answers, each for one request at a time."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

ThreadWork = Callable[[], None]
_Inbox = queue.SimpleQueue[ThreadWork]

logger: Final = logging.getLogger(__name__)


class Threads:
    """`number` threads that do what they are given, in its order. They end with the process.

    The thread that was busy last works next: what it needs is the likeliest to be in the
    processor's cache still. Requests that come one by one all have the same thread.
    """

    def __init__(self, number: int, name: str) -> None:
        # Guards what follows: the threads that are idle, and the work that waits for one.
        self._mutex = threading.Lock()
        self._idle: list[_Inbox] = [queue.SimpleQueue() for _ in range(number)]
        self._waiting: deque[ThreadWork] = deque()
        for n, inbox in enumerate(tuple(self._idle)):
            thread = threading.Thread(
                target=self._run, args=(inbox,), name=f"{name}-{n + 1}", daemon=True
            )
            thread.start()

    def give(self, work: ThreadWork) -> None:
        """Let a thread do it as soon as one is free."""
        with self._mutex:
            if not self._idle:
                self._waiting.append(work)
                return
            inbox = self._idle.pop()
        inbox.put(work)

    def _run(self, inbox: _Inbox) -> None:
        while True:
            work: ThreadWork | None = inbox.get()
            while work is not None:
                try:
                    work()
                except Exception:
                    logger.exception("A request ended in an error of the server")
                # Its memory is free from now on: the next work may come much later.
                work = self._find_next(inbox)

    def _find_next(self, inbox: _Inbox) -> ThreadWork | None:
        """Return work that waits. Where there is none, the thread is idle from now on."""
        with self._mutex:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(inbox)
            return None
