"""Revivals: what waited for a person goes out, once somebody is known.

An integration has one replay of kind `people` at most. It runs while a waiting record of the
integration is matched; a step of `people` sets it running, and a claim that finds nothing
matched, or takes the last, ends it. Both hold the account's lock, so that no match is left behind.

A revival pins under which identity each record goes out (`Upload.identities`). So it goes
again byte for byte, whatever was learned since. What it takes waits no more: a record whose
pin cannot be used is mapped as any other, and may wait again.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN, SHARED_IDENTITY
from clevertap_sync.delivery import caution
from clevertap_sync.delivery.people.prompt_upload import build_upload
from clevertap_sync.delivery.people.waiting import stop_waiting
from clevertap_sync.delivery.sql import revival_rows
from clevertap_sync.delivery.sql.id_lists import make_id_list
from clevertap_sync.delivery.sql.revival_rows import MatchedRow
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


class Revival(NamedTuple):
    """An upload of what waited, not saved yet, and the letters that it takes.

    `gone`: the letters for which nobody waits any more, whether they go or not.
    `ended_replay`: the standing replay, where these are the last.
    """

    upload: Upload
    letters: list[int]
    gone: set[int]
    ended_replay: int | None


def choose_next_revival(
    integration: Integration,
    replay_id: int,
    now: datetime,
    *,
    goes_alone: bool,
    settings: Callable[[], dict[str, Any]],
) -> Revival | None:
    """Return the next upload of what waited and may go, and lock its letters; or None.

    One that is not full goes only alone (Nagle's rule): `goes_alone` says that no other
    revival of the integration has just left. `settings` builds the mapping settings. The
    caller holds the account's lock; it leases the upload, and then calls `take_letters`.
    Where nothing is left, the replay ends.
    """
    most = caution.choose_records_per_upload(integration)
    if not goes_alone and not revival_rows.has_matched_letters(integration.pk, most):
        return None
    while True:
        rows, has_more = revival_rows.lock_matched_letters(integration.pk, most)
        if not rows:
            Replay.objects.filter(pk=replay_id).update(state=Replay.State.DONE)
            return None
        pins, gone = _choose_pins(integration, rows, now)
        if pins:
            break
        stop_waiting(sorted(gone))
    letters = [row.letter for row in rows if row.pick in pins]
    upload = build_upload(integration, pins, now)
    upload.replay_id, upload.settings = replay_id, settings()
    upload.known_at = _choose_instant(upload, integration, Q(pk__in=letters))
    return Revival(upload, letters, gone, None if has_more else replay_id)


def take_letters(revival: Revival, now: datetime) -> None:
    """Let the upload, which is saved by now, have its letters."""
    revival_rows.take_letters(
        revival.upload.pk,
        revival.letters,
        revival.gone,
        ended_replay=revival.ended_replay,
        now=now,
    )
    failpoints.reach_failpoint(Place.REVIVAL_CLAIMED)


def choose_known_at(upload: Upload, integration: Integration) -> datetime | None:
    """Return the time under which a revival's records go out; None: when they happened.

    One instant for all of them: when the last of them became known.
    """
    taken = Q(replay_upload=upload.root_id or upload.pk)
    return _choose_instant(upload, integration, taken)


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
    parked = _park_letters(DeadLetter.objects.filter(pk__in=letters), now)
    WaitingRecord.objects.filter(letter__in=letters).delete()
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


def _choose_instant(
    upload: Upload, integration: Integration, letters: Q
) -> datetime | None:
    if upload.identities is None or integration.late_time != LateTime.KNOWN:
        return None
    known = DeadLetter.objects.filter(letters, integration=integration)
    return known.aggregate(at=Max("linked_at"))["at"] or upload.created_at


def _choose_pins(
    integration: Integration, rows: Sequence[MatchedRow], now: datetime
) -> tuple[dict[int, str], set[int]]:
    """Return pick → hash of the identity that it goes out under; and who waits no more.

    Whom a letter waits for may have changed since it was matched. Where it names two people
    by now, it names nobody for good; where nobody is known any more, it waits on, and is
    looked up once more: a step that runs at this moment may have found it matched. So it is
    while the app learns anew, until the letter's own event is passed again.
    """
    waiting = {row.letter for row in rows if row.waits}
    chosen = _choose_identities(integration, rows)
    left = {pk: choice for pk, choice in chosen.items() if pk in waiting}
    if shared := [pk for pk, choice in left.items() if choice is _Choice.SHARED]:
        DeadLetter.objects.filter(pk__in=shared).update(
            state=DeadLetter.State.EXPIRED,
            reason=SHARED_IDENTITY,
            detail="",
            changed_at=now,
        )
    if unknown := {pk for pk, choice in left.items() if choice is _Choice.UNKNOWN}:
        still = WaitingRecord.objects.filter(letter__in=make_id_list(unknown))
        still.update(matched=None, fresh=True)
    pins = {
        row.pick: choice
        for row in rows
        if isinstance(choice := left.get(row.letter), str)
    }
    return pins, chosen.keys() - unknown


def _choose_identities(
    integration: Integration, rows: Sequence[MatchedRow]
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
    integration: Integration, rows: Sequence[MatchedRow]
) -> dict[tuple[bool, UUID | None], Resolved]:
    found: dict[tuple[bool, UUID | None], Resolved] = {}
    for test in {row.test for row in rows}:
        hashes = {row.hash.hex for row in rows if row.test is test and row.hash}
        resolved = people.resolve(
            integration.app_id, hashes, integration.identity_provider, test=test
        )
        found |= {(test, UUID(each)): who for each, who in resolved.items()}
    return found


def _park_letters(letters: QuerySet[DeadLetter], now: datetime) -> int:
    return letters.update(
        state=DeadLetter.State.OPEN,
        reason=OUTCOME_UNKNOWN,
        detail=_PARKED,
        changed_at=now,
    )
