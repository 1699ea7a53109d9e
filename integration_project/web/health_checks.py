"""The health checks of a platform, answered even while all threads are busy.

`/healthz` needs nothing but the event loop. `/readyz` asks the database, in a thread of
its own; further questions meanwhile get the same answer. So does the public status page.
A database that takes a question and never answers it, as one that is frozen, keeps that
thread: who asks is told so after `SILENCE_SECONDS`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.http import HttpResponse

from integration_project.web.responses import (
    AnswerOutcome,
    AnswerSender,
    WebAnswer,
    convert_response,
    make_answer,
)
from integration_project.web.threads import Threads

ALIVE_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"
ALIVE_ANSWER: Final = make_answer(
    200,
    [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
    b'{"status": "alive"}',
)
#: Longer than a connection of the pool is waited for, and shorter than probes wait.
SILENCE_SECONDS: Final = 8.0


class SharedCheck:
    """Asks how all is, once at a time. `ask` runs in a thread, which has the `name`.

    `silence` makes the answer to whoever asks while a question has been open for too long.
    """

    def __init__(
        self,
        ask: Callable[[dict[str, Any], AnswerSender], AnswerOutcome],
        silence: Callable[[], HttpResponse],
        name: str,
    ) -> None:
        self._ask = ask
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._thread = Threads(1, name)
        self._asking: asyncio.Future[WebAnswer | None] | None = None
        self._silent_at = 0.0

    async def answer(
        self, environ: dict[str, Any], sender: AnswerSender
    ) -> WebAnswer | None:
        """Return the answer of the question that is under way, or of a new one."""
        if self._asking is None or self._asking.done():
            self._asking = sender.answer
            self._silent_at = self._loop.time() + SILENCE_SECONDS
            self._thread.give(partial(self._find, environ, sender))
        asking = self._asking
        left = max(0.0, self._silent_at - self._loop.time())
        # Whoever leaves does not end a question that others wait for.
        await asyncio.wait((asking,), timeout=left)
        return asking.result() if asking.done() else convert_response(self._silence())

    def _find(self, environ: dict[str, Any], sender: AnswerSender) -> None:
        outcome = self._ask(environ, sender)
        self._loop.call_soon_threadsafe(sender.settle, outcome)
