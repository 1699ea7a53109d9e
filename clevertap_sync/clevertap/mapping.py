"""Maps events to records, or says why a side gets none.

Pure: imports msgspec and no framework. `limits` knows CleverTap's limits, `identities`
chooses by what a person is sent, `moulds` makes what records of like events share,
`properties` their `evtData`, `reasons` has the words for what could not be mapped.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.identities import IdentityRules, choose_identity
from clevertap_sync.clevertap.moulds import (
    MOST_SHELVES,
    Mould,
    MouldRules,
    MouldShelf,
    explain_failure,
    share_shelf,
)
from clevertap_sync.clevertap.properties import (
    EventDataFormat,
    MappingRefusal,
    PropertySettings,
    make_printable,
)
from referrals.decoding import prepare_type
from referrals.schema import Event, Person
from referrals.vocabulary import SIDES, EventType, FraudStatus, Side

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 24 * 60 * 60
# To look a member up in its enum takes as long as to encode an identity.
_REFERRED = Side.REFERRED


@prepare_type
class MappingSettings(msgspec.Struct, frozen=True, cache_hash=True):
    """What an integration's settings say about records.

    `not_sent` lists what is switched off, such as "app_open:generated";
    `approved_names` the normalised custom names that a person approved beyond the first
    `custom_names_limit`. Events that occurred before `since`, in Unix seconds, stay here.
    `suppressions_until` is the number of the last of the app's suppressions that count;
    the caller looks up which sides they concern.

    A side without an identity of the provider is sent by its `clevertap_id` where
    `falls_back_to_clevertap_id`; else it waits for its user to be known where it has an
    identity of a provider among `waits_for`. A referrer "last" waits to be known where
    the app `remembers_referrers`.
    """

    identity_provider: str
    event_data_format: EventDataFormat = "flattened"
    send_none: bool = False
    refuse_long_texts: bool = False
    send_event_id: bool = False
    property_limit: int = limits.MAX_PROPERTIES
    event_kinds: Literal["production", "test", "both"] = "production"
    send_suspicious: bool = True
    send_rejected: bool = True
    not_sent: tuple[str, ...] = ()
    approved_names: tuple[str, ...] = ()
    custom_names_limit: int = limits.CUSTOM_NAMES_LIMIT
    since: float | None = None
    suppressions_until: int = 0
    falls_back_to_clevertap_id: bool = False
    waits_for: tuple[str, ...] = ()
    remembers_referrers: bool = False


class EventRecord(msgspec.Struct, frozen=True, gc=False):
    """One entry of an upload: `json` is exactly what is sent, `ts` its time in Unix seconds."""

    side: Side
    name: str
    json: bytes
    shortened: int
    ts: int


class Unmappable(msgspec.Struct, frozen=True, gc=False):
    """A side without a record. `reason` is a code of `reasons`; no identity in `detail`."""

    side: Side
    name: str
    reason: str
    detail: str


class KeptBack(msgspec.Struct, frozen=True, gc=False):
    """A side that the settings keep back."""

    side: Side


MappedSide = EventRecord | Unmappable | KeptBack


def map_event(
    event: Event,
    settings: MappingSettings,
    suppressed: Collection[Side] = (),
    *,
    at: datetime | None = None,
) -> list[MappedSide]:
    """Return a value for each side that `event` names: a record, or why there is none.

    As `Mapper.map_event`, for few events.
    """
    return make_mapper(settings).map_event(event, suppressed, at)


def decode_record(record: EventRecord) -> dict[str, Any]:
    """Return the record as CleverTap reads it, for previews."""
    return msgspec.json.decode(record.json, type=dict[str, Any])


# Each holds its shelf: more of them would keep shelves that nobody shares any more.
@lru_cache(maxsize=MOST_SHELVES)
def make_mapper(settings: MappingSettings) -> "Mapper":
    """Return what maps events by these settings."""
    return Mapper(settings)


class Mapper:
    """Maps events by the settings of one upload. Several threads may use it at once.

    A request has a thousand records, so the usual case is checked with as few calls as
    possible.
    """

    __slots__ = (
        "_identities",
        "_is_plain",
        "_kept_back_kind",
        "_provider",
        "_shelf",
        "_since",
        "_start",
    )

    def __init__(self, settings: MappingSettings) -> None:
        self._shelf = find_shelf(settings)
        self._identities = make_identity_rules(settings)
        self._start, self._provider = self._identities.start, settings.identity_provider
        self._is_plain = (
            limits.is_plain_object_id
            if self._identities.by_object_id
            else limits.is_plain_identity
        )
        self._kept_back_kind = find_kept_back_kind(settings)
        self._since = find_since(settings)

    def map_event(
        self,
        event: Event,
        suppressed: Collection[Side] = (),
        at: datetime | None = None,
    ) -> list[MappedSide]:
        """Return a value for each side that `event` names: a record, or why there is none.

        The triggering user comes first, then the referrer. A link click has no triggering
        user; an event that came by a marketing link may have no referrer. `suppressed` are
        the sides whose person is suppressed. The records' time is when the event occurred,
        or `at`: of what waited, when the person became known. No event raises an error.
        """
        if event.test is self._kept_back_kind or (
            self._since is not None and event.occurred_at < self._since
        ):
            return _keep_back(event)
        seconds = count_seconds(at or event.occurred_at)
        time = limits.encode_time(seconds)
        is_odd = suppressed or not 0 < seconds <= limits.LATEST_SECOND
        mapped: list[MappedSide] = []
        for mould in self._shelf.find(event):
            person = event.user if mould.side is _REFERRED else event.referrer
            if person is None:
                continue
            identity = person.identities.get(self._provider)
            if (
                identity is None
                or is_odd
                or person.erased
                or not mould.ending
                or not self._is_plain(identity)
            ):
                mapped.append(self._look_closely(mould, person, suppressed, seconds))
            else:
                start = self._start + limits.encode(identity) + time
                mapped.append(_end_record(mould, start, seconds))
        return mapped

    def _look_closely(
        self,
        mould: Mould,
        person: Person,
        suppressed: Collection[Side],
        seconds: int,
    ) -> MappedSide:
        """Return the record of a side that is not as nearly all are, or why it has none."""
        if mould.is_kept_back:
            return KeptBack(mould.side)
        if person.erased:
            return _refuse(mould, MappingRefusal("erased", ""))
        if mould.side in suppressed:
            return _refuse(mould, MappingRefusal("suppressed", ""))
        chosen = mould.bad_name or choose_identity(person, self._identities)
        if isinstance(chosen, MappingRefusal):
            return _refuse(mould, chosen)
        refusal = _refuse_time(seconds) or mould.refusal
        return _refuse(mould, refusal) if refusal else _build(mould, *chosen, seconds)


def _build(mould: Mould, start: bytes, identity: str, seconds: int) -> MappedSide:
    try:
        start += limits.encode(identity) + limits.encode_time(seconds)
    except ValueError as error:  # JSON cannot hold a lone surrogate
        return _refuse(mould, explain_failure(error))
    return _end_record(mould, start, seconds)


def _end_record(mould: Mould, start: bytes, seconds: int) -> MappedSide:
    """Return the record that begins so, unless it is too large."""
    json = start + mould.ending
    if len(json) > limits.MAX_RECORD_BYTES:
        detail = f"It has {len(json)} bytes."
        return _refuse(mould, MappingRefusal("record_too_large", detail))
    return EventRecord(mould.side, mould.name, json, mould.shortened, seconds)


def _refuse_time(seconds: int) -> MappingRefusal | None:
    if 0 < seconds <= limits.LATEST_SECOND:
        return None
    detail = f"The time is {seconds} Unix seconds."
    return MappingRefusal("timestamp_invalid", detail)


def _refuse(mould: Mould, refusal: MappingRefusal) -> Unmappable:
    shown = make_printable(mould.name[: limits.MAX_EVENT_NAME])
    return Unmappable(mould.side, shown, refusal.reason, refusal.detail)


def _keep_back(event: Event) -> list[MappedSide]:
    people = {Side.REFERRED: event.user, Side.GENERATED: event.referrer}
    return [KeptBack(side) for side in SIDES[event.type] if people[side] is not None]


def make_identity_rules(settings: MappingSettings) -> IdentityRules:
    """Return what the settings say about by what people are sent."""
    return IdentityRules(
        provider=settings.identity_provider,
        falls_back=settings.falls_back_to_clevertap_id,
        waits_for=frozenset(map(str.casefold, settings.waits_for)),
        remembers_referrers=settings.remembers_referrers,
    )


def find_kept_back_kind(settings: MappingSettings) -> bool | None:
    """Return the value of `Event.test` that stays here."""
    return {"production": True, "test": False}.get(settings.event_kinds)


def find_since(settings: MappingSettings) -> datetime | None:
    """Return the instant before which events stay here."""
    return (
        None if settings.since is None else datetime.fromtimestamp(settings.since, UTC)
    )


def count_seconds(instant: datetime) -> int:
    """Return the whole seconds since 1970, as records tell time."""
    since_epoch = instant - _EPOCH
    return since_epoch.days * _DAY_SECONDS + since_epoch.seconds


def find_shelf(settings: MappingSettings) -> MouldShelf:
    """Return the shelf that all uploads with such settings share."""
    return share_shelf(_make_mould_rules(settings))


def _make_mould_rules(settings: MappingSettings) -> MouldRules:
    switches = {
        FraudStatus.SUSPICIOUS: settings.send_suspicious,
        FraudStatus.REJECTED: settings.send_rejected,
    }
    return MouldRules(
        properties=PropertySettings(
            event_data_format=settings.event_data_format,
            send_none=settings.send_none,
            refuse_long_texts=settings.refuse_long_texts,
            send_event_id=settings.send_event_id,
            property_limit=settings.property_limit,
        ),
        kept_back_sides=frozenset(
            (event_type, side)
            for event_type in EventType
            for side in Side
            if f"{event_type}:{side}" in settings.not_sent
        ),
        kept_back_statuses=frozenset(s for s, sent in switches.items() if not sent),
        approved_names=frozenset(settings.approved_names),
        custom_names_limit=settings.custom_names_limit,
    )
