"""The health checks of a platform, answered even while all threads are busy.

`/healthz` needs nothing but the event loop. `/readyz` asks the database, in a thread of
its own; further questions meanwhile get the same answer. So does the public status page.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from integration_project.web.responses import (
    AnswerOutcome,
    AnswerSender,
    WebAnswer,
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


class SharedCheck:
    """Asks how all is, once at a time. `ask` runs in a thread, which has the `name`."""

    def __init__(
        self, ask: Callable[[dict[str, Any], AnswerSender], AnswerOutcome], name: str
    ) -> None:
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._thread = Threads(1, name)
        self._asking: asyncio.Future[WebAnswer | None] | None = None

    async def answer(
        self, environ: dict[str, Any], sender: AnswerSender
    ) -> WebAnswer | None:
        """Return the answer of the question that is under way, or of a new one."""
        if self._asking is None or self._asking.done():
            self._asking = sender.answer
            self._thread.give(partial(self._find, environ, sender))
        return await asyncio.shield(self._asking)

    def _find(self, environ: dict[str, Any], sender: AnswerSender) -> None:
        outcome = self._ask(environ, sender)
        self._loop.call_soon_threadsafe(sender.settle, outcome)
