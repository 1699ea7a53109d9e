"""Replays: a person orders that a range, or dead letters, are sent again.

A replay has a cursor of its own, so that it never holds back live events. What fails
again is the same dead letter with one failure more.

The one replay that no person orders sends what waited for a person: see `revival`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from clevertap_sync.clevertap.reasons import EXPIRED, OUTCOME_UNKNOWN, WAITING
from clevertap_sync.delivery import caution
from clevertap_sync.insight.mapping_settings import build_settings
from clevertap_sync.insight.picks import make_pick, read_position
from clevertap_sync.models import DeadLetter, Integration, Replay, Upload, WaitingRecord
from clevertap_sync.process import clock
from referrals.vocabulary import Side

#: The warning before a person orders what CleverTap may have stored already.
COUNTS_TWICE: Final = (
    "CleverTap does not recognise repeats: what it has already stored, it will count "
    "twice."
)
#: What an order takes that names a reason of what waits, or letters themselves.
_STATES_BY_NAME: Final = (
    DeadLetter.State.OPEN,
    DeadLetter.State.WAITING,
    DeadLetter.State.EXPIRED,
)


def find_open_letters(
    integration: Integration, reasons: Sequence[str], selection: Sequence[int] = ()
) -> QuerySet[DeadLetter]:
    """Return the dead letters that a replay would take, in log order.

    They are open ones. What waits for a person, or has waited in vain, is nobody's problem:
    only an order that names its reason, or the letter itself, takes it. What was found in
    CleverTap goes only if the letter itself is named.
    """
    letters = DeadLetter.objects.filter(integration=integration, position__gt=0)
    if selection or not (WAITING | EXPIRED).isdisjoint(reasons):
        letters = letters.filter(state__in=_STATES_BY_NAME)
    else:
        # One state alone has an index of its own.
        letters = letters.filter(state=DeadLetter.State.OPEN)
    if reasons:
        letters = letters.filter(reason__in=reasons)
    if selection:
        letters = letters.filter(pk__in=selection)
    else:
        letters = letters.exclude(found=DeadLetter.Found.FOUND)
    return letters.order_by("position", "side")


def may_count_twice(letters: QuerySet[DeadLetter]) -> bool:
    """Return whether CleverTap may have stored one of these dead letters' records."""
    doubtful = letters.filter(reason=OUTCOME_UNKNOWN)
    return doubtful.exclude(found=DeadLetter.Found.NOT_FOUND).exists()


def find_not_found(integration: Integration) -> QuerySet[DeadLetter]:
    """Return the dead letters of unknown outcome that CleverTap's counts have not got."""
    doubtful = find_open_letters(integration, [OUTCOME_UNKNOWN])
    return doubtful.filter(found=DeadLetter.Found.NOT_FOUND)


def count_found(
    integration: Integration, reasons: Sequence[str], selection: Sequence[int] = ()
) -> int:
    """Count the letters found in CleverTap: of the selection, or those that are left out."""
    if reasons and OUTCOME_UNKNOWN not in reasons:
        return 0
    open_letters = DeadLetter.objects.open().filter(
        integration=integration, reason=OUTCOME_UNKNOWN, found=DeadLetter.Found.FOUND
    )
    if selection:
        open_letters = open_letters.filter(pk__in=selection)
    return open_letters.count()


def say_what_was_found(found: int, *, are_chosen: bool) -> list[str]:
    """Return the sentence about letters that were found in CleverTap, if there are any."""
    if not found:
        return []
    was, stay = ("was", "stays") if found == 1 else ("were", "stay")
    follows = "would count twice" if are_chosen else f"{stay} here"
    return [f"{found:,} of unknown outcome {was} found in CleverTap, and {follows}."]


def replay_letters(
    integration: Integration,
    *,
    reasons: Sequence[str] = (),
    selection: Sequence[int] = (),
    created_by: str = "",
) -> Replay:
    """Order the integration's open dead letters to be sent again."""
    planned = find_open_letters(integration, reasons, selection).count()
    return Replay.objects.create(
        integration=integration,
        reasons=list(reasons),
        selection=list(selection),
        planned=planned,
        created_by=created_by,
        created_at=clock.read_now(),
    )


def replay_range(
    integration: Integration, *, first: int, last: int, created_by: str = ""
) -> Replay:
    """Order positions first … last to be sent again. CleverTap will count them twice.

    Positions beyond the integration's cursor are left out: the log's own uploads cover them.
    """
    last = min(last, integration.cursor)
    return Replay.objects.create(
        integration=integration,
        first=first,
        last=last,
        cursor=first - 1,
        planned=max(0, last - first + 1),
        created_by=created_by,
        created_at=clock.read_now(),
        state=Replay.State.RUNNING if last >= first else Replay.State.DONE,
    )


def cancel_replay(replay_id: int) -> None:
    """Hand nothing more of a replay to uploads. Uploads under way are finished."""
    running = Replay.objects.filter(pk=replay_id, state=Replay.State.RUNNING)
    running.exclude(kind=Replay.Kind.PEOPLE).update(state=Replay.State.CANCELLED)


def take_next_upload(integration: Integration, now: datetime) -> Upload | None:
    """Return the next upload of the oldest running replay that a person ordered, saved or not.

    The caller holds the account's lock and leases the upload.
    """
    running = Replay.objects.filter(integration=integration, state=Replay.State.RUNNING)
    for replay in running.exclude(kind=Replay.Kind.PEOPLE).order_by("pk"):
        upload = _make_next_upload(replay, integration, now)
        if upload is not None:
            return upload
        replay.state = Replay.State.DONE
        replay.save(update_fields=["state"])
    return None


def _make_next_upload(
    replay: Replay, integration: Integration, now: datetime
) -> Upload | None:
    if replay.last is None:
        return _make_upload_of_letters(replay, integration, now)
    most = caution.choose_events_per_upload(integration)
    first, last = replay.cursor + 1, min(replay.cursor + most, replay.last)
    if first > last:
        return None
    replay.cursor = last
    replay.save(update_fields=["cursor"])
    return _make_upload(replay, integration, first, last, now)


def _make_upload_of_letters(
    replay: Replay, integration: Integration, now: datetime
) -> Upload | None:
    """Take the next letters that fill an upload, but none that failed again since the order."""
    letters = find_open_letters(integration, replay.reasons, replay.selection)
    # Both sides of a position need not fit into one upload: its cursor is not passed by.
    ahead = letters.filter(position__gte=replay.cursor)
    most = caution.choose_records_per_upload(integration)
    found = list(ahead.filter(changed_at__lte=replay.created_at)[:most])
    if not found:
        return None
    replay.cursor = int(found[-1].position or 0)
    replay.save(update_fields=["cursor"])
    picks = sorted(
        make_pick(int(letter.position or 0), Side(letter.side)) for letter in found
    )
    upload = _make_upload(
        replay, integration, read_position(picks[0]), read_position(picks[-1]), now
    )
    upload.picks, upload.covers = picks, len(picks)
    upload.save()
    # The letters before what they wait for, as by all that write both.
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in found]).update(
        state=DeadLetter.State.REPLAYING, replay_upload=upload, changed_at=now
    )
    waited = [each.pk for each in found if each.state == DeadLetter.State.WAITING]
    if waited:
        WaitingRecord.objects.filter(letter__in=waited).delete()
    return upload


def _make_upload(
    replay: Replay, integration: Integration, first: int, last: int, now: datetime
) -> Upload:
    return Upload(
        integration=integration,
        replay=replay,
        first=first,
        last=last,
        settings=build_settings(integration),
        created_at=now,
        due_at=now,
    )
