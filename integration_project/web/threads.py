"""The threads in which Django answers, each for one request at a time."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

ThreadWork = Callable[[], None]

logger: Final = logging.getLogger(__name__)


class Threads:
    """`number` threads that do what they are given, in its order. They end with the process."""

    def __init__(self, number: int, name: str) -> None:
        self._given: queue.SimpleQueue[ThreadWork] = queue.SimpleQueue()
        for n in range(number):
            thread = threading.Thread(
                target=self._run, name=f"{name}-{n + 1}", daemon=True
            )
            thread.start()

    def give(self, work: ThreadWork) -> None:
        """Let a thread do it as soon as one is free."""
        self._given.put(work)

    def _run(self) -> None:
        while True:
            work = self._given.get()
            try:
                work()
            except Exception:
                logger.exception("A request ended in an error of the server")
            # Free its memory now: the next work may come much later.
            del work
