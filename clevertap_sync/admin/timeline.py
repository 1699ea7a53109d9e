"""One event's way: received, uploaded attempt by attempt, judged side by side."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from clevertap_sync.admin.attempts import outcome_light
from clevertap_sync.delivery.mapping_settings import read_settings, settings_of
from clevertap_sync.destination import CleverTapDestination
from clevertap_sync.mapping import EventRecord, as_dict, to_records
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from clevertap_sync.secret import Secret
from referrals import suppression
from referrals.log import LoggedEvent
from referrals.models import App
from referrals.schema import Event
from referrals.words import Colour

_MOST_ATTEMPTS: Final = 20
#: Characters that change the direction of what follows, so that it reads as another text.
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: What of a payload tells nothing about a person.
_OPEN_KEYS: Final = frozenset(
    {
        *("id", "type", "name", "name_number", "via", "channel", "status", "reasons"),
        *("test", "occurred_at", "ts", "evtName", "Channel", "Status"),
    }
)

#: What became of a record, as a light.
LIGHTS: Final[dict[str, tuple[Colour, str]]] = {
    "pending": ("busy", "Waits for its upload"),
    "in_flight": ("busy", "Under way"),
    "skipped": ("idle", "Skipped"),
    "not_sent": ("idle", "Not sent"),
    "delivered": ("good", "Delivered"),
    "dead_letter": ("bad", "Not delivered"),
}


@dataclass(frozen=True, slots=True)
class SideVerdict:
    """What became of one record."""

    side: str
    colour: Colour
    word: str
    meaning: str
    remedy: str
    reason: str
    detail: str
    upload: int | None
    letter: int | None
    record: str


@dataclass(frozen=True, slots=True)
class Journey:
    """The event's way to one integration."""

    integration: Integration
    upload: Upload | None
    attempts: list[tuple[Attempt, str]]
    sides: list[SideVerdict]


def of(app: App, logged: LoggedEvent, *, shows_identities: bool) -> dict[str, Any]:
    """Return what the event's page shows."""
    explained = CleverTapDestination().explain(app.pk, logged.position, logged.event)
    integrations = app.integrations.filter(archived_at=None)
    journeys = [
        _journey(
            integration,
            logged.event,
            _with_letters(integration, logged.position, explained),
            shows_identities=shows_identities,
        )
        for integration in integrations.select_related("account").order_by("name")
    ]
    stored = msgspec.to_builtins(logged.event)
    return {
        "journeys": journeys,
        "stored": pretty(stored if shows_identities else masked(stored)),
    }


def masked(value: Any, *, is_open: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Return JSON in which everything that could tell about a person is a mask."""
    match value:
        case dict():
            return {
                key: masked(inner, is_open=key in _OPEN_KEYS)
                for key, inner in value.items()
            }
        case list() | tuple():
            return [masked(inner, is_open=is_open) for inner in value]
    return value if is_open else Secret.MASK


def pretty(value: object) -> str:
    """Return JSON as people read it. What would turn the text around is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _journey(
    integration: Integration,
    event: Event,
    told: list[dict[str, Any]],
    *,
    shows_identities: bool,
) -> Journey:
    upload = _upload_of(told)
    made = read_settings(
        settings_of(integration) if upload is None else upload.settings
    )
    (suppressed,) = suppression.suppressed_sides(
        integration.app_id, [event], made.suppressions_until
    )
    records = {
        value.side.value: as_dict(value)
        for value in to_records(event, made, suppressed)
        if isinstance(value, EventRecord)
    }
    return Journey(
        integration,
        upload,
        _attempts(told),
        [
            _side(each, records.get(each["side"]), shows_identities=shows_identities)
            for each in told
        ],
    )


def _with_letters(
    integration: Integration, position: int, explained: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what was told about the integration, and where its dead letters are."""
    letters = {
        letter.side: {"letter": letter.pk, "upload": letter.upload_id}
        for letter in DeadLetter.objects.filter(
            integration=integration, position=position
        )
    }
    return [
        letters.get(told["side"], {}) | told
        for told in explained
        if told["integration"] == integration.name
    ]


def _upload_of(told: Iterable[dict[str, Any]]) -> Upload | None:
    ids = [each["upload"] for each in told if "upload" in each]
    return Upload.objects.filter(pk__in=ids).order_by("pk").first() if ids else None


def _attempts(told: Iterable[dict[str, Any]]) -> list[tuple[Attempt, str]]:
    ids = {each["upload"] for each in told if "upload" in each}
    if not ids:
        return []
    attempts = Attempt.objects.filter(upload__in=ids).order_by("-pk")[:_MOST_ATTEMPTS]
    return [(attempt, outcome_light(attempt)) for attempt in reversed(attempts)]


def _side(
    told: dict[str, Any], record: dict[str, Any] | None, *, shows_identities: bool
) -> SideVerdict:
    colour, word = LIGHTS[told["status"]]
    shown = record if record is None or shows_identities else masked(record)
    return SideVerdict(
        side=told["side"],
        colour=colour,
        word=word,
        meaning=told.get("meaning", ""),
        remedy=told.get("remedy", ""),
        reason=told.get("reason", ""),
        detail=told.get("detail", ""),
        upload=told.get("upload"),
        letter=told.get("letter"),
        record="" if shown is None else pretty(shown),
    )
