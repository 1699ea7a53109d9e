"""Events as JSON texts, and how many of them go into one request.

The limits are the API's: 1,000 events, 1 MB. A request that the server calls too large all
the same (many values, a smaller limit of a proxy) is halved.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Final

from referral_events.events import Event, make_json

MOST_EVENTS: Final = 1_000
#: Of the megabyte that is allowed, with room for the list around the events.
MOST_BYTES: Final = 1_000_000
_OPENING: Final = b'{"events":['
_CLOSING: Final = b"]}"


def encode_event(event: Event, *, with_time: bool = False) -> bytes:
    """Return the event as JSON. `with_time` puts in the present where it has no time.

    Raises `ValueError` and `TypeError` for what JSON has no form for.
    """
    if with_time and event.occurred_at is None:
        event = replace(event, occurred_at=datetime.now(timezone.utc))  # noqa: UP017 - Python 3.10
    body = json.dumps(make_json(event), separators=(",", ":"), allow_nan=False)
    return body.encode()


def cut_into_batches(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the bodies in order, as many at a time as one request takes."""
    first = 0
    while first < len(bodies):
        length = count_that_fit(bodies[first:])
        yield bodies[first : first + length]
        first += length


def count_that_fit(bodies: Sequence[bytes]) -> int:
    """Return how many of the first bodies go into one request: at least one, if there is one."""
    size = 0
    for number, body in enumerate(bodies[:MOST_EVENTS]):
        size += len(body) + 1
        if number and size > MOST_BYTES:
            return number
    return min(len(bodies), MOST_EVENTS)


def join_batch(bodies: Sequence[bytes]) -> bytes:
    """Return the body of a request with these events."""
    return _OPENING + b",".join(bodies) + _CLOSING
