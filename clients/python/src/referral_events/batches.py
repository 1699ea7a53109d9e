"""Events as JSON texts, and how many of them go into one request.

The limits are the API's: 1,000 events, 1 MB. A request that the server calls too large all
the same (many values, a smaller limit of a proxy) is halved.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from typing import Any, Final

from referral_events.errors import InvalidEventError
from referral_events.events import Event, make_json

MOST_EVENTS: Final = 1_000
#: Of the megabyte that is allowed, with room for the list around the events.
MOST_BYTES: Final = 1_000_000


def encode_event(event: object, *, with_time: bool = False) -> bytes:
    """Return the event as JSON. `with_time` puts in the present where it has no time.

    Raises `InvalidEventError` where JSON has no form for it, or no request has room.
    """
    if not isinstance(event, Event):
        message = f"An Event is needed, and no {type(event).__name__}."
        raise InvalidEventError(message)
    if with_time and event.occurred_at is None:
        event = replace(event, occurred_at=datetime.now(timezone.utc))  # noqa: UP017 - Python 3.10
    try:
        return _encode(make_json(event))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        message = f"Event {event.id!r} cannot be sent: {error}"
        raise InvalidEventError(message) from None


def encode_person(identities: Mapping[str, str], *, test: bool) -> bytes:
    """Return who is who as JSON. Raises `InvalidEventError` where there is no form for it."""
    more = {"test": True} if test else {}
    try:
        return _encode({"identities": dict(identities), **more})
    except (TypeError, ValueError, RecursionError) as error:
        message = f"A person's identities cannot be sent: {type(error).__name__}."
        raise InvalidEventError(message) from None


def cut_into_batches(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the bodies in order, as many at a time as one request takes."""
    first = 0
    while first < len(bodies):
        length = count_that_fit(bodies[first : first + MOST_EVENTS])
        yield bodies[first : first + length]
        first += length


def count_that_fit(bodies: Sequence[bytes]) -> int:
    """Return how many of the first bodies go into one request: at least one, if there is one."""
    size = 0
    for number, body in enumerate(islice(bodies, MOST_EVENTS)):
        size += len(body) + 1
        if number and size > MOST_BYTES:
            return number
    return min(len(bodies), MOST_EVENTS)


def join_batch(bodies: Sequence[bytes], items: str = "events") -> bytes:
    """Return the body of a request with these events, or people."""
    return b'{"%s":[%s]}' % (items.encode(), b",".join(bodies))


def _encode(value: Mapping[str, Any]) -> bytes:
    body = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    if len(body) > MOST_BYTES:
        message = f"it is {len(body):,} bytes long, and the server takes 32 KB."
        raise ValueError(message)
    return body
