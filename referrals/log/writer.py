"""Appending to the log: validate first, then one short transaction under the app's lock."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import connection, transaction

from referrals import failpoints, fraud, hashing, traces
from referrals.failpoints import Place
from referrals.fraud import Sighting
from referrals.log.dialects import dialect
from referrals.log.names import number_names
from referrals.log.results import Result, Status, conflict, rejected
from referrals.log.rows import Found, Row, Tail, to_row
from referrals.log.sightings import History
from referrals.log.strict import has_refusal, without_the_good, without_the_new
from referrals.models import App
from referrals.schema import (
    Event,
    EventProblem,
    IncomingEvent,
    doubts,
    from_object,
    to_event,
    warnings_of,
)
from referrals.signals import events_recorded
from referrals.vocabulary import EventType, normalised_name

_encode = msgspec.json.Encoder(order="deterministic").encode
Sendable = IncomingEvent | EventProblem | Mapping[str, Any]


class ArchivedAppError(Exception):
    """An archived app accepts no events."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A good event, made ready for the log before the lock is taken.

    `row` is there already where nothing about the event depends on the log.
    """

    index: int
    incoming: IncomingEvent
    fingerprint: str
    event: Event
    sightings: tuple[Sighting, ...] = ()
    row: Row | None = None


def append(
    app: App, events: Sequence[Sendable], *, strict: bool = False
) -> list[Result]:
    """Store the good ones among `events` after the log's head; answer each, in order.

    An event whose id is there already is a `duplicate`, or a `conflict` where its
    content differs; of equal ids in `events`, the first good one counts. With `strict`,
    a warning is a refusal, and one event that is rejected or in conflict means that
    nothing is stored: the good ones are then `rejected` too, with a detail that says so.

    In a transaction of the caller's, `accepted` means accepted once that commits. Make
    it the last statement there: until the commit, nobody else appends to this log. At
    REPEATABLE READ or SERIALIZABLE, an append of somebody else's since the snapshot is a
    database error: run the transaction again.

    Raises `ArchivedAppError`, and lets a database's errors through; nothing is stored
    then, and appending the same events again is harmless.
    """
    if app.archived_at is not None:
        msg = f"The app {app.slug} is archived: it accepts no events."
        raise ArchivedAppError(msg)
    good, answers = _checked(events, strict=strict)
    if strict and answers:
        return without_the_good(answers, good)
    if good:
        answers |= _append(app.pk, _drafts(app, good), strict=strict)
    return [answers[index] for index in range(len(events))]


def prepare(
    app: App, events: Sequence[IncomingEvent], received_at: datetime
) -> list[Event]:
    """Return `events` as the log would keep them, without what only the log decides.

    For previews: no lock is taken, fraud is not judged, custom names have no number.
    """
    hash_signal = hashing.signal_hasher(app.pk)
    ignored = traces.networks(app.ignored_networks)
    return [
        to_event(
            event, received_at=received_at, hash_signal=hash_signal, ignored=ignored
        )
        for event in events
    ]


def _checked(
    events: Sequence[Sendable], *, strict: bool
) -> tuple[dict[int, IncomingEvent], dict[int, Result]]:
    """Return the good events and the answers to the others, both by index."""
    good: dict[int, IncomingEvent] = {}
    refused: dict[int, Result] = {}
    for index, sent in enumerate(events):
        # In this order: to ask for a Mapping first costs ten times as much.
        event = (
            sent
            if isinstance(sent, IncomingEvent | EventProblem)
            else from_object(sent)
        )
        if strict and isinstance(event, IncomingEvent):
            event = _undoubted(event)
        if isinstance(event, EventProblem):
            refused[index] = rejected(index, event)
        else:
            good[index] = event
    return good, refused


def _undoubted(event: IncomingEvent) -> IncomingEvent | EventProblem:
    for pointer, detail in doubts(event):
        return EventProblem(pointer, detail, event.id)
    return event


def _drafts(app: App, good: Mapping[int, IncomingEvent]) -> list[Draft]:
    """Do everything that needs no lock."""
    hash_signal = hashing.signal_hasher(app.pk)
    fingerprint = hashing.fingerprinter(app.pk)
    events = prepare(app, list(good.values()), datetime.now(UTC))
    return [
        _draft(
            index,
            sent,
            # The form is that of `sent`, decoded: neither key order nor blanks nor the
            # spelling of an instant differ, and a default of a later release changes
            # nothing.
            fingerprint(_encode(sent)),
            event,
            fraud.sightings(event, hash_signal),
        )
        for (index, sent), event in zip(good.items(), events, strict=True)
    ]


def _draft(
    index: int,
    sent: IncomingEvent,
    fingerprint: str,
    event: Event,
    sightings: tuple[Sighting, ...],
) -> Draft:
    if sightings or event.type is EventType.CUSTOM or sent.occurred_at is None:
        return Draft(index, sent, fingerprint, event, sightings)
    event = _judged(event, sent, (), {})
    return Draft(index, sent, fingerprint, event, row=to_row(event, fingerprint))


def _append(app_id: int, drafts: list[Draft], *, strict: bool) -> dict[int, Result]:
    speak = dialect()
    with transaction.atomic(), connection.cursor() as cursor:
        speak.lock(cursor, app_id)
        tail = speak.look_up(cursor, app_id, list({d.incoming.id for d in drafts}))
        fresh, answers = _decide(drafts, tail)
        if strict and has_refusal(answers):
            return without_the_new(answers, tail.head)
        if fresh:
            history = History(cursor, app_id, speak)
            history.look_up([seen for draft in fresh for seen in draft.sightings])
            rows = _finished(app_id, tail, fresh, history)
            speak.insert(cursor, app_id, tail, rows)
            history.remember(tail.now)
            _ring_after_commit(app_id, tail.head + len(rows))
            failpoints.reach(Place.APPEND_WRITTEN)
    return answers


def _decide(drafts: list[Draft], tail: Tail) -> tuple[list[Draft], dict[int, Result]]:
    """Return what is new, and the answer to each: pure, given the end of the log."""
    found = dict(tail.found)
    fresh: list[Draft] = []
    answers: dict[int, Result] = {}
    for draft in drafts:
        key = draft.incoming.id
        stored = found.get(key)
        if stored is None:
            fresh.append(draft)
            stored = found[key] = Found(tail.head + len(fresh), draft.fingerprint)
            answer = _answer(draft, Status.ACCEPTED, stored.position)
        elif stored.fingerprint in (None, draft.fingerprint):
            answer = _answer(draft, Status.DUPLICATE, stored.position)
        else:
            answer = conflict(draft.index, key, stored.position)
        answers[draft.index] = answer
    return fresh, answers


def _answer(draft: Draft, status: Status, position: int) -> Result:
    warnings = warnings_of(draft.incoming)
    return Result(
        draft.index, draft.incoming.id, status, position=position, warnings=warnings
    )


def _finished(
    app_id: int, tail: Tail, fresh: list[Draft], history: History
) -> list[Row]:
    """Return the rows of `fresh`, with what only the log could decide."""
    numbers = number_names(app_id, tail.head, [draft.event for draft in fresh])
    return [draft.row or _finish(draft, tail.now, numbers, history) for draft in fresh]


def _finish(
    draft: Draft, now: datetime, numbers: Mapping[str, int], history: History
) -> Row:
    event = draft.event
    if draft.incoming.occurred_at is None:
        event = msgspec.structs.replace(event, occurred_at=now)
    if event.type is EventType.CUSTOM:
        number = numbers[normalised_name(event.name)]
        event = msgspec.structs.replace(event, name_number=number)
    event = _judged(event, draft.incoming, draft.sightings, history.seen)
    history.add(draft.sightings)
    return to_row(event, draft.fingerprint)


def _judged(
    event: Event,
    sent: IncomingEvent,
    sightings: Sequence[Sighting],
    seen: Mapping[str, set[str]],
) -> Event:
    """Return `event` with our verdict, unless the producer sent one."""
    if sent.status is not None:
        return event
    status, reasons = fraud.judge(event, sightings, seen)
    if not reasons:
        return event
    return msgspec.structs.replace(event, status=status, reasons=reasons)


def _ring_after_commit(app_id: int, head: int) -> None:
    def ring() -> None:
        failpoints.reach(Place.APPEND_COMMITTED)
        events_recorded.send_robust(sender=App, app_id=app_id, head=head)

    transaction.on_commit(ring, robust=True)
