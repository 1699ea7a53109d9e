"""Prepares events for the log: all steps that need no lock."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from referrals import fraud, fraud_signals, hashing
from referrals.fraud import SightingKey
from referrals.log.rows import LogRow, build_row
from referrals.models import App
from referrals.schema import Event, IncomingEvent, build_event
from referrals.vocabulary import EventType

_encode = msgspec.json.Encoder(order="deterministic").encode


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A good event, made ready for the log before the lock is taken.

    `row` is there already where nothing about the event depends on the log.
    """

    index: int
    incoming: IncomingEvent
    fingerprint: str
    event: Event
    sightings: tuple[SightingKey, ...] = ()
    row: LogRow | None = None


def prepare_events(
    app: App, events: Sequence[IncomingEvent], received_at: datetime
) -> list[Event]:
    """Return `events` as the log would keep them, without what only the log decides.

    For previews: no lock is taken, fraud is not judged, custom names have no number.
    """
    hash_signal = hashing.make_signal_hasher(app.pk)
    ignored = fraud_signals.parse_networks(app.ignored_networks)
    return [
        build_event(
            event, received_at=received_at, hash_signal=hash_signal, ignored=ignored
        )
        for event in events
    ]


def make_drafts(app: App, good: Mapping[int, IncomingEvent]) -> list[Draft]:
    """Return the `good` events of a request, which come by their index, as drafts."""
    hash_signal = hashing.make_signal_hasher(app.pk)
    fingerprint = hashing.make_fingerprinter(app.pk)
    events = prepare_events(app, list(good.values()), datetime.now(UTC))
    return [
        _make_draft(
            index,
            incoming,
            # The form is that of `incoming`, decoded: neither key order nor blanks nor the
            # spelling of an instant differ, and a default of a later release changes
            # nothing.
            fingerprint(_encode(incoming)),
            event,
            fraud.find_sightings(event, hash_signal),
        )
        for (index, incoming), event in zip(good.items(), events, strict=True)
    ]


def _make_draft(
    index: int,
    incoming: IncomingEvent,
    fingerprint: str,
    event: Event,
    sightings: tuple[SightingKey, ...],
) -> Draft:
    if sightings or event.type is EventType.CUSTOM or incoming.occurred_at is None:
        return Draft(index, incoming, fingerprint, event, sightings)
    event = judge_event(event, incoming, (), {})
    return Draft(index, incoming, fingerprint, event, row=build_row(event, fingerprint))


def judge_event(
    event: Event,
    incoming: IncomingEvent,
    sightings: Sequence[SightingKey],
    values_by_mark: Mapping[str, set[str]],
) -> Event:
    """Return `event` with our fraud status, unless the producer sent one."""
    if incoming.status is not None:
        return event
    status, reasons = fraud.judge_fraud(event, sightings, values_by_mark)
    if not reasons:
        return event
    return msgspec.structs.replace(event, status=status, reasons=reasons)
