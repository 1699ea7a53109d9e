"""Sends referral events to the server, in batches, again and again until it has them.

    from referral_events import Client, Event, Person

    with Client("https://referrals.example.com", api_key) as client:
        client.send(Event(type="app_install", user=Person({"email": "ann@example.com"}),
                          referrer=Person({"email": "bob@example.com"})))

`Client` is all that one calls; `Event` and `Person` are what it takes, `Result` and
`Refusal` what it gives back, and every error is a `ClientError`.
"""

from referral_events.answers import EventState, Outcome, Refusal, Result
from referral_events.client import Client
from referral_events.errors import (
    ClientError,
    EventsRefusedError,
    InvalidEventError,
    QueueFullError,
    RequestRefusedError,
    SpoolError,
    UnavailableError,
)
from referral_events.events import LAST, Event, Person

__all__ = [
    "LAST",
    "Client",
    "ClientError",
    "Event",
    "EventState",
    "EventsRefusedError",
    "InvalidEventError",
    "Outcome",
    "Person",
    "QueueFullError",
    "Refusal",
    "RequestRefusedError",
    "Result",
    "SpoolError",
    "UnavailableError",
]
