"""Revivals: what waited for a person goes out, once somebody is known.

An integration has one replay of kind `people` at most. It runs while a waiting record of the
integration is matched; a step of `people` sets it running, and a claim that finds nothing
matched ends it. Both hold the account's lock, so that no match is left behind.

A revival pins under which identity each record goes out (`Upload.identities`). So it goes
again byte for byte, whatever was learned since. What it takes waits no more: a record whose
pin cannot be used is mapped as any other, and may wait again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Max, QuerySet

from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN, SHARED_IDENTITY
from clevertap_sync.delivery import caution
from clevertap_sync.delivery.sql.id_lists import make_id_list
from clevertap_sync.insight.mapping_settings import build_settings
from clevertap_sync.insight.picks import read_position
from clevertap_sync.models import (
    DeadLetter,
    Integration,
    LateTime,
    Replay,
    Upload,
    WaitingRecord,
)
from referrals import failpoints, people
from referrals.failpoints import Place
from referrals.people import Resolved

_PARKED: Final = (
    "A backup was restored, and nobody knows what was sent after it was made."
)


class _Choice(Enum):
    """Why a matched letter does not go."""

    SHARED = auto()
    UNKNOWN = auto()


class _Row(NamedTuple):
    """What of a waiting record is read: its letter's ID, and whom it waits for."""

    letter: int
    pick: int
    test: bool
    hash: UUID | None


class _Pin(NamedTuple):
    """A letter, and the hash of the identity that its record goes out under."""

    letter_id: int
    hash: str


def take_next_revival(
    integration: Integration, now: datetime, *, goes_alone: bool
) -> Upload | None:
    """Return the next upload of what waited and may go, saved; or None.

    One that is not full goes only alone (Nagle's rule): `goes_alone` says that no other
    revival of the integration has just left. The caller holds the account's lock and leases
    the upload.
    """
    running = Replay.objects.filter(
        integration=integration,
        kind=Replay.Kind.PEOPLE,
        state=Replay.State.RUNNING,
    ).first()
    most = caution.choose_records_per_upload(integration)
    while running is not None:
        ids = _find_matched_letters(integration, most)
        if not ids:
            running.state = Replay.State.DONE
            running.save(update_fields=["state"])
            return None
        if len(ids) < most and not goes_alone:
            return None
        if pins := _take_letters(integration, ids, now):
            return _make_revival(running, integration, pins, now)
    return None


def choose_known_at(upload: Upload, integration: Integration) -> datetime | None:
    """Return the time under which a revival's records go out; None: when they happened.

    One instant for all of them: when the last of them became known.
    """
    if upload.identities is None or integration.late_time != LateTime.KNOWN:
        return None
    known = DeadLetter.objects.filter(
        integration=integration, replay_upload=upload.root_id or upload.pk
    )
    return known.aggregate(at=Max("linked_at"))["at"] or upload.created_at


def park_revivals(integration: Integration, now: datetime) -> int:
    """Park what a restored backup may have sent already; return the number of records.

    Uploads that are open were perhaps answered, and what is matched left at once, in the
    database that this one replaces. A person decides whether they go again. The caller holds
    the account's lock.
    """
    matched = WaitingRecord.objects.filter(
        integration=integration, matched__isnull=False
    )
    letters = list(matched.values_list("letter_id", flat=True).distinct())
    WaitingRecord.objects.filter(letter__in=letters).delete()
    parked = _park_letters(DeadLetter.objects.filter(pk__in=letters), now)
    revivals = Upload.objects.open().filter(
        integration=integration, identities__isnull=False
    )
    for upload in revivals:
        taken = DeadLetter.objects.filter(
            state=DeadLetter.State.REPLAYING,
            replay_upload=upload.root_id or upload.pk,
        )
        parked += _park_letters(taken, now)
        count = len(upload.picks or ())
        Upload.objects.filter(pk=upload.pk).update(
            state=Upload.State.SETTLED,
            records=count,
            dead=count,
            identities=None,
            leased_until=None,
            settled_at=now,
        )
    return parked


def _find_matched_letters(integration: Integration, most: int) -> list[int]:
    """Return the IDs of the next `most` letters whose person is known, in log order."""
    matched = WaitingRecord.objects.filter(
        integration=integration, matched__isnull=False
    )
    # A letter that waits for several IDs may have several rows that match.
    rows = matched.order_by("pick").values_list("letter_id", flat=True)
    found = dict.fromkeys(rows[: 2 * most])
    return list(found)[:most]


def _take_letters(
    integration: Integration, ids: Sequence[int], now: datetime
) -> dict[int, _Pin]:
    """Take letters out of waiting, and return pick → pin of those that go.

    Whom a letter waits for may have changed since it was matched. Where it names two people
    by now, it names nobody for good; where nobody is known any more, it waits on, and is
    looked up once more: a step that runs at this moment may have found it matched. So it is
    while the app learns anew, until the letter's own event is passed again.
    """
    locked = DeadLetter.objects.select_for_update(no_key=True).order_by("pk")
    found = locked.filter(pk__in=make_id_list(ids), state=DeadLetter.State.WAITING)
    waiting = set(found.values_list("pk", flat=True))
    all_rows = WaitingRecord.objects.filter(letter__in=make_id_list(ids))
    columns = all_rows.order_by("pick", "pk").values_list(*_Row._fields)
    rows = [_Row(*values) for values in columns]
    chosen = _choose_identities(integration, rows)
    left = {pk: choice for pk, choice in chosen.items() if pk in waiting}
    shared = [pk for pk, choice in left.items() if choice is _Choice.SHARED]
    DeadLetter.objects.filter(pk__in=shared).update(
        state=DeadLetter.State.EXPIRED,
        reason=SHARED_IDENTITY,
        detail="",
        changed_at=now,
    )
    unknown = [pk for pk, choice in left.items() if choice is _Choice.UNKNOWN]
    all_rows.filter(letter__in=unknown).update(matched=None, fresh=True)
    all_rows.exclude(letter__in=unknown).delete()
    return {
        row.pick: _Pin(row.letter, choice)
        for row in rows
        if isinstance(choice := left.get(row.letter), str)
    }


def _choose_identities(
    integration: Integration, rows: Sequence[_Row]
) -> dict[int, str | _Choice]:
    """Return letter → hash of the identity that it goes out under, or why it does not go."""
    # Before anything is resolved: what is learned meanwhile is more, and never less.
    cursor = people.find_cursor(integration.app_id)
    resolved = _resolve_rows(integration, rows)
    by_letter: defaultdict[int, list[Resolved | None]] = defaultdict(list)
    for row in rows:
        is_passed = cursor is None or read_position(row.pick) <= cursor
        found = resolved.get((row.test, row.hash)) if is_passed else None
        by_letter[row.letter].append(found)
    return {letter: _choose_identity(found) for letter, found in by_letter.items()}


def _choose_identity(found: Sequence[Resolved | None]) -> str | _Choice:
    """Choose by all that a letter waits for: an ID that is shared says nothing."""
    known = [each for each in found if each is not None and not each.is_shared]
    named = {each.hash if each.person is None else each.person for each in known}
    if len(named) == 1:
        return known[0].hash
    if named or all(each is not None for each in found):
        return _Choice.SHARED
    return _Choice.UNKNOWN


def _resolve_rows(
    integration: Integration, rows: Sequence[_Row]
) -> dict[tuple[bool, UUID | None], Resolved]:
    found: dict[tuple[bool, UUID | None], Resolved] = {}
    for test in {row.test for row in rows}:
        hashes = {row.hash.hex for row in rows if row.test is test and row.hash}
        resolved = people.resolve(
            integration.app_id, hashes, integration.identity_provider, test=test
        )
        found |= {(test, UUID(each)): who for each, who in resolved.items()}
    return found


def _make_revival(
    replay: Replay, integration: Integration, pins: Mapping[int, _Pin], now: datetime
) -> Upload:
    picks = sorted(pins)
    upload = Upload(
        integration=integration,
        replay=replay,
        first=read_position(picks[0]),
        last=read_position(picks[-1]),
        picks=picks,
        identities={str(pick): pins[pick].hash for pick in picks},
        covers=len(picks),
        settings=build_settings(integration),
        created_at=now,
        due_at=now,
    )
    upload.save()
    taken = make_id_list(pin.letter_id for pin in pins.values())
    DeadLetter.objects.filter(pk__in=taken).update(
        state=DeadLetter.State.REPLAYING, replay_upload=upload, changed_at=now
    )
    upload.known_at = choose_known_at(upload, integration)
    failpoints.reach_failpoint(Place.REVIVAL_CLAIMED)
    return upload


def _park_letters(letters: QuerySet[DeadLetter], now: datetime) -> int:
    return letters.update(
        state=DeadLetter.State.OPEN,
        reason=OUTCOME_UNKNOWN,
        detail=_PARKED,
        changed_at=now,
    )
