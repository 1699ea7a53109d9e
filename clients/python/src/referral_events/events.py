"""Events and people, with the names that the HTTP API has for their fields."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, Final, Literal

EventType = Literal[
    "app_install",
    "app_reinstall",
    "app_open",
    "web_sign_up",
    "web_open",
    "link_click",
    "custom",
    "identify",
]

#: As `referrer`, it stands for whoever invited the user last.
LAST: Final = "last"


@dataclass(frozen=True)
class Person:
    """One side of a referral. `identities` are the person's IDs by provider, byte for byte.

    The rest is for fraud detection: the server keeps keyed hashes of it alone.
    """

    identities: Mapping[str, str] = field(default_factory=dict)
    ip: str | None = None
    device_id: str | None = None
    advertising_id: str | None = None

    def __repr__(self) -> str:
        """Name the providers only: printed values end up in logs."""
        return f"Person({', '.join(self.identities)})"


@dataclass(frozen=True)
class Event:
    """What became of an invitation. What is None is not sent.

    `id` is the idempotency key, a new one unless you give it. Give one that follows from what
    happened, such as `install-<device>`, and the event stays one event even where your own
    process dies and does its work again. `occurred_at` is an aware datetime, RFC 3339, or Unix
    seconds; without it, `enqueue` puts in the present, and after `send` it is the time of
    receipt.
    """

    type: EventType
    user: Person | None = None
    referrer: Person | Literal["last"] | None = None
    name: str | None = None
    occurred_at: datetime | str | float | None = None
    via: Literal["smart_invite", "smart_link"] | None = None
    channel: str | None = None
    content: str | None = None
    status: Literal["valid", "suspicious", "rejected"] | None = None
    event_data: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    test: bool | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __repr__(self) -> str:
        """Show no identity: printed values end up in logs."""
        return f"Event(id={self.id!r}, type={self.type!r})"


def make_json(value: Event | Person) -> dict[str, Any]:
    """Return the JSON object of an event or a person.

    Raises `ValueError` for a datetime without an offset: nobody knows which instant it is,
    and `OverflowError` for one that is none in UTC.
    """
    found: dict[str, Any] = {}
    for each in fields(value):
        part = getattr(value, each.name)
        if part is None:
            continue
        if isinstance(part, Person):
            part = make_json(part)
        elif isinstance(part, datetime):
            part = _spell_instant(part)
        elif isinstance(part, Mapping):
            part = dict(part)
        found[each.name] = part
    return found


def _spell_instant(instant: datetime) -> str:
    if instant.utcoffset() is None:
        message = (
            "occurred_at has no offset: give an aware datetime, such as one in UTC."
        )
        raise ValueError(message)
    # In UTC: RFC 3339 has no seconds in an offset, as some of long ago have.
    return instant.astimezone(timezone.utc).isoformat()  # noqa: UP017 - Python 3.10
