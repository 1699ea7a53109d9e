"""What the log keeps of events as they were sent, as it does with most.

Where an event has no signal and no default to be filled in, its JSON is that of the event
which the log would make of it, and fraud has nothing to compare but identities. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from referrals.json_lines import encode_each
from referrals.log.rows import LogRow
from referrals.schema import Event, IncomingEvent, IncomingPerson, Person
from referrals.vocabulary import INVITE_CHANNELS, EventType, FraudStatus

_CUSTOM: Final = EventType.CUSTOM
_VALID: Final = FraudStatus.VALID
_encoder: Final = msgspec.json.Encoder()


def make_plain_contents(
    events: Sequence[IncomingEvent],
    forms: Sequence[bytes],
    fingerprints: Sequence[str],
    request_id: str,
) -> list[LogRow | Event | None]:
    """Return what the draft of each event holds that is kept as sent and has no warning.

    That is its row; of a custom event, whose name has no number yet, the event as the log
    keeps it. Neither has to be judged. `forms` are the events as JSON, of which the
    `fingerprints` were made.
    """
    are_plain = _find_plain(events, forms)
    kept = [
        event
        for event, is_plain in zip(events, are_plain, strict=True)
        if is_plain and event.type is not _CUSTOM
    ]
    bodies = iter(encode_each(_encoder, kept))
    return [
        None
        if not is_plain
        else _build_custom(event)
        if event.type is _CUSTOM
        else LogRow(
            event.id,
            fingerprint,
            event.occurred_at,  # type: ignore[arg-type] # no plain one is without
            event.type,
            "",
            event.channel or "",
            _VALID,
            event.test is True,
            msgspec.Raw(next(bodies)),
            request_id,
        )
        for event, fingerprint, is_plain in zip(
            events, fingerprints, are_plain, strict=True
        )
    ]


def _find_plain(
    events: Sequence[IncomingEvent], forms: Sequence[bytes]
) -> Sequence[bool]:
    """Say of each event whether it is kept as it was sent."""
    return [
        is_plain and _is_plain(event)
        for event, is_plain in zip(events, _find_plain_texts(forms), strict=True)
    ]


def _build_custom(event: IncomingEvent) -> Event:
    """Return the event as `schema.build_event` does of a plain one."""
    user, referrer = event.user, event.referrer
    return Event(
        event.id,
        event.type,
        event.occurred_at,  # type: ignore[arg-type]
        event.name or "",
        0,
        user and Person(user.identities),  # type: ignore[arg-type]
        Person(referrer.identities),  # type: ignore[arg-type, union-attr]
        event.via,
        event.channel,
        event.content,
        event_data=event.event_data or {},
        test=event.test is True,
    )


def _find_plain_texts(forms: Sequence[bytes]) -> Iterable[bool]:
    """Say of each form whether none of its texts surely has a blank around it, seen or not."""
    together = b"".join(forms)
    if together.isascii() and b"\\" not in together:
        if b" " not in together:
            return [True] * len(forms)
        return (b" " not in form or _has_blanks_within(form) for form in forms)
    return (
        form.isascii() and b"\\" not in form and _has_blanks_within(form)
        for form in forms
    )


def _has_blanks_within(form: bytes) -> bool:
    return b'" ' not in form and b' "' not in form


def _is_plain(event: IncomingEvent) -> bool:
    """Return whether it has no other warning, and building and judging it add nothing."""
    user, referrer = event.user, event.referrer
    return (
        event.occurred_at is not None
        and (event.type is _CUSTOM or (event.name is None and event.event_data is None))
        and event.metadata is None
        and event.status is None
        and event.test is not False
        and (event.channel is None or event.channel in INVITE_CHANNELS)
        # What has lost digits has a warning.
        and type(event) is IncomingEvent
        # Of both, identities alone are told, and none of one's are the other's.
        and type(referrer) is IncomingPerson
        and referrer.ip is None
        and referrer.device_id is None
        and referrer.advertising_id is None
        and referrer.identities is not None
        and (
            user is None
            or (
                user.ip is None
                and user.device_id is None
                and user.advertising_id is None
                and user.identities is not None
                and set(user.identities.values()).isdisjoint(
                    referrer.identities.values()
                )
            )
        )
    )
