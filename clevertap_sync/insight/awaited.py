"""What a record waits for whose person is not known, and until when. Never who that is."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings

from clevertap_sync.clevertap.identities import list_awaited_providers
from clevertap_sync.clevertap.mapping import MappingSettings, Unmappable
from clevertap_sync.clevertap.reasons import WAITING_FOR_REFERRER
from clevertap_sync.models import DeadLetter, WaitingRecord
from referrals import hashing
from referrals.schema import Event, find_sides
from referrals.vocabulary import Side

#: What a record waits for whose referrer is "last".
REFERRER: Final = ("referrer",)


class Awaited(NamedTuple):
    """What a record waits for: the providers of its IDs, or the referrer; and until when."""

    waits_for: tuple[str, ...]
    until: datetime


def find_awaited(
    app_id: int, letters: Iterable[DeadLetter], events: Mapping[int, Event]
) -> dict[int, Awaited]:
    """Return, by dead letter's ID, what each waits for. Without one that does, ask nothing.

    `events` are the letters' events, by position. An ID is told by its provider only, and
    only if the event itself carries it: a referrer who was decided meanwhile stays unsaid.
    """
    waiting = {
        each.pk: each for each in letters if each.state == DeadLetter.State.WAITING
    }
    if not waiting:
        return {}
    hashes: dict[int, set[str]] = defaultdict(set)
    since: dict[int, datetime] = {}
    rows = WaitingRecord.objects.filter(letter__in=list(waiting))
    for letter_id, hashed, began in rows.values_list("letter_id", "hash", "since"):
        hashes[letter_id] |= {hashed.hex} if hashed else set()
        since[letter_id] = min(began, since.get(letter_id, began))
    longest = timedelta(days=settings.WAIT_DAYS)
    return {
        pk: Awaited(
            _name_awaited(app_id, waiting[pk], events, hashes[pk]), began + longest
        )
        for pk, began in since.items()
    }


def preview_awaited(
    event: Event, value: Unmappable, rules: MappingSettings
) -> tuple[str, ...]:
    """Return what a side that waits would wait for."""
    if value.reason == WAITING_FOR_REFERRER:
        return REFERRER
    person = dict(find_sides(event))[value.side]
    return tuple(list_awaited_providers(person, rules.waits_for))


def _name_awaited(
    app_id: int,
    letter: DeadLetter,
    events: Mapping[int, Event],
    hashes: set[str],
) -> tuple[str, ...]:
    if letter.reason == WAITING_FOR_REFERRER:
        return REFERRER
    event = events.get(letter.position or 0)
    person = dict(find_sides(event)).get(Side(letter.side)) if event else None
    if person is None:
        return ()
    digest = hashing.make_identity_hasher(app_id)
    found = {
        provider.casefold()
        for provider, value in person.identities.items()
        if digest(provider, value) in hashes
    }
    return tuple(sorted(found))
