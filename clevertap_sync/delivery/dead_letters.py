"""Dead letters: written when a record is refused, revived when a replay delivers it.

A letter that waits for a person has its `WaitingRecord` rows for as long as it does: what
takes it out of that state removes them in the same transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F

from clevertap_sync.clevertap import reasons
from clevertap_sync.delivery.people.waiting import Wait, begin_waiting, stop_waiting
from clevertap_sync.delivery.sql import revival_rows
from clevertap_sync.delivery.sql.id_lists import make_id_list
from clevertap_sync.delivery.sql.new_letters import NewLetter, insert_letters
from clevertap_sync.delivery.work import Undelivered
from clevertap_sync.insight import whereabouts
from clevertap_sync.insight.picks import read_position, read_side
from clevertap_sync.models import DeadLetter, Upload
from referrals import log
from referrals.vocabulary import Side

_LONGEST_NAME = DeadLetter._meta.get_field("event_name").max_length


class _Letter(NamedTuple):
    """The columns of a known letter that decide what becomes of it."""

    pk: int
    state: str
    reason: str
    replay_upload_id: int | None
    created_at: datetime

    @property
    def is_waiting(self) -> bool:
        return self.state == DeadLetter.State.WAITING

    def is_on_its_way(self, upload: Upload) -> bool:
        """Return whether it waits, or another upload than this one's family sends it."""
        if self.state == DeadLetter.State.REPLAYING:
            return self.replay_upload_id != (upload.root_id or upload.pk)
        return self.is_waiting


def write_dead_letters(
    upload: Upload, refusals: Sequence[Undelivered], now: datetime
) -> None:
    """Write a dead letter for each undelivered record, or count one failure more on the old one.

    A record that waits for a person becomes a letter that waits, with rows of whom for.
    """
    if not refusals:
        return
    known = _find_letters(upload, [r.pick for r in refusals if r.pick is not None])
    waits = _update_known_letters(upload, refusals, known, now)
    new = [refusal for refusal in refusals if refusal.pick not in known]
    before = _find_first_deliveries(upload, [each.pick for each in new if each.pick])
    letters = [_make_letter(each, before.get(each.pick)) for each in new]
    ids = insert_letters(upload, letters, now)
    waits += [
        Wait(ids[letter.position, letter.side], refusal, now)
        for letter, refusal in zip(letters, new, strict=True)
        if refusal.is_waiting
    ]
    begin_waiting(upload, waits)


def mark_delivered(upload: Upload, picks: Sequence[int], now: datetime) -> None:
    """Close the dead letters that a replay delivered."""
    if not upload.replay_id or not picks:
        return
    # One that still waits, where a person has replayed its range under other settings, waits
    # no more.
    revival_rows.deliver_letters(upload.integration_id, upload.pk, picks, now)


def reopen_dead_letters(upload: Upload, picks: Sequence[int], now: datetime) -> None:
    """Give back the dead letters of a replay whose records the settings keep back.

    One that fell out is open again. One that waited, or had waited in vain, is no problem
    now either: nobody is missing a record that the settings keep back.
    """
    if not upload.replay_id or not picks:
        return
    ids = make_id_list(_find_states(upload, picks))
    replaying = DeadLetter.objects.filter(state=DeadLetter.State.REPLAYING)
    taken = replaying.filter(pk__in=ids)
    waited = taken.filter(reason__in=reasons.WAITING)
    waited.update(
        state=DeadLetter.State.EXPIRED, reason=reasons.KEPT_BACK, changed_at=now
    )
    expired = taken.filter(reason__in=reasons.EXPIRED)
    expired.update(state=DeadLetter.State.EXPIRED, changed_at=now)
    taken.update(state=DeadLetter.State.OPEN, changed_at=now)


def _update_known_letters(
    upload: Upload,
    refusals: Sequence[Undelivered],
    known: Mapping[int | None, _Letter],
    now: datetime,
) -> list[Wait]:
    """Let the old letters say why the records fell out now; return which of them wait."""
    # The books of the log and those of replays are apart: each letter keeps its origin.
    origin = {"replay_upload": upload} if upload.replay_id else {"upload": upload}
    waits = []
    for refusal in refusals:
        letter = known.get(refusal.pick)
        if letter is None:
            continue
        rows = DeadLetter.objects.filter(pk=letter.pk)
        if refusal.is_waiting and letter.is_on_its_way(upload):
            # It waits already, or is being sent: what a replay of its range says of it
            # would send it twice.
            rows.update(**({} if upload.replay_id else origin), changed_at=now)
            continue
        rows.update(
            **origin,
            **_describe_state(refusal),
            reason=refusal.reason,
            detail=refusal.detail[:500],
            event_name=refusal.name[:_LONGEST_NAME],
            failures=F("failures") + 1,
            # Whatever was found of it, it went again since.
            found="",
            found_at=None,
            changed_at=now,
        )
        if refusal.is_waiting:
            since = letter.created_at if letter.reason in reasons.WAITING else now
            waits.append(Wait(letter.pk, refusal, since))
    _stop_waits(refusals, known)
    return waits


def _stop_waits(
    refusals: Sequence[Undelivered], known: Mapping[int | None, _Letter]
) -> None:
    """Let the old letters wait for nobody any more that fell out for another reason now."""
    final = [
        known[each.pick]
        for each in refusals
        if each.pick in known and not each.is_waiting
    ]
    stop_waiting([letter.pk for letter in final if letter.is_waiting])


def _describe_state(refusal: Undelivered) -> dict[str, Any]:
    """Return the columns of a letter that say whether it is open or waits."""
    if not refusal.is_waiting:
        return {"state": DeadLetter.State.OPEN}
    return {"state": DeadLetter.State.WAITING, "linked_at": None, "linked_by": None}


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


def _find_letters(upload: Upload, picks: Sequence[int]) -> dict[int | None, _Letter]:
    """Return pick → dead letter, for those records that have one."""
    rows = _select_letters(upload, picks, *_Letter._fields)
    return {pick: _Letter(*letter) for pick, *letter in rows}


def _find_states(upload: Upload, picks: Sequence[int]) -> dict[int, str]:
    """Return ID → state of the records' dead letters."""
    return {pk: state for _, pk, state in _select_letters(upload, picks, "pk", "state")}


def _select_letters(
    upload: Upload, picks: Sequence[int], *columns: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the pick of each record that has a dead letter, and that one's columns."""
    wanted = set(picks)
    positions = make_id_list(sorted({read_position(pick) for pick in picks}))
    rows = DeadLetter.objects.filter(
        integration_id=upload.integration_id, position__in=positions
    )
    for position, side, *letter in rows.values_list("position", "side", *columns):
        pick = int(position or 0) * 2 + (side == Side.GENERATED)
        if pick in wanted:
            yield pick, *letter


def _make_letter(refusal: Undelivered, delivered_at: datetime | None) -> NewLetter:
    pick, state = refusal.pick, DeadLetter.State
    return NewLetter(
        position=None if pick is None else read_position(pick),
        side="" if pick is None else read_side(pick),
        event_name=refusal.name[:_LONGEST_NAME],
        reason=refusal.reason,
        detail=refusal.detail[:500],
        state=state.WAITING if refusal.is_waiting else state.OPEN,
        delivered_at=delivered_at,
    )
