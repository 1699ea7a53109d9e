"""Removes from the log: old events by retention, people by erasure."""

import secrets
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from referrals import fraud, hashing
from referrals.fraud import FraudReason
from referrals.log.reader import find_tail, read_head
from referrals.log.rows import build_row
from referrals.log.sightings import remove_sightings_at
from referrals.models import ReferralEvent, Sighting
from referrals.schema import Event, Person

BATCH = 1000

_CHUNK = 500
_ERASED = Person(erased=True)
# A shorter text stands in others by accident.
_TELLING_CHARACTERS = 4

_decode = msgspec.json.Decoder(Event).decode


def trim_log(
    app_id: int, before: int, *, first: int | None = None, limit: int = BATCH
) -> int:
    """Remove up to `limit` events below the position `before`; return how many.

    The newest event always stays, because the next one is numbered after it. Call it
    again while it returns `limit`, with `first` higher by that each time: the first position
    that may be there still. To look for it, and to remove without one, a database passes
    all that was removed since it was last vacuumed. A removed event is accepted anew when it
    is sent again.
    """
    if first is None:
        first = find_tail(app_id)
    end = min(before, read_head(app_id), first + limit)
    if first >= end:
        return 0
    rows = ReferralEvent.objects.filter(app_id=app_id)
    removed, _ = rows.filter(position__gte=first, position__lt=end).delete()
    return removed


def erase_people(
    app_id: int,
    positions: Collection[int],
    *,
    is_meant: Callable[[Person], bool] = lambda _: True,
) -> int:
    """Remove people from the events at `positions`; return how many events changed.

    Each side of an event that `is_meant` accepts loses identities and signals. The event
    loses its content, event data, metadata, fingerprint and request, which may tell of the
    person, and its sightings. The other side stays. Type, name, times, channel and status stay,
    and so does the id, unless one of the person's identities stands in it. Without a
    fingerprint, the event is a duplicate when it is sent again, also with other content.
    Erasing twice changes nothing more.
    """
    changed = 0
    ordered = sorted(positions)
    for start in range(0, len(ordered), _CHUNK):
        with transaction.atomic():
            changed += _erase_chunk(app_id, ordered[start : start + _CHUNK], is_meant)
    return changed


def remove_sightings(before: datetime, *, limit: int = BATCH) -> int:
    """Remove about `limit` sightings from before an instant; return how many.

    Those of one instant go together. Call it again while it returns anything.
    """
    old = Sighting.objects.filter(seen_at__lt=before)
    instants = old.order_by("seen_at").values_list("seen_at", flat=True)
    found = list(instants[:limit])
    if not found:
        return 0
    removed, _ = old.filter(seen_at__lte=found[-1]).delete()
    return removed


def _erase_chunk(
    app_id: int, positions: list[int], is_meant: Callable[[Person], bool]
) -> int:
    rows = ReferralEvent.objects.filter(app_id=app_id)
    # Locked: another erasure may take the other side out of the same event.
    locked = rows.select_for_update().filter(position__in=positions)
    found = list(locked.order_by("position").values_list("position", "body"))
    hash_signal = hashing.make_signal_hasher(app_id)
    gone: set[tuple[str, str]] = set()
    changed = 0
    for position, body in found:
        event = _decode(body)
        kept = _take_out(event, is_meant)
        if kept is not event:
            changed += 1
            gone.update(_find_sightings_of_gone(event, kept, hash_signal))
            _rewrite(rows.filter(position=position), kept)
    remove_sightings_at(app_id, gone)
    return changed


def _rewrite(rows: QuerySet[ReferralEvent], kept: Event) -> None:
    row = build_row(kept, "", "")
    rows.update(
        key=row.key,
        channel=row.channel,
        body=bytes(row.body).decode(),
        request_id=row.request_id,
        fingerprint=None,
    )


def _take_out(event: Event, is_meant: Callable[[Person], bool]) -> Event:
    """Return the event without the people that `is_meant` accepts; unchanged without one."""
    gone = [
        person
        for person in (event.user, event.referrer)
        if person and not person.erased and is_meant(person)
    ]
    if not gone:
        return event
    return msgspec.structs.replace(
        event,
        id=f"erased-{secrets.token_hex(16)}"
        if _is_mentioned(gone, event.id)
        else event.id,
        user=_ERASED if event.user in gone else event.user,
        referrer=_ERASED if event.referrer in gone else event.referrer,
        channel=None if _is_mentioned(gone, event.channel) else event.channel,
        content=None,
        event_data={},
        metadata={},
    )


def _is_mentioned(people: list[Person], text: str | None) -> bool:
    """Return whether an identity of one of `people` stands in a text that is kept."""
    folded = (text or "").casefold()
    return any(
        len(identity) >= _TELLING_CHARACTERS and identity.casefold() in folded
        for person in people
        for identity in person.identities.values()
    )


def _find_sightings_of_gone(
    event: Event, kept: Event, hash_signal: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    """Yield the mark and value of the event's sightings that tell of the erased people.

    A device is the user's. An address together with a referrer tells of both.
    """
    user_is_gone = event.user != kept.user
    for seen in fraud.find_sightings(event, hash_signal):
        is_install = seen.meaning is FraudReason.INSTALLS_FROM_SAME_IP
        if user_is_gone or is_install:
            yield seen.mark, seen.value
        if is_install:
            # The release before kept one for all installs, with the mark as its value.
            yield seen.mark, seen.mark
