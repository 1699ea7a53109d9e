"""Maps events to records, or says why a side gets none.

Pure: imports msgspec and no framework. `limits` knows CleverTap's limits, `properties`
makes the `evtData`, `reasons` has the words for what could not be mapped.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import msgspec

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.properties import (
    EventDataFormat,
    MappingRefusal,
    Properties,
    PropertySettings,
    build_properties,
    make_printable,
)
from clevertap_sync.clevertap.reasons import (
    NO_IDENTITY,
    NO_REFERRER_KNOWN,
    WAITING_FOR_IDENTITY,
    WAITING_FOR_REFERRER,
)
from referrals.decoding import prepare_type
from referrals.identity import Identity
from referrals.learning.blocklist import is_blocked
from referrals.schema import Event, Person
from referrals.vocabulary import (
    BUILT_IN_NAMES,
    TITLES,
    EventType,
    FraudStatus,
    Side,
    find_types_without,
    normalise_name,
)

CLEVERTAP_ID = "clevertap_id"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_SECOND = timedelta(seconds=1)
# To look a member up in its enum takes as long as to encode an identity.
_CUSTOM = EventType.CUSTOM
# Tuples: to look into one this short costs less than to hash a member of an enum.
_WITHOUT_USER = find_types_without(Side.REFERRED)
_WITHOUT_REFERRER = find_types_without(Side.GENERATED)
_REFERRED, _GENERATED = Side.REFERRED, Side.GENERATED
# Made once, for each side: texts that are the same object are soon counted, too.
_NAMES = {
    event_type: ("Referred " + title, "Generated " + title)
    for event_type, title in TITLES.items()
}


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

    The triggering user comes first, then the referrer. A link click has no triggering
    user; an event that came by a marketing link may have no referrer. `suppressed` are
    the sides whose person is suppressed. The records' time is when the event occurred, or
    `at`: of what waited, when the person became known.
    """
    mapper = _Mapper(event, _plan(settings), suppressed, at or event.occurred_at)
    names = _NAMES.get(event.type) or (
        f"Referred {event.name}",
        f"Generated {event.name}",
    )
    user, referrer = event.user, event.referrer
    mapped = []
    if user is not None and event.type not in _WITHOUT_USER:
        mapped.append(mapper.map_side(_REFERRED, names[0], user))
    if referrer is not None and event.type not in _WITHOUT_REFERRER:
        mapped.append(mapper.map_side(_GENERATED, names[1], referrer))
    return mapped


def decode_record(record: EventRecord) -> dict[str, Any]:
    """Return the record as CleverTap reads it, for previews."""
    return msgspec.json.decode(record.json, type=dict[str, Any])


def find_identity(person: Person, provider: str) -> str | None:
    """Return the identity that would be sent for `person`; None if none can be."""
    identity = _check_identity(person, _plan_for_provider(provider))
    return identity if isinstance(identity, str) else None


def list_awaited_identities(person: Person, waits_for: Iterable[str]) -> list[Identity]:
    """Return the identities by which `person` may become known, sorted.

    They are of the providers that the app waits for, whose case does not count. A value
    that names nobody, such as null, is none of them.
    """
    folded = frozenset(map(str.casefold, waits_for))
    return sorted(
        Identity(provider, value)
        for provider, value in person.identities.items()
        if provider.casefold() in folded and not is_blocked(value)
    )


def list_awaited_providers(person: Person, waits_for: Iterable[str]) -> list[str]:
    """Return the providers of these identities, folded: a producer's spelling may be any."""
    awaited = list_awaited_identities(person, waits_for)
    return sorted({each.provider.casefold() for each in awaited})


@lru_cache(maxsize=64)
def _plan_for_provider(provider: str) -> "_Plan":
    return _plan(MappingSettings(identity_provider=provider))


class _Plan(msgspec.Struct, frozen=True):
    """Settings, prepared once for all events of an upload."""

    provider: str
    folded_provider: str
    is_plain: bool  # an identity that is plain text needs no further look
    record: type[limits.Record]
    rules: PropertySettings
    kept_back_sides: frozenset[tuple[EventType, Side]]
    kept_back_statuses: frozenset[FraudStatus]
    kept_back_kind: bool | None  # the value of `Event.test` that stays here
    approved_names: frozenset[str]
    custom_names_limit: int
    since: datetime
    falls_back: bool
    waits_for: frozenset[str]
    remembers_referrers: bool


@lru_cache(maxsize=256)
def _plan(settings: MappingSettings) -> _Plan:
    folded = settings.identity_provider.casefold()
    by_object_id = folded == CLEVERTAP_ID
    switches = {
        FraudStatus.SUSPICIOUS: settings.send_suspicious,
        FraudStatus.REJECTED: settings.send_rejected,
    }
    return _Plan(
        provider=settings.identity_provider,
        folded_provider=folded,
        is_plain=not by_object_id,
        record=limits.ObjectIdRecord if by_object_id else limits.IdentityRecord,
        rules=PropertySettings(
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
        kept_back_kind={"production": True, "test": False}.get(settings.event_kinds),
        approved_names=frozenset(settings.approved_names),
        custom_names_limit=settings.custom_names_limit,
        since=(
            _EARLIEST
            if settings.since is None
            else datetime.fromtimestamp(settings.since, UTC)
        ),
        falls_back=settings.falls_back_to_clevertap_id,
        waits_for=frozenset(map(str.casefold, settings.waits_for)),
        remembers_referrers=settings.remembers_referrers,
    )


class _Mapper:
    """One event under one plan. Both sides share the instant and the properties.

    A request has a thousand records, so the usual case is checked first and with as few
    calls as possible.
    """

    __slots__ = (
        "_properties",
        "event",
        "is_kept_back",
        "plan",
        "seconds",
        "suppressed",
    )

    def __init__(
        self, event: Event, plan: _Plan, suppressed: Collection[Side], at: datetime
    ) -> None:
        self.event = event
        self.plan = plan
        self.suppressed = suppressed
        self.is_kept_back = (
            event.test is plan.kept_back_kind
            or event.status in plan.kept_back_statuses
            or event.occurred_at < plan.since
        )
        self.seconds = (at - _EPOCH) // _SECOND
        self._properties: Properties | MappingRefusal | None = None

    def map_side(self, side: Side, name: str, person: Person) -> MappedSide:
        """Return the record of one side, or why it has none. No event raises an error."""
        kept_back_sides = self.plan.kept_back_sides
        if self.is_kept_back or (
            kept_back_sides and (self.event.type, side) in kept_back_sides
        ):
            return KeptBack(side)
        try:
            outcome = self._refuse_person(side, person) or self._build_record(
                side, name, person
            )
        # JSON cannot hold a lone surrogate, an unknown type, or very deep nesting.
        except (ValueError, TypeError, RecursionError) as error:
            outcome = MappingRefusal("mapping_failed", type(error).__name__)
        if isinstance(outcome, EventRecord):
            return outcome
        shown = make_printable(name[: limits.MAX_EVENT_NAME])
        return Unmappable(side, shown, outcome.reason, outcome.detail)

    def _refuse_person(self, side: Side, person: Person) -> MappingRefusal | None:
        if person.erased:
            return MappingRefusal("erased", "")
        return MappingRefusal("suppressed", "") if side in self.suppressed else None

    def _build_record(
        self, side: Side, name: str, person: Person
    ) -> EventRecord | MappingRefusal:
        plan = self.plan
        if self.event.type is _CUSTOM and (bad := self._refuse_name(name)):
            return bad
        record, identity = plan.record, person.identities.get(plan.provider)
        if identity is None or not (
            plan.is_plain and limits.is_plain_identity(identity)
        ):
            chosen = _choose_identity(person, plan)
            if isinstance(chosen, MappingRefusal):
                return chosen
            record, identity = chosen
        properties = self._properties
        if properties is None:
            properties = self._properties = self._build_properties()
        if isinstance(properties, MappingRefusal):
            return properties
        json = limits.encode(
            record(identity, self.seconds, "event", name, properties.json)
        )
        if len(json) > limits.MAX_RECORD_BYTES:
            return MappingRefusal("record_too_large", f"It has {len(json)} bytes.")
        return EventRecord(side, name, json, properties.shortened, self.seconds)

    def _build_properties(self) -> Properties | MappingRefusal:
        """Return the properties, or the reason that both sides have in common."""
        if not 0 < self.seconds <= limits.LATEST_SECOND:
            detail = f"The time is {self.seconds} Unix seconds."
            return MappingRefusal("timestamp_invalid", detail)
        return build_properties(self.event, self.plan.rules)

    def _refuse_name(self, name: str) -> MappingRefusal | None:
        custom = self.event.name
        if len(name) > limits.MAX_EVENT_NAME:
            return MappingRefusal(
                "event_name_too_long", f"It has {len(name)} characters."
            )
        if bad := _refuse_custom_name(custom, name):
            return bad
        if (
            self.event.name_number > self.plan.custom_names_limit
            and normalise_name(custom) not in self.plan.approved_names
        ):
            rank, limit = self.event.name_number, self.plan.custom_names_limit
            return MappingRefusal(
                "new_event_name", f"It is name {rank}; {limit} go by themselves."
            )
        return None


@lru_cache(maxsize=1024)
def _refuse_custom_name(custom: str, name: str) -> MappingRefusal | None:
    """Return why a custom event's name, of a bearable length, cannot be sent.

    A cleaned name could silently count as another event in CleverTap.
    """
    if not custom.strip():
        return MappingRefusal("event_name_empty", "")
    if bad := limits.find_bad_characters(custom):
        return MappingRefusal(
            "event_name_characters", f"It contains {make_printable(bad)}"
        )
    if limits.normalise_event_name(custom) in BUILT_IN_NAMES:
        return MappingRefusal("event_name_clash", "")
    if limits.is_restricted(name):
        return MappingRefusal("event_name_restricted", "")
    return None


def _choose_identity(
    person: Person, plan: _Plan
) -> tuple[type[limits.Record], str] | MappingRefusal:
    """Return by what the person is sent; or why nothing is, or what the record waits for.

    Only an identity that is missing is waited for: one that cannot be sent is a mistake,
    and so is an identity provider that nobody carries.
    """
    if person.last:
        return _refuse_last_referrer(plan)
    checked = _check_identity(person, plan)
    if isinstance(checked, str):
        return plan.record, checked
    if checked.reason != NO_IDENTITY:
        return checked
    if plan.falls_back and (object_id := find_identity(person, CLEVERTAP_ID)):
        return limits.ObjectIdRecord, object_id
    if plan.waits_for and (named := list_awaited_providers(person, plan.waits_for)):
        detail = f"Nobody is known yet by {', '.join(named)}."
        return MappingRefusal(WAITING_FOR_IDENTITY, detail)
    return checked


def _refuse_last_referrer(plan: _Plan) -> MappingRefusal:
    if plan.remembers_referrers:
        return MappingRefusal(WAITING_FOR_REFERRER, "")
    return MappingRefusal(
        NO_REFERRER_KNOWN,
        "The app does not remember referrers. Its settings in the admin have a switch.",
    )


def _check_identity(person: Person, plan: _Plan) -> str | MappingRefusal:
    """Return the identity as the producer sent it, byte for byte, or why it cannot go.

    Provider names are compared without regard to case; where two of a user's differ in
    nothing else, the exact one counts, then the first in sorted order.
    """
    identities = person.identities
    identity = identities.get(plan.provider)
    if identity is None:
        alike = [p for p in identities if p.casefold() == plan.folded_provider]
        if not alike:
            return MappingRefusal(
                NO_IDENTITY,
                _describe_missing_identity(plan.provider, len(identities)),
            )
        identity = identities[min(alike)]
    return _refuse_identity(identity, plan) or identity


def _describe_missing_identity(provider: str, others: int) -> str:
    wanted = f'"{make_printable(provider[:100])}"'
    if others == 1:
        return f"The user's only identity is not {wanted}."
    return f"There is no {wanted} among the user's {others} identities."


def _refuse_identity(identity: str, plan: _Plan) -> MappingRefusal | None:
    reason = None
    if not identity or identity.isspace():
        reason = "identity_empty"
    elif limits.is_forbidden_identity(identity):
        reason = "identity_forbidden"
    elif plan.record is limits.ObjectIdRecord:
        if not limits.is_object_id(identity):
            reason = "clevertap_id_invalid"
    elif len(identity) > limits.MAX_IDENTITY:
        reason = "identity_too_long"
    elif limits.has_control_characters(identity):
        reason = "identity_characters"
    return (
        MappingRefusal(reason, f"It has {len(identity)} characters.")
        if reason
        else None
    )
