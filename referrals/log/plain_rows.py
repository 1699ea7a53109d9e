"""The rows of events that the log keeps as they were sent, as it does with most.

Where an event has no signal, no name and no default to be filled in, its JSON is that of the
event which the log would make of it, and fraud has nothing to compare but identities. Pure.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from referrals.log.rows import LogRow
from referrals.schema import IncomingEvent, IncomingPerson
from referrals.vocabulary import INVITE_CHANNELS, EventType, FraudStatus

_CUSTOM: Final = EventType.CUSTOM
_VALID: Final = FraudStatus.VALID
_encode_lines: Final = msgspec.json.Encoder().encode_lines


def make_plain_rows(
    events: Sequence[IncomingEvent], fingerprints: Sequence[str], request_id: str
) -> list[LogRow | None]:
    """Return the row of each event that is kept as it was sent, and has no warning."""
    are_plain = list(map(_is_plain, events))
    plain = [
        event for event, is_plain in zip(events, are_plain, strict=True) if is_plain
    ]
    bodies = iter(_encode_lines(plain).split(b"\n"))
    return [
        LogRow(
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
        if is_plain
        else None
        for event, fingerprint, is_plain in zip(
            events, fingerprints, are_plain, strict=True
        )
    ]


def _is_plain(event: IncomingEvent) -> bool:
    """Return whether it has no warning, and building and judging it would add nothing."""
    return not (
        event.type is _CUSTOM
        or event.occurred_at is None
        or event.name is not None
        or event.event_data is not None
        or event.metadata is not None
        or event.status is not None
        or event.test is False
        or (event.channel is not None and event.channel not in INVITE_CHANNELS)
        # What has lost digits has a warning.
        or type(event) is not IncomingEvent
    ) and _are_plain(event.user, event.referrer)


def _are_plain(
    user: IncomingPerson | None, referrer: IncomingPerson | str | None
) -> bool:
    """Return whether all that is told of them is plain identities, none of them in common."""
    if type(referrer) is not IncomingPerson or _has_more(referrer):
        return False
    theirs = referrer.identities.values()  # type: ignore[union-attr] # not None
    mine: Collection[str | None] = ()
    if user is not None:
        if _has_more(user):
            return False
        mine = user.identities.values()  # type: ignore[union-attr]
    for identity in mine:
        if identity in theirs:
            return False
    # Without another call for each: what is plain has no blank, seen or not, around it.
    for identity in (*theirs, *mine):
        if (
            identity is None
            or identity.strip() is not identity
            or not identity.isascii()
        ):
            return False
    return True


def _has_more(person: IncomingPerson) -> bool:
    """Return whether more is told of the person than identities."""
    return (
        person.ip is not None
        or person.device_id is not None
        or person.advertising_id is not None
        or person.identities is None
    )
