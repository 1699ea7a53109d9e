"""The wire format of events, and the form in which the log keeps them.

Pure: imports msgspec and pure neighbours, no framework. `gc=False` because values of
JSON hold no cycles, and thousands of them at once keep the collector busy otherwise.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

import msgspec

from referrals import diagnosis, fraud_signals, precision, repeated_keys, rules
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.vocabulary import (
    INVITE_CHANNELS,
    SIDES,
    EventType,
    FraudStatus,
    Side,
    Via,
)


class IncomingPerson(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """One side of a referral, as it is sent. An identity is taken byte for byte.

    After the check no identity is None: null means that it was left out.
    """

    identities: dict[str, str | None] | None = {}
    ip: str | None = None
    device_id: str | None = None
    advertising_id: str | None = None

    def __repr__(self) -> str:
        """Name the providers only: printed values end up in logs."""
        return f"IncomingPerson({', '.join(self.identities or ())})"


class IncomingEvent(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """An event as it is sent. Made by `decode_event` and `check_object`, which check it.

    `null` means the same as leaving a field out. After the check, `occurred_at` is aware
    UTC, or None where the sender leaves it to the time of receipt. The referrer "last" is
    whoever invited the user last.
    """

    id: str
    type: EventType
    name: str | None = None
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)] | int | float | None = None
    user: IncomingPerson | None = None
    referrer: IncomingPerson | Literal["last"] | None = None
    via: Via | None = None
    channel: str | None = None
    content: str | None = None
    status: FraudStatus | None = None
    event_data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    test: bool | None = None

    def __repr__(self) -> str:
        """Show no identity: printed values end up in logs."""
        return f"IncomingEvent(id={self.id!r}, type={self.type!r})"


class RoundedEvent(IncomingEvent, frozen=True, gc=True, dict=True):
    """An event of which at least one number has lost digits, and where.

    This note is not a field, so that it is not part of the fingerprint.
    """

    @property
    def rounded(self) -> tuple[str, ...]:
        """The JSON pointers to these numbers."""
        return cast("tuple[str, ...]", self.__dict__["rounded"])


class Person(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One side of a referral, as the log keeps it.

    `ip`, `device_id` and `advertising_id` are keyed hashes, never the values. An
    `erased` person has nothing else: only that the event named this side remains. Nor has
    the `last` one: it stands for the referrer whom an earlier event of the user named.
    """

    identities: dict[str, str] = {}
    ip: str | None = None
    device_id: str | None = None
    advertising_id: str | None = None
    erased: bool = False
    last: bool = False

    def __repr__(self) -> str:
        """Name the providers only: printed values end up in logs."""
        return f"Person({', '.join(self.identities)})"


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An event, as the log keeps it: the producer's fields, and our decisions.

    `occurred_at` is aware UTC. `name` and `event_data` belong to custom events;
    `name_number` is the rank of the custom name in its app (1, 2, 3, …).
    """

    id: str
    type: EventType
    occurred_at: datetime
    name: str = ""
    name_number: int = 0
    user: Person | None = None
    referrer: Person | None = None
    via: Via | None = None
    channel: str | None = None
    content: str | None = None
    status: FraudStatus = FraudStatus.VALID
    reasons: tuple[str, ...] = ()
    event_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    test: bool = False


def find_sides(event: Event) -> list[tuple[Side, Person]]:
    """Return the event's people by side, in the order of its records."""
    people = {Side.REFERRED: event.user, Side.GENERATED: event.referrer}
    return [(side, person) for side in SIDES[event.type] if (person := people[side])]


class EventProblem(msgspec.Struct, frozen=True):
    """Why one event was refused: where (a JSON pointer into it) and what to do."""

    code: Code
    pointer: str
    detail: str
    id: str | None = None


_UNKNOWN_CHANNEL = (
    "The channel is none of the known invite channels. It is kept as sent; known are: "
    f"{', '.join(sorted(INVITE_CHANNELS))}. The channel of a Smart Link is free: send "
    '"via": "smart_link" with it.'
)
#: What cannot be seen: beside the blanks of Unicode, the characters that have no width.
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + (
    "\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)
_LAST = Person(last=True)
# To look a member up in its enum takes as long as to check an identity.
_IDENTIFY = EventType.IDENTIFY
_VALID = FraudStatus.VALID
# Nearly every event is read once. One with a number that loses digits is read again.
_decoder = msgspec.json.Decoder(IncomingEvent, float_hook=precision.read_float)
_rounding_decoder = msgspec.json.Decoder(IncomingEvent)
_marking_decoder = msgspec.json.Decoder(IncomingEvent, float_hook=precision.mark_float)


def may_be_odd(text: bytes) -> bool:
    """Return whether JSON with events may have an escape or a null, at which some rules look.

    To ask this of a whole body takes a tenth of asking each of its events.
    """
    return b"\\" in text or b"null" in text


def decode_event(
    raw: bytes | memoryview | msgspec.Raw, *, now: datetime | None = None
) -> IncomingEvent | EventProblem:
    """Return the JSON event that `raw` holds, checked, or why it is refused.

    Never raises. A time is refused if it is more than a day after `now`.
    """
    data = bytes(raw)
    now = now or datetime.now(UTC)
    try:
        # A text as short as this breaks neither rule: each value has a byte of its own.
        if len(data) > rules.MAX_VALUES:
            rules.check_size(len(data))
            rules.check_values(data)
        try:
            return _check_event(_decoder.decode(data), data, now)
        except precision.LostDigitsError:
            return _note_lost_digits(
                _check_event(_rounding_decoder.decode(data), data, now), data
            )
    except (ValueError, RecursionError) as error:
        return _explain_refusal(error, data)


def _explain_refusal(error: Exception, data: bytes) -> EventProblem:
    """Return why `data` is refused.

    A function of its own: were the refusal a name in the frame that its traceback holds,
    the data would stay in memory until the garbage collector comes by.
    """
    refused = diagnosis.explain_refusal(error, data)
    return EventProblem(
        refused.code, refused.pointer, refused.detail, diagnosis.read_id(data)
    )


def check_object(
    value: object, *, now: datetime | None = None
) -> IncomingEvent | EventProblem:
    """Return the event that a decoded object holds, checked, or why it is refused.

    For producers in Python: an aware `datetime` is a time, an enum is its value.
    """
    try:
        # An encoder would turn NaN into null without a word.
        rules.check_tree("", value)
        raw = msgspec.json.encode(value)
    except BrokenRuleError as error:
        return EventProblem(error.code, error.pointer, error.detail)
    except (ValueError, TypeError, RecursionError):
        return EventProblem(
            Code.NOT_JSON,
            "",
            "The event holds something that JSON has no form for. Send plain values.",
        )
    return decode_event(raw, now=now)


def list_warnings(event: IncomingEvent) -> tuple[str, ...]:
    """Return sentences about probable mistakes that are no reason to lose a referral."""
    if _is_flawless(event):
        return ()
    return tuple(detail for _, detail in find_warnings(event))


def _is_flawless(event: IncomingEvent) -> bool:
    """Return whether a quick look shows that `event` has no warning, as nearly every one."""
    channel = event.channel
    if channel is not None and channel not in INVITE_CHANNELS:
        return False
    for person in (event.user, event.referrer):
        if person is None:
            continue
        if isinstance(person, str) or person.ip:
            return False
        for identity in _identities(person).values():
            if identity.strip(BLANKS) != identity:
                return False
    return not isinstance(event, RoundedEvent)


def find_warnings(event: IncomingEvent) -> Iterator[tuple[str, str]]:
    """Yield each warning with the pointer at which a strict request refuses it."""
    channel = event.channel
    # A Smart Link's channel is free; an invite's is the provider that carried it.
    is_free = event.via is Via.SMART_LINK
    if channel and not is_free and channel.casefold() not in INVITE_CHANNELS:
        yield "/channel", _UNKNOWN_CHANNEL
    for side, person in (("user", event.user), ("referrer", _read_referrer(event))):
        if person and person.ip and not fraud_signals.is_address(person.ip):
            yield f"/{side}/ip", f"The {side}'s ip is no IP address and was ignored."
        for provider, identity in _identities(person).items() if person else ():
            if identity.strip(BLANKS) != identity:
                yield (
                    rules.extend_pointer(f"/{side}/identities", provider),
                    _warn_of_blanks(side),
                )
    if isinstance(event, RoundedEvent):
        yield event.rounded[0], _warn_of_lost_digits(event.rounded)


def _warn_of_blanks(side: str) -> str:
    return (
        f"An identity of the {side} has blanks or invisible characters around it. It is "
        "kept and sent on byte for byte, so it is another one than without them. Remove "
        "them in the sender, unless they belong to it."
    )


def _warn_of_lost_digits(pointers: Sequence[str]) -> str:
    first, *others = pointers
    more = f" So it is with {len(others)} more." if others else ""
    return (
        f"The number at {first} has more digits than a 64-bit float keeps, and was "
        f"rounded. Send it as a text.{more}"
    )


def build_event(
    event: IncomingEvent,
    *,
    received_at: datetime,
    hash_signal: Callable[[str], str],
    ignored: Sequence[fraud_signals.Network] = (),
) -> Event:
    """Return the event as the log keeps it: defaults applied, signals hashed.

    `ignored` are networks whose addresses say nothing about fraud. The log still decides
    the name number, the status and the reasons.
    """
    return Event(
        id=event.id,
        type=event.type,
        occurred_at=rules.read_instant(event.occurred_at) or received_at,
        name=event.name or "",
        user=_build_person(event.user, hash_signal, ignored),
        referrer=(
            _LAST
            if isinstance(event.referrer, str)
            else _build_person(event.referrer, hash_signal, ignored)
        ),
        via=event.via,
        channel=event.channel,
        content=event.content,
        status=event.status or _VALID,
        event_data=event.event_data or {},
        metadata=event.metadata or {},
        test=event.test or False,
    )


def _read_referrer(event: IncomingEvent) -> IncomingPerson | None:
    """Return the referrer whom the event itself describes."""
    return None if isinstance(event.referrer, str) else event.referrer


def _build_person(
    person: IncomingPerson | None,
    hash_signal: Callable[[str], str],
    ignored: Sequence[fraud_signals.Network],
) -> Person | None:
    if person is None:
        return None
    # All that is kept as it was sent. Most people have no signal, and are done with it.
    kept = Person(identities=_identities(person))
    if not (person.ip or person.device_id or person.advertising_id):
        return kept

    def hashed(kind: str, trace: str | None) -> str | None:
        return hash_signal(f"{kind}:{trace}") if trace else None

    advertising_id = fraud_signals.normalise_device(person.advertising_id or "")
    return msgspec.structs.replace(
        kept,
        ip=hashed("ip", fraud_signals.normalise_address(person.ip or "", ignored)),
        device_id=hashed(
            "device", fraud_signals.normalise_device(person.device_id or "")
        ),
        advertising_id=hashed("advertising", advertising_id),
    )


def _identities(person: IncomingPerson) -> dict[str, str]:
    """Return the identities of a checked person, of which none is None."""
    # To call `cast` took longer than the rest.
    return person.identities  # type: ignore[return-value]


def _check_event(event: IncomingEvent, data: bytes, now: datetime) -> IncomingEvent:
    """Return `event`, which `data` holds, without null and with `occurred_at` in UTC.

    Raises `BrokenRuleError`.
    """
    # JSON spells NUL and null in one way only, so most events need no second look.
    if b"\\u0000" in data:
        rules.check_tree("", msgspec.to_builtins(event))
    if b"null" in data:
        event = _drop_nulls(event)
    rules.check_id(event.id)
    rules.check_name(event.type, event.name)
    rules.check_people(
        event.type,
        event.via,
        has_user=event.user is not None,
        has_referrer=event.referrer is not None,
    )
    _check_identities(event)
    rules.check_event_data(event.type, event.event_data)
    rules.check_metadata(event.metadata)
    occurred_at = _read_occurred_at(event.occurred_at, data)
    rules.check_occurred_at(occurred_at, now)
    # Last: an event that an earlier rule refuses may not be encodable.
    _check_keys(event, data)
    if occurred_at is event.occurred_at:
        return event
    return msgspec.structs.replace(event, occurred_at=occurred_at)


def _check_identities(event: IncomingEvent) -> None:
    referrer = event.referrer
    if event.user:
        rules.check_identities("/user", _identities(event.user))
    if isinstance(referrer, str):
        rules.check_last_referrer(event.type)
    elif referrer:
        rules.check_identities("/referrer", _identities(referrer))
    if event.type is _IDENTIFY:
        rules.check_identify(_identities(event.user) if event.user else {}, event)


def _check_keys(event: IncomingEvent, data: bytes) -> None:
    """Refuse an event that `data` holds with a key twice, of which `event` has one."""
    time = event.occurred_at
    # An offset may have been sent without the colon with which it is written.
    has_offset = isinstance(time, datetime) and time.tzinfo is not UTC
    decoded = None if has_offset else event
    if not repeated_keys.may_have_lost(data, decoded):
        return
    pointer = repeated_keys.find_repeated_key(data)
    if pointer is not None:
        raise BrokenRuleError(
            code=Code.REPEATED_KEY, at=pointer, detail=rules.REPEATED_KEY_RULE
        )


def _drop_nulls(event: IncomingEvent) -> IncomingEvent:
    """Return the event without the identities that are null."""
    referrer = event.referrer
    if not isinstance(referrer, str):
        referrer = _drop_null_identities(referrer)
    return msgspec.structs.replace(
        event, user=_drop_null_identities(event.user), referrer=referrer
    )


def _drop_null_identities(person: IncomingPerson | None) -> IncomingPerson | None:
    """Return the person without the identities that are null."""
    if person is None:
        return None
    sent = person.identities or {}
    identities = {name: value for name, value in sent.items() if value is not None}
    return msgspec.structs.replace(person, identities=identities)


def _read_occurred_at(value: datetime | float | None, data: bytes) -> datetime | None:
    """Return when it happened, rounded down to a microsecond. Raises `BrokenRuleError`."""
    instant = rules.read_instant(value)
    if isinstance(value, int | None):
        return instant
    if not isinstance(value, float) and not precision.may_be_finer(data):
        return instant
    return rules.read_instant(precision.read_exact_instant(data))


def _note_lost_digits(event: IncomingEvent, data: bytes) -> IncomingEvent:
    """Return `event` with a note of the numbers that have lost digits."""
    marked = _marking_decoder.decode(data)
    pointers = (
        *precision.find_lost_digits("/event_data", marked.event_data),
        *precision.find_lost_digits("/metadata", marked.metadata),
    )
    if not pointers:  # digits of a time are rounded down
        return event
    rounded = RoundedEvent(**msgspec.structs.asdict(event))
    rounded.__dict__["rounded"] = pointers
    return rounded
