"""The client: `send` waits for the answer, `enqueue` leaves it to a thread."""

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from referral_events.answers import (
    EventState,
    Refusal,
    Result,
    read_answer,
    read_state,
)
from referral_events.background import BackgroundSender
from referral_events.batches import MOST_EVENTS, cut_into_batches, encode_event
from referral_events.delivery import PATH, send_batch
from referral_events.errors import (
    EventsRefusedError,
    QueueFullError,
    RequestRefusedError,
)
from referral_events.events import Event
from referral_events.spool import DiskSpool
from referral_events.transport import Transport
from referral_events.waiting import MemoryQueue, Waiting

logger = logging.getLogger("referral_events")

_NOT_FOUND: Final = 404


class Client:
    """Sends events of one app. Use one for the whole process: it is safe in threads.

    `url` is the server's address, `api_key` a key of the app. `timeout` is how long one
    attempt may take, and `patience` how long `send` tries in all, in seconds.

    What `enqueue` takes waits in memory, at most `most_waiting` events, or, with `spool`, in a
    file of that name, which outlives the process. `on_refused` is called, in another
    thread, for each of them that the server refuses; without it they are logged.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = 30.0,
        patience: float = 60.0,
        most_waiting: int = 10_000,
        spool: str | Path | None = None,
        on_refused: Callable[[Refusal], None] | None = None,
    ) -> None:
        self._transport = Transport(url, api_key, timeout)
        self._patience = patience
        self._most_waiting = most_waiting
        self._spool = spool
        self._on_refused = on_refused
        self._waiting = self._open_waiting()
        self._sender: BackgroundSender | None = None
        self._pid = os.getpid()
        self._mutex = threading.Lock()
        self._is_closed = False
        if spool is not None:
            # What an earlier process left goes out, also where nothing new comes.
            self._start_sender()

    def send(
        self, *events: Event | Iterable[Event], strict: bool = False
    ) -> list[Result]:
        """Send events and return what became of each, once all of them are stored.

        More than a request takes go as several. With `strict`, all are stored or none: then
        they have to fit one request, and a warning counts as a refusal.

        Raises `EventsRefusedError` where the server refused some (the others are stored),
        `RequestRefusedError` where it refuses the request, as for a wrong key, and
        `UnavailableError` where it did not answer for `patience` seconds: send the same
        events again then.
        """
        return self._send(_flatten(events), {"strict": "1"} if strict else None)

    def preview(self, *events: Event | Iterable[Event]) -> list[Mapping[str, Any]]:
        """Return, for each event, the exact records that would be sent. Nothing is stored.

        Raises as `send` does.
        """
        found: list[Mapping[str, Any]] = []
        bodies = [encode_event(each) for each in _flatten(events)]
        for batch in cut_into_batches(bodies):
            answer = self._transport.request(
                "POST",
                PATH,
                data=b'{"events":[' + b",".join(batch) + b"]}",
                params={"dry_run": "1"},
                patience=self._patience,
            )
            results, refusals = read_answer(answer.body)
            if refusals:
                raise EventsRefusedError(refusals, results)
            found += answer.body.get("results", ())
        return found

    def people(
        self,
        *people: Mapping[str, str] | Iterable[Mapping[str, str]],
        test: bool = False,
    ) -> list[Result]:
        """Say which IDs belong to one person, by provider: at a sign-up, at a login.

        Raises as `send` does.
        """
        rows = _flatten(people)
        more = {"test": True} if test else {}
        bodies = [
            json.dumps(
                {"identities": dict(row), **more}, separators=(",", ":")
            ).encode()
            for row in rows
        ]
        results: list[Result] = []
        refusals: list[Refusal] = []
        for first, batch in _number(cut_into_batches(bodies)):
            answer = self._transport.request(
                "PUT",
                "/v1/people",
                data=b'{"people":[' + b",".join(batch) + b"]}",
                patience=self._patience,
            )
            taken, refused = read_answer(answer.body, first)
            results, refusals = results + taken, refusals + refused
            if "results" not in answer.body:
                raise RequestRefusedError(
                    answer.status,
                    str(answer.body.get("title", "")),
                    str(answer.body.get("detail", "")),
                )
        if refusals:
            raise EventsRefusedError(refusals, results)
        return results

    def find_event(self, event_id: str) -> EventState | None:
        """Return what became of an event, or None where the app has none of that id."""
        try:
            answer = self._transport.request(
                "GET", f"{PATH}/{quote(event_id, safe='')}", patience=self._patience
            )
        except RequestRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return read_state(answer.body)

    def enqueue(self, event: Event, *, wait: float = 5.0) -> None:
        """Leave an event to the client, which sends it soon and until the server has it.

        Raises `QueueFullError` where no room came within `wait` seconds, `SpoolError` where
        the spool cannot be written, and `ValueError` after `close`.
        """
        if self._is_closed:
            message = "The client is closed: nothing more is sent."
            raise ValueError(message)
        body = encode_event(event, with_time=True)
        self._start_sender()
        if not self._waiting.add(body, wait):
            message = (
                f"{self._most_waiting} events wait already, and no room came within {wait:g} s. "
                "Wait, or give the event back to whoever sent it."
            )
            raise QueueFullError(message)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until nothing waits any more; return whether it is so."""
        return self._waiting.wait_until_empty(timeout)

    def close(self, timeout: float = 10.0) -> int:
        """Send what waits, for `timeout` seconds at most; return how many events are left.

        Those are lost, or stay in the spool. It is called at the process's end by itself.
        """
        with self._mutex:
            if self._is_closed or self._pid != os.getpid():
                return 0
            self._is_closed = True
        left = 0
        if self._sender is not None:
            self.flush(timeout)
            self._sender.stop()
            left = self._waiting.count()
            if left:
                what = "stay in the spool" if self._spool is not None else "are lost"
                logger.error("The client is closed: %d events %s", left, what)
        self._waiting.close()
        self._transport.close()
        atexit.unregister(self.close)
        return left

    def __enter__(self) -> "Client":  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(
        self, events: list[Event], params: Mapping[str, str] | None
    ) -> list[Result]:
        bodies = [encode_event(each) for each in events]
        batches = list(_number(cut_into_batches(bodies)))
        if params and len(batches) > 1:
            message = f"A strict request has {MOST_EVENTS} events and 1 MB at most."
            raise ValueError(message)
        results: list[Result] = []
        refusals: list[Refusal] = []
        for first, batch in batches:
            taken, refused = send_batch(
                self._transport,
                batch,
                patience=self._patience,
                params=params,
                offset=first,
            )
            results, refusals = results + taken, refusals + refused
        if refusals:
            raise EventsRefusedError(refusals, results)
        return results

    def _open_waiting(self) -> Waiting:
        if self._spool is None:
            return MemoryQueue(self._most_waiting)
        return DiskSpool(self._spool, self._most_waiting)

    def _start_sender(self) -> None:
        """See to it that this process has a thread. A fork takes none along."""
        if self._sender is not None and self._pid == os.getpid():
            return
        with self._mutex:
            if self._sender is not None and self._pid == os.getpid():
                return
            if self._pid != os.getpid():
                # What waited in memory is the parent's to send.
                self._pid, self._waiting = os.getpid(), self._open_waiting()
            self._sender = BackgroundSender(
                self._transport, self._waiting, self._on_refused
            )
            self._sender.start()
            atexit.register(self.close)


def _flatten(given: Iterable[Any]) -> list[Any]:
    """Return the items, of which lists may be among those that were given."""
    items: list[Any] = []
    for each in given:
        if isinstance(each, (Event, Mapping)):
            items.append(each)
        else:
            items.extend(each)
    return items


def _number(batches: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    """Yield each batch with the number of items before it."""
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)
