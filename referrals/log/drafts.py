"""Prepares events for the log: all steps that need no lock."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from referrals import fraud, fraud_signals, hashing
from referrals.fraud import NO_SIGHTINGS, SightingKey, SightingMemory
from referrals.fraud_rules import FraudRules
from referrals.log.rows import LogRow, build_row
from referrals.models import App
from referrals.schema import Event, IncomingEvent, build_event, list_warnings
from referrals.vocabulary import EventType

_encode = msgspec.json.Encoder(order="deterministic").encode
_CUSTOM = EventType.CUSTOM


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A good event, made ready for the log before the lock is taken.

    `row` is there already where nothing about the event depends on the log. `has_time` and
    `has_status` say whether time and fraud status are settled before. `request_id` names the
    request that brought the event; each keeps its own where requests share a transaction,
    and so it is with the `rules` of the app that the request was read with.
    """

    index: int
    fingerprint: str
    event: Event
    rules: FraudRules
    sightings: tuple[SightingKey, ...] = ()
    warnings: tuple[str, ...] = ()
    row: LogRow | None = None
    has_time: bool = True
    has_status: bool = False
    request_id: str = ""


class PreparedEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A good event, made ready for an append that comes later, perhaps elsewhere.

    It can be encoded as JSON, and has nothing that the log would not keep: signals are
    hashed. An event without a time of its own has that of its receipt already.
    """

    fingerprint: str
    event: Event
    has_status: bool = False
    request_id: str = ""


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


def prepare_for_later(
    app: App,
    events: Sequence[IncomingEvent],
    received_at: datetime,
    *,
    request_id: str = "",
) -> list[PreparedEvent]:
    """Return `events`, received at `received_at`, for `append_prepared`. Asks no database.

    Their fingerprints are those of `append`: whichever comes second finds a duplicate.
    """
    fingerprint = hashing.make_fingerprinter(app.pk)
    prepared = prepare_events(app, events, received_at)
    return [
        PreparedEvent(
            fingerprint(_encode(incoming)),
            event,
            incoming.status is not None,
            request_id,
        )
        for incoming, event in zip(events, prepared, strict=True)
    ]


def make_drafts(
    app: App, good: Mapping[int, IncomingEvent], *, request_id: str = ""
) -> list[Draft]:
    """Return the `good` events of a request, which come by their index, as drafts."""
    hash_signal = hashing.make_signal_hasher(app.pk)
    fingerprint = hashing.make_fingerprinter(app.pk)
    events = prepare_events(app, list(good.values()), datetime.now(UTC))
    rules = app.fraud_rules
    return [
        _make_draft(
            index,
            incoming,
            # The form is that of `incoming`, decoded: neither key order nor blanks nor the
            # spelling of an instant differ, and a default of a later release changes
            # nothing.
            fingerprint(_encode(incoming)),
            event,
            rules=rules,
            sightings=fraud.find_sightings(event, hash_signal),
            request_id=request_id,
        )
        for (index, incoming), event in zip(good.items(), events, strict=True)
    ]


def make_prepared_drafts(app: App, events: Sequence[PreparedEvent]) -> list[Draft]:
    """Return `events` as drafts. Nobody reads warnings so late, so they have none.

    They are judged by the app's rules of now.
    """
    hash_signal = hashing.make_signal_hasher(app.pk)
    rules = app.fraud_rules
    return [
        Draft(
            index,
            prepared.fingerprint,
            prepared.event,
            rules,
            fraud.find_sightings(prepared.event, hash_signal),
            has_status=prepared.has_status,
            request_id=prepared.request_id,
        )
        for index, prepared in enumerate(events)
    ]


def _make_draft(
    index: int,
    incoming: IncomingEvent,
    fingerprint: str,
    event: Event,
    *,
    rules: FraudRules,
    sightings: tuple[SightingKey, ...],
    request_id: str,
) -> Draft:
    warnings = list_warnings(incoming)
    has_time = incoming.occurred_at is not None
    has_status = incoming.status is not None
    if sightings or event.type is _CUSTOM or not has_time:
        return Draft(
            index,
            fingerprint,
            event,
            rules,
            sightings,
            warnings,
            has_time=has_time,
            has_status=has_status,
            request_id=request_id,
        )
    if not has_status:
        event = judge_event(event, rules)
    row = build_row(event, fingerprint, request_id)
    return Draft(
        index,
        fingerprint,
        event,
        rules,
        warnings=warnings,
        row=row,
        request_id=request_id,
    )


def judge_event(
    event: Event,
    rules: FraudRules,
    sightings: Sequence[SightingKey] = (),
    earlier: SightingMemory = NO_SIGHTINGS,
) -> Event:
    """Return `event` with our fraud status. Not for one whose producer sent a status."""
    status, reasons = fraud.judge_fraud(event, rules, sightings, earlier)
    if not reasons:
        return event
    return msgspec.structs.replace(event, status=status, reasons=reasons)
