"""The thread that sends what waits, for as long as it takes."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from referral_events.answers import Refusal
from referral_events.delivery import send_batch
from referral_events.errors import ClientError, RequestRefusedError, SpoolError
from referral_events.transport import Transport
from referral_events.waiting import Batch, Waiting

logger = logging.getLogger("referral_events")

_IDLE_SECONDS: Final = 1.0
#: How long one batch is tried before the thread looks whether it shall end.
_PATIENCE: Final = 60.0
#: After a refusal of the whole request: somebody has to mend the key or the address.
_REFUSED_SECONDS: Final = 15.0


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
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="referral-events", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end: a batch that waits for another attempt is given back."""
        self._stop.set()
        self._waiting.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                batch = self._waiting.take(_IDLE_SECONDS)
                if batch is not None:
                    self._send(batch)
            except SpoolError as error:
                # Its cause is in it; a traceback for each attempt would fill a log.
                logger.error("%s It is tried again.", error)  # noqa: TRY400
                self._stop.wait(_IDLE_SECONDS)
            except Exception:
                logger.exception("Sending failed; it is tried again")
                self._stop.wait(_IDLE_SECONDS)
        self._transport.close()

    def _send(self, batch: Batch) -> None:
        try:
            _, refusals = send_batch(
                self._transport, batch.bodies, patience=_PATIENCE, stop=self._stop
            )
        except RequestRefusedError as error:
            self._waiting.give_back(batch)
            logger.error(  # noqa: TRY400 - a traceback says nothing more
                "The server refuses what is sent, which waits meanwhile: %s", error
            )
            self._stop.wait(_REFUSED_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
        except ClientError as error:
            self._waiting.give_back(batch)
            if not self._stop.is_set():
                logger.warning("%d events wait: %s", self._waiting.count(), error)
        except BaseException:
            self._waiting.give_back(batch)
            raise
        else:
            self._waiting.settle(batch)
            self._tell(refusals)

    def _tell(self, refusals: list[Refusal]) -> None:
        for refusal in refusals:
            if self._on_refused is None:
                logger.error("Refused, and not sent again: %s", refusal)
                continue
            try:
                self._on_refused(refusal)
            except Exception:
                logger.exception("on_refused failed")
