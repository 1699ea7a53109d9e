"""The client: `send` waits for the answer, `enqueue` leaves it to a thread."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from referral_events.answers import (
    EventState,
    Refusal,
    Result,
    read_rows,
    read_state,
)
from referral_events.batches import (
    MOST_EVENTS,
    cut_into_batches,
    encode_event,
    encode_person,
)
from referral_events.delivery import (
    PREVIEW,
    SEND,
    SEND_STRICTLY,
    TELL_PEOPLE,
    Call,
    Row,
    send_batch,
)
from referral_events.errors import EventsRefusedError, RequestRefusedError
from referral_events.events import Event
from referral_events.outbox import Outbox
from referral_events.responses import refuse
from referral_events.transport import Transport

_NOT_FOUND: Final = "not-found"


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
        self._outbox = Outbox(
            # A transport of its own, whose attempts are ended when it is closed.
            Transport(url, api_key, timeout),
            most=most_waiting,
            spool=spool,
            on_refused=on_refused,
        )

    def send(
        self, *events: Event | Iterable[Event], strict: bool = False
    ) -> list[Result]:
        """Send events and return what became of each, once all of them are stored.

        More than a request takes go as several. With `strict`, all are stored or none: then
        they have to fit one request, and a warning counts as a refusal.

        Raises `InvalidEventError` before anything is sent where something is no event,
        `EventsRefusedError` where the server refused some (the others are stored),
        `RequestRefusedError` where it refuses the request, as for a wrong key, and
        `UnavailableError` where it did not answer for `patience` seconds: send the same
        events again then.
        """
        call = SEND_STRICTLY if strict else SEND
        bodies = [encode_event(each) for each in _flatten(events)]
        return self._deliver(call, bodies)[0]

    def preview(self, *events: Event | Iterable[Event]) -> list[Mapping[str, Any]]:
        """Return, for each event, the exact records that would be sent. Nothing is stored.

        Raises as `send` does.
        """
        bodies = [encode_event(each) for each in _flatten(events)]
        return self._deliver(PREVIEW, bodies)[1]

    def people(
        self,
        *people: Mapping[str, str] | Iterable[Mapping[str, str]],
        test: bool = False,
    ) -> list[Result]:
        """Say which IDs belong to one person, by provider: at a sign-up, at a login.

        Raises as `send` does.
        """
        bodies = [encode_person(each, test=test) for each in _flatten(people)]
        return self._deliver(TELL_PEOPLE, bodies)[0]

    def find_event(self, event_id: str) -> EventState | None:
        """Return what became of an event, or None where the app has none of that id."""
        path = f"{SEND.path}/{quote(event_id, safe='')}"
        try:
            answer = self._transport.request("GET", path, patience=self._patience)
        except RequestRefusedError as error:
            if error.problem == _NOT_FOUND:
                return None
            raise
        try:
            return read_state(answer.body)
        except (KeyError, TypeError, AttributeError):
            raise refuse(answer) from None

    def enqueue(self, event: Event, *, wait: float = 5.0) -> None:
        """Leave an event to the client, which sends it soon and until the server has it.

        Raises `InvalidEventError` where it is none, `QueueFullError` where no room came
        within `wait` seconds, `SpoolError` where the spool cannot be written, and
        `ValueError` after `close`.
        """
        self._outbox.add(encode_event(event, with_time=True), wait)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until nothing waits any more; return whether it is so."""
        return self._outbox.flush(timeout)

    def close(self, timeout: float = 10.0) -> int:
        """Send what waits, for `timeout` seconds at most; return how many events are left.

        Those are lost, or stay in the spool. It is called by itself where the process ends
        in order, and not where a signal kills it or `os._exit` is called.
        """
        left = self._outbox.close(timeout)
        self._transport.close()
        return left

    def __enter__(self) -> "Client":  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _deliver(
        self, call: Call, bodies: list[bytes]
    ) -> tuple[list[Result], list[Row]]:
        """Return the results of these items and what they were read from."""
        batches = list(cut_into_batches(bodies))
        if call.is_whole and len(batches) > 1:
            message = f"A strict request has {MOST_EVENTS} events and 1 MB at most."
            raise ValueError(message)
        rows: list[Row] = []
        for batch in batches:
            rows += send_batch(
                self._transport,
                call,
                batch,
                patience=self._patience,
                offset=len(rows),
            )
        results, refusals = read_rows(rows)
        if refusals:
            raise EventsRefusedError(refusals, results)
        return results, rows


def _flatten(given: Iterable[Any]) -> list[Any]:
    """Return the items, of which lists may be among those that were given."""
    items: list[Any] = []
    for each in given:
        if isinstance(each, Event | Mapping | str | bytes):
            items.append(each)
        else:
            items.extend(each)
    return items
