"""The thread that sends what waits, for as long as it takes."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from referral_events.answers import Refusal, read_rows
from referral_events.batches import MOST_EVENTS
from referral_events.delivery import SEND, Row, send_batch
from referral_events.errors import (
    ClientError,
    RequestRefusedError,
    SpoolError,
    UnavailableError,
)
from referral_events.transport import Transport
from referral_events.waiting import Batch, Waiting

logger = logging.getLogger("referral_events")

_IDLE_SECONDS: Final = 1.0
#: How long one batch is tried before the thread looks whether it shall end.
_PATIENCE: Final = 60.0
#: After a refusal of the whole request: somebody has to mend the key or the address.
_REFUSED_SECONDS: Final = 15.0
#: The longest time for which a server is left alone because it asks so.
_LONGEST_REST: Final = 600.0
#: After it was told to end, the thread has this much time to do so.
_ENDING_SECONDS: Final = 2.0


class BackgroundSender:
    """Sends what waits, in batches: those that came while one was on its way go together."""

    def __init__(
        self,
        transport: Transport,
        waiting: Waiting,
        on_refused: Callable[[Refusal], None] | None,
    ) -> None:
        self._transport = transport
        self._waiting = waiting
        self._on_refused = on_refused
        #: Fewer after an attempt without an answer: a slow line takes few at a time.
        self._most = MOST_EVENTS
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="referral-events", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let the thread end: the batch that it has is given back, also one on its way."""
        self._stop.set()
        self._waiting.wake()
        if self._thread is not threading.current_thread():
            self._transport.end_attempts()
            self._thread.join(_ENDING_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                batch = self._waiting.take(_IDLE_SECONDS, self._most)
                if batch is not None:
                    self._send(batch)
            except SpoolError as error:
                self._wait_for_spool(error)
            except Exception:
                logger.exception("Sending failed; it is tried again")
                self._stop.wait(_IDLE_SECONDS)
        self._transport.close()

    def _send(self, batch: Batch) -> None:
        try:
            rows = send_batch(
                self._transport,
                SEND,
                batch.bodies,
                patience=_PATIENCE,
                stop=self._stop,
            )
        except ClientError as error:
            self._waiting.give_back(batch)
            if not self._stop.is_set():
                self._rest_after(error)
        except BaseException:
            self._waiting.give_back(batch)
            raise
        else:
            self._most = min(self._most * 2, MOST_EVENTS)
            self._settle(batch)
            self._tell(rows)

    def _rest_after(self, error: ClientError) -> None:
        """Say that events wait, and why, and leave the server alone for a while."""
        if isinstance(error, RequestRefusedError):
            logger.error(
                "The server refuses what is sent, which waits meanwhile: %s", error
            )
            seconds = _REFUSED_SECONDS
        else:
            logger.warning("%d events wait: %s", self._waiting.count(), error)
            self._most = max(self._most // 2, 1)
            asked = error.retry_after if isinstance(error, UnavailableError) else None
            seconds = min(max(asked or 0, _IDLE_SECONDS), _LONGEST_REST)
        self._stop.wait(seconds * random.uniform(1.0, 1.2))  # noqa: S311 - spreads load

    def _settle(self, batch: Batch) -> None:
        """Forget the batch, also where the disk is full for now: it is not sent again."""
        while True:
            try:
                return self._waiting.settle(batch)
            except SpoolError as error:
                self._wait_for_spool(error)
                if self._stop.is_set():
                    return None

    def _wait_for_spool(self, error: SpoolError) -> None:
        if not self._stop.is_set():
            # Its cause is in it; a traceback for each attempt would fill a log.
            logger.error("%s It is tried again.", error)
            self._stop.wait(_IDLE_SECONDS)

    def _tell(self, rows: list[Row]) -> None:
        for refusal in read_rows(rows)[1]:
            if self._on_refused is None:
                logger.error("Refused, and not sent again: %s", refusal)
                continue
            try:
                self._on_refused(refusal)
            except Exception:
                logger.exception("on_refused failed")
