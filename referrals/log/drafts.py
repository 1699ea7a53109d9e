"""Prepares events for the log: all steps that need no lock."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from referrals import fraud, fraud_signals, hashing
from referrals.event_forms import make_forms
from referrals.fraud import NO_SIGHTINGS, SightingKey, SightingMemory
from referrals.fraud_rules import FraudRules
from referrals.json_lines import encode_each
from referrals.log.plain_contents import make_plain_contents
from referrals.log.rows import LogRow, build_row
from referrals.models import App
from referrals.schema import Event, IncomingEvent, build_event, list_warnings
from referrals.vocabulary import EventType

#: Of the events of a request their forms, as `event_forms` makes them; None where one is not
#: made yet, or nothing where none is.
Forms = Sequence[bytes | None]

_CUSTOM: Final = EventType.CUSTOM
_encoder: Final = msgspec.json.Encoder()
_decode: Final = msgspec.json.Decoder(Event).decode
#: So many events, with all that is made of them, stay in a core's own memory.
_AT_ONCE: Final = 100


class PackedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as JSON, and what is asked of it before it is unpacked.

    Of a text with one emoji each character takes four bytes, and in JSON hardly more than one.
    """

    type: EventType
    name: str
    occurred_at: datetime
    body: bytes


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A good event, made ready for the log before the lock is taken.

    `content` is its row already where nothing about the event depends on the log. `has_time`
    and `has_status` say whether time and fraud status are settled before. `request_id` names
    the request that brought the event; each keeps its own where requests share a transaction,
    and so it is with the `rules` of the app that the request was read with.
    """

    index: int
    key: str
    type: EventType
    fingerprint: str
    content: LogRow | Event | PackedEvent
    rules: FraudRules
    sightings: tuple[SightingKey, ...] = ()
    warnings: tuple[str, ...] = ()
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
        PreparedEvent(fingerprint(form), event, incoming.status is not None, request_id)
        for incoming, form, event in zip(
            events, make_forms(events), prepared, strict=True
        )
    ]


def make_drafts(
    app: App,
    good: Mapping[int, IncomingEvent],
    *,
    request_id: str = "",
    forms: Forms = (),
    first: int = 0,
) -> list[Draft]:
    """Return the `good` events of a request, which come by their index, as drafts.

    `forms` are those of all events of the request from the index `first` on.
    """
    maker = _Maker(app, request_id)
    indexes, events = list(good), list(good.values())
    known = [forms[index - first] for index in good] if forms else ()
    drafts: list[Draft] = []
    for start in range(0, len(events), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        made = _complete_forms(events[some], known[some])
        drafts += maker.make_some(indexes[some], events[some], made)
    return drafts


def pack_drafts(drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts with each event as JSON that has no row yet."""
    events = [draft.content for draft in drafts if isinstance(draft.content, Event)]
    bodies = iter(encode_each(_encoder, events))
    packed = iter(
        [
            PackedEvent(event.type, event.name, event.occurred_at, next(bodies))
            for event in events
        ]
    )
    return [
        msgspec.structs.replace(draft, content=next(packed))
        if isinstance(draft.content, Event)
        else draft
        for draft in drafts
    ]


def unpack_event(content: Event | PackedEvent) -> Event:
    """Return the event that a draft holds."""
    return content if isinstance(content, Event) else _decode(content.body)


def _complete_forms(events: Sequence[IncomingEvent], forms: Forms) -> Sequence[bytes]:
    """Return the form of each event, making those that are not made yet."""
    if not forms:
        return make_forms(events)
    if None not in forms:
        return forms  # type: ignore[return-value] # none is None
    missing = [event for event, form in zip(events, forms, strict=True) if form is None]
    made = iter(make_forms(missing))
    return [next(made) if form is None else form for form in forms]


def make_prepared_drafts(app: App, events: Sequence[PreparedEvent]) -> list[Draft]:
    """Return `events` as drafts. Nobody reads warnings so late, so they have none.

    They are judged by the app's rules of now.
    """
    hash_signal = hashing.make_signal_hasher(app.pk)
    rules = app.fraud_rules
    return [
        Draft(
            index,
            prepared.event.id,
            prepared.event.type,
            prepared.fingerprint,
            prepared.event,
            rules,
            fraud.find_sightings(prepared.event, hash_signal),
            has_status=prepared.has_status,
            request_id=prepared.request_id,
        )
        for index, prepared in enumerate(events)
    ]


class _Maker:
    """Makes drafts of the events of one request."""

    def __init__(self, app: App, request_id: str) -> None:
        self._rules = app.fraud_rules
        self._fingerprint = hashing.make_fingerprinter(app.pk)
        self._request_id = request_id
        self._received_at = datetime.now(UTC)
        self._hash_signal = hashing.make_signal_hasher(app.pk)
        self._ignored = fraud_signals.parse_networks(app.ignored_networks)

    def make_some(
        self,
        indexes: Sequence[int],
        events: Sequence[IncomingEvent],
        forms: Sequence[bytes],
    ) -> list[Draft]:
        """Return the drafts of good events, which come with their indexes and forms."""
        fingerprints = list(map(self._fingerprint, forms))
        request_id, rules = self._request_id, self._rules
        contents = make_plain_contents(events, forms, fingerprints, request_id)
        return [
            self._make(index, event, fingerprint)
            if content is None
            else Draft(
                index,
                event.id,
                event.type,
                fingerprint,
                content,
                rules,
                has_status=True,
                request_id=request_id,
            )
            for index, event, fingerprint, content in zip(
                indexes, events, fingerprints, contents, strict=True
            )
        ]

    def _make(self, index: int, incoming: IncomingEvent, fingerprint: str) -> Draft:
        """Return the draft of a good event that is not kept as it was sent."""
        event = build_event(
            incoming,
            received_at=self._received_at,
            hash_signal=self._hash_signal,
            ignored=self._ignored,
        )
        sightings = fraud.find_sightings(event, self._hash_signal)
        has_time = incoming.occurred_at is not None
        has_status = incoming.status is not None
        content: LogRow | Event = event
        if not sightings and event.type is not _CUSTOM and has_time:
            if not has_status:
                event = judge_event(event, self._rules)
            content = build_row(event, fingerprint, self._request_id)
        return Draft(
            index,
            incoming.id,
            incoming.type,
            fingerprint,
            content,
            self._rules,
            sightings,
            list_warnings(incoming),
            has_time=has_time,
            has_status=has_status,
            request_id=self._request_id,
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
