"""The filters of the list of events, as conditions on a bounded range of the log."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from django.db.models import QuerySet
from django.http import QueryDict

from clevertap_sync.models import DeadLetter, Integration
from referrals import log
from referrals.models import App, ReferralEvent
from referrals.schema import Event
from referrals.vocabulary import EventType, FraudStatus

#: The filters' names in a page's address, without the search.
NAMES: Final = ("type", "channel", "status", "kind", "day", "outcome")
#: An outcome to filter by: a record of the event fell out, and was not delivered.
NOT_DELIVERED: Final = "not_delivered"
#: Or: one of them waits for its user to be known.
WAITS: Final = "waits"
_KINDS: Final = {"test": True, "production": False}
_LONGEST: Final = 500
#: The next day is the last of the calendar.
_LAST_DAY: Final = datetime(9999, 12, 30, tzinfo=UTC)


def are_filters_used(asked: QueryDict) -> bool:
    """Return whether a filter or the search is used."""
    return any(asked.get(name, "").strip() for name in (*NAMES, "q"))


def filter_events(app: App, reach: range, asked: QueryDict) -> QuerySet[ReferralEvent]:
    """Return the events of `reach` that pass the filters. An unknown value is ignored."""
    rows = ReferralEvent.objects.filter(
        app=app, position__gte=reach.start, position__lt=reach.stop
    )
    if asked.get("type") in set(EventType):
        rows = rows.filter(type=asked["type"])
    if asked.get("status") in set(FraudStatus):
        rows = rows.filter(status=asked["status"])
    if (kind := asked.get("kind", "")) in _KINDS:
        rows = rows.filter(test=_KINDS[kind])
    if asked.get("outcome") == NOT_DELIVERED:
        rows = rows.filter(position__in=_find_undelivered_positions(app, reach))
    elif asked.get("outcome") == WAITS:
        waiting = _select_letters(app, reach).filter(state=DeadLetter.State.WAITING)
        rows = rows.filter(position__in=waiting.values_list("position", flat=True))
    channel = _text(asked, "channel")
    if channel:
        rows = rows.filter(channel__iexact=channel)
    identity = _text(asked, "q")
    if not identity:
        return rows
    # The identity as the body has it, with its quotes.
    return rows.filter(body__contains=json.dumps(identity, ensure_ascii=False))


def _find_undelivered_positions(
    app: App, reach: range
) -> QuerySet[DeadLetter, int | None]:
    """Return the positions with a record that fell out and was never delivered.

    What waits for its user, or did in vain, did not fall out.
    """
    letters = _select_letters(app, reach).filter(delivered_at=None)
    elsewhere = (
        *(DeadLetter.State.DELIVERED, DeadLetter.State.WAITING),
        DeadLetter.State.EXPIRED,
    )
    left = letters.exclude(state__in=elsewhere)
    return left.values_list("position", flat=True)


def _select_letters(app: App, reach: range) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(
        integration__in=Integration.objects.filter(app=app, archived_at=None),
        position__gte=reach.start,
        position__lt=reach.stop,
    )


def find_allowed_positions(app: App, head: int, asked: QueryDict) -> range:
    """Return the positions received on the chosen day (UTC); all without a day."""
    try:
        began = datetime.strptime(asked.get("day", ""), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return range(1, head + 1)
    began = min(began, _LAST_DAY)
    ended = began + timedelta(days=1)
    first = log.find_position(app.pk, began) + 1
    return range(first, log.find_position(app.pk, ended) + 1)


def filter_by_identity(
    events: Iterable[ReferralEvent], identity: str
) -> list[ReferralEvent]:
    """Return the events in which a side has exactly this identity."""
    return [event for event in events if identity in _identities(event)]


def decode_row(row: ReferralEvent) -> Event:
    """Return the content of a row of the log."""
    return _decoder.decode(row.body)


def _identities(row: ReferralEvent) -> set[str]:
    body = decode_row(row)
    people = (body.user, body.referrer)
    return {
        value for person in people if person for value in person.identities.values()
    }


def _text(asked: QueryDict, name: str) -> str:
    return asked.get(name, "").strip().replace("\0", "")[:_LONGEST]


_decoder = msgspec.json.Decoder(Event)
