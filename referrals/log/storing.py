"""Storing drafts: one short transaction under the app's lock."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import msgspec
from django.db import connection, transaction

from referrals import failpoints
from referrals.failpoints import Place
from referrals.fraud import SightingMemory
from referrals.log.dialects import find_dialect
from referrals.log.drafts import Draft, judge_event
from referrals.log.names import number_names
from referrals.log.results import Result, Status, make_conflict
from referrals.log.rows import FoundEvent, LogEnd, LogRow, build_row
from referrals.log.sightings import look_up_sightings, write_changes
from referrals.log.strict import has_refusal, take_back_new
from referrals.models import App
from referrals.signals import events_recorded
from referrals.vocabulary import EventType, normalise_name

Answers = Sequence[Result]


def store_drafts(
    app_id: int,
    drafts: Sequence[Draft],
    *,
    strict: bool = False,
    committed: Callable[[Answers], None] | None = None,
) -> Answers:
    """Store the new ones of `drafts` after the log's head; answer each, in order.

    `committed` gets the answers right after the commit, before a worker is rung. With
    `strict`, one conflict means that nothing is stored.
    """
    dialect = find_dialect()
    with transaction.atomic(), connection.cursor() as cursor:
        keys = list({draft.event.id for draft in drafts})
        end = dialect.lock_and_look_up(cursor, app_id, keys)
        fresh, answers = _decide(drafts, end)
        if strict and has_refusal(answers):
            return take_back_new(answers, end.head)
        if committed:
            transaction.on_commit(partial(committed, answers))
        if fresh:
            marks = {seen.mark for draft in fresh for seen in draft.sightings}
            earlier = look_up_sightings(cursor, app_id, dialect, marks)
            rows = _complete_rows(app_id, end, fresh, earlier)
            dialect.insert_rows(cursor, app_id, end, rows)
            write_changes(cursor, app_id, dialect, earlier)
            only_people = all(row.type == EventType.IDENTIFY for row in rows)
            _ring_after_commit(app_id, end.head + len(rows), only_people=only_people)
            failpoints.reach_failpoint(Place.APPEND_WRITTEN)
    return answers


def _decide(drafts: Sequence[Draft], end: LogEnd) -> tuple[list[Draft], list[Result]]:
    """Return the new drafts, and the answer to each draft. Pure, given the log's end."""
    found = dict(end.found)
    fresh: list[Draft] = []
    answers: list[Result] = []
    for draft in drafts:
        key = draft.event.id
        stored = found.get(key)
        if stored is None:
            fresh.append(draft)
            stored = found[key] = FoundEvent(end.head + len(fresh), draft.fingerprint)
            answer = _make_answer(draft, Status.ACCEPTED, stored.position)
        elif stored.fingerprint in (None, draft.fingerprint):
            answer = _make_answer(draft, Status.DUPLICATE, stored.position)
        else:
            answer = make_conflict(draft.index, key, stored.position)
        answers.append(answer)
    return fresh, answers


def _make_answer(draft: Draft, status: Status, position: int) -> Result:
    return Result(
        draft.index,
        draft.event.id,
        status,
        position=position,
        warnings=draft.warnings,
    )


def _complete_rows(
    app_id: int, end: LogEnd, fresh: list[Draft], earlier: SightingMemory
) -> list[LogRow]:
    """Return the rows of `fresh`, with fraud status, name number and time of receipt.

    Installs are judged in the order in which they happened, whatever their order here.
    """
    numbers = number_names(app_id, end.head, [draft.event for draft in fresh])
    installs = [draft for draft in fresh if draft.sightings]
    installs.sort(key=lambda draft: _tell_order(draft, end.now))
    judged = {
        draft.event.id: _complete_row(draft, end.now, numbers, earlier)
        for draft in installs
    }
    return [
        draft.row
        or judged.get(draft.event.id)
        or _complete_row(draft, end.now, numbers, earlier)
        for draft in fresh
    ]


def _tell_order(draft: Draft, now: datetime) -> tuple[datetime, str]:
    """Return what orders installs: when they happened, and by id at one instant."""
    return draft.event.occurred_at if draft.has_time else now, draft.event.id


def _complete_row(
    draft: Draft, now: datetime, numbers: Mapping[str, int], earlier: SightingMemory
) -> LogRow:
    event = draft.event
    if not draft.has_time:
        event = msgspec.structs.replace(event, occurred_at=now)
    if event.type is EventType.CUSTOM:
        number = numbers[normalise_name(event.name)]
        event = msgspec.structs.replace(event, name_number=number)
    if not draft.has_status:
        event = judge_event(event, draft.rules, draft.sightings, earlier)
    for seen in draft.sightings:
        earlier.add(seen, event.occurred_at)
    return build_row(event, draft.fingerprint, draft.request_id)


def _ring_after_commit(app_id: int, head: int, *, only_people: bool) -> None:
    def ring() -> None:
        failpoints.reach_failpoint(Place.APPEND_COMMITTED)
        events_recorded.send_robust(
            sender=App, app_id=app_id, head=head, only_people=only_people
        )

    transaction.on_commit(ring, robust=True)
