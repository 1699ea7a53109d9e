"""Dead letters: written when a record is refused, revived when a replay delivers it."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F, Value
from django.db.models.functions import Coalesce

from clevertap_sync.delivery.work import Undelivered
from clevertap_sync.insight import whereabouts
from clevertap_sync.insight.picks import read_position, read_side
from clevertap_sync.models import DeadLetter, Upload
from referrals import log
from referrals.vocabulary import Side

_CHUNK = 500
_LONGEST_NAME = DeadLetter._meta.get_field("event_name").max_length


def write_dead_letters(
    upload: Upload, refusals: Sequence[Undelivered], now: datetime
) -> None:
    """Write a dead letter for each undelivered record, or count one failure more on the old one."""
    known = _update_known_letters(upload, refusals, now) if refusals else set()
    new = [refusal for refusal in refusals if refusal.pick not in known]
    before = _find_first_deliveries(upload, [each.pick for each in new if each.pick])
    DeadLetter.objects.bulk_create(
        _make_letter(upload, refusal, now, before.get(refusal.pick)) for refusal in new
    )


def mark_delivered(upload: Upload, picks: Sequence[int], now: datetime) -> None:
    """Close the dead letters that a replay delivered."""
    if not upload.replay_id:
        return
    delivered = _find_letter_ids(upload, picks).values()
    DeadLetter.objects.filter(pk__in=list(delivered)).update(
        state=DeadLetter.State.DELIVERED,
        replay_upload=upload,
        changed_at=now,
        delivered_at=Coalesce(F("delivered_at"), Value(now)),
    )


def reopen_dead_letters(upload: Upload, picks: Sequence[int], now: datetime) -> None:
    """Open again the dead letters of a replay whose records the settings keep back."""
    if not upload.replay_id or not picks:
        return
    taken = _find_letter_ids(upload, picks).values()
    replaying = DeadLetter.objects.filter(state=DeadLetter.State.REPLAYING)
    replaying.filter(pk__in=list(taken)).update(
        state=DeadLetter.State.OPEN, changed_at=now
    )


def _update_known_letters(
    upload: Upload, refusals: Sequence[Undelivered], now: datetime
) -> set[int | None]:
    known = _find_letter_ids(upload, [r.pick for r in refusals if r.pick is not None])
    # The books of the log and those of replays are apart: each letter keeps its origin.
    origin = {"replay_upload": upload} if upload.replay_id else {"upload": upload}
    for refusal in refusals:
        if refusal.pick not in known:
            continue
        DeadLetter.objects.filter(pk=known[refusal.pick]).update(
            **origin,
            state=DeadLetter.State.OPEN,
            reason=refusal.reason,
            detail=refusal.detail[:500],
            event_name=refusal.name[:_LONGEST_NAME],
            failures=F("failures") + 1,
            changed_at=now,
        )
    return set(known)


def _find_first_deliveries(
    upload: Upload, picks: Sequence[int]
) -> dict[int | None, datetime]:
    """Return pick → when CleverTap first accepted a record that fell out of this replay.

    A record without a dead letter was kept back or accepted in each earlier upload.
    """
    if not upload.replay_id or not picks:
        return {}
    integration, positions = upload.integration, {read_position(pick) for pick in picks}
    found = whereabouts.find_records(integration.app_id, [integration], positions)
    events = log.read_positions(integration.app_id, positions)
    event_at = {logged.position: logged.event for logged in events}
    before: dict[int | None, datetime] = {}
    for pick in picks:
        event = event_at.get(read_position(pick))
        place = (integration.pk, pick)
        accepting = (
            found.list_accepting_uploads(place, event, read_side(pick)) if event else []
        )
        others = (each for each in accepting if each.replay_id != upload.replay_id)
        times = [each.settled_at for each in others if each.settled_at]
        if times:
            before[pick] = min(times)
    return before


def _find_letter_ids(upload: Upload, picks: Sequence[int]) -> dict[int | None, int]:
    """Return pick → ID of the dead letter, for those records that have one."""
    wanted = set(picks)
    found: dict[int | None, int] = {}
    positions = sorted({read_position(pick) for pick in picks})
    for start in range(0, len(positions), _CHUNK):
        rows = DeadLetter.objects.filter(
            integration_id=upload.integration_id,
            position__in=positions[start : start + _CHUNK],
        ).values_list("position", "side", "pk")
        for position, side, pk in rows:
            pick = int(position or 0) * 2 + (side == Side.GENERATED)
            if pick in wanted:
                found[pick] = pk
    return found


def _make_letter(
    upload: Upload, refusal: Undelivered, now: datetime, delivered_at: datetime | None
) -> DeadLetter:
    pick = refusal.pick
    return DeadLetter(
        integration_id=upload.integration_id,
        upload=upload,
        position=None if pick is None else read_position(pick),
        side="" if pick is None else read_side(pick),
        event_name=refusal.name[:_LONGEST_NAME],
        reason=refusal.reason,
        detail=refusal.detail[:500],
        delivered_at=delivered_at,
        created_at=now,
        changed_at=now,
    )
