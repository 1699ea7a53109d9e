"""One event from receipt to verdict: its upload, the attempts, each side's verdict."""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from clevertap_sync.admin.deliveries.attempt_admin import show_outcome
from clevertap_sync.clevertap.mapping import EventRecord, decode_record, map_event
from clevertap_sync.clevertap.reasons import NO_REFERRER_KNOWN, WAITING_FOR_REFERRER
from clevertap_sync.insight import wait_numbers
from clevertap_sync.insight.awaited import REFERRER
from clevertap_sync.insight.clevertap_destination import CleverTapDestination
from clevertap_sync.insight.mapping_settings import build_settings, read_settings
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from referrals import suppression, words
from referrals.destinations import Outcome
from referrals.log import LoggedEvent
from referrals.models import App
from referrals.schema import Event, find_sides
from referrals.secret import Secret
from referrals.words import Colour

_MOST_ATTEMPTS: Final = 20
_MOST_LINKED: Final = 50
_State = DeadLetter.State
#: Characters that turn the direction of the text, so that it can read as another one.
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: The keys of a payload whose values say nothing about a person.
_OPEN_KEYS: Final = frozenset(
    {
        *("id", "type", "name", "name_number", "via", "channel", "status", "reasons"),
        *("test", "occurred_at", "ts", "evtName", "Channel", "Status"),
    }
)

#: The light of each outcome.
LIGHTS: Final[dict[str, tuple[Colour, str]]] = {
    "pending": ("busy", "Waits for its upload"),
    "in_flight": ("busy", "Under way"),
    "skipped": ("idle", "Skipped"),
    "not_sent": ("idle", "Not sent"),
    "delivered": ("good", "Delivered"),
    "waiting": ("idle", "Waits for its user"),
    "expired": ("idle", "Waited in vain"),
    "dead_letter": ("bad", "Not delivered"),
}


@dataclass(frozen=True, slots=True)
class Wait:
    """A record's wait for its user: by which IDs, until when, and what ended it."""

    waits_for: tuple[str, ...]
    began_at: datetime
    until: datetime | None
    linked_at: datetime | None
    linked_by: int | None
    delivered_at: datetime | None
    expired_at: datetime | None

    @property
    def is_for_referrer(self) -> bool:
        """Whether it is not yet known whom "last" stands for."""
        return self.waits_for == REFERRER


@dataclass(frozen=True, slots=True)
class SideVerdict:
    """The verdict on one record, and the record itself."""

    side: str
    colour: Colour
    word: str
    meaning: str
    remedy: str
    reason: str
    detail: str
    upload: int | None
    letter: int | None
    wait: Wait | None
    record: str


@dataclass(frozen=True, slots=True)
class IntegrationTimeline:
    """The event at one integration: its upload, the attempts, both sides."""

    integration: Integration
    upload: Upload | None
    attempts: list[tuple[Attempt, str]]
    sides: list[SideVerdict]


def build_timeline(
    app: App, logged: LoggedEvent, *, shows_identities: bool
) -> dict[str, Any]:
    """Return the context of the event's page."""
    explained = CleverTapDestination().explain(app.pk, logged.position, logged.event)
    integrations = app.integrations.filter(archived_at=None)
    journeys = [
        _trace_integration(
            integration,
            logged.event,
            [
                outcome
                for outcome in explained
                if outcome.integration == integration.name
            ],
            DeadLetter.objects.filter(
                integration=integration, position=logged.position
            ),
            shows_identities=shows_identities,
        )
        for integration in integrations.select_related("account").order_by("name")
    ]
    stored = msgspec.to_builtins(logged.event)
    return {
        "journeys": journeys,
        "linked": _find_linked_records(integrations, logged.position),
        "stored": format_json(stored if shows_identities else mask_values(stored)),
    }


def mask_values(value: Any, *, is_open: bool = False) -> Any:
    """Return JSON in which each value that may be about a person is masked."""
    match value:
        case dict():
            return {
                key: mask_values(inner, is_open=key in _OPEN_KEYS)
                for key, inner in value.items()
            }
        case list() | tuple():
            return [mask_values(inner, is_open=is_open) for inner in value]
    return value if is_open else Secret.MASK


def format_json(value: object) -> str:
    """Return JSON for people. Characters that turn the text's direction are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _trace_integration(
    integration: Integration,
    event: Event,
    outcomes: list[Outcome],
    dead_letters: Iterable[DeadLetter],
    *,
    shows_identities: bool,
) -> IntegrationTimeline:
    letters = {letter.side: letter for letter in dead_letters}
    found = (_find_upload(each, letters.get(each.side)) for each in outcomes)
    uploads = {upload for upload in found if upload is not None}
    upload = Upload.objects.filter(pk__in=uploads).order_by("pk").first()
    made = read_settings(
        build_settings(integration) if upload is None else upload.settings
    )
    (suppressed,) = suppression.find_suppressed_sides(
        integration.app_id, [event], made.suppressions_until
    )
    records = {
        value.side.value: decode_record(value)
        for value in map_event(event, made, suppressed)
        if isinstance(value, EventRecord)
    }
    return IntegrationTimeline(
        integration,
        upload,
        _list_attempts(uploads),
        [
            _build_side_verdict(
                each,
                letters.get(each.side),
                records.get(each.side),
                _find_loose_ids(integration.app, event, each.side),
                shows_identities=shows_identities,
            )
            for each in outcomes
        ],
    )


def _find_upload(outcome: Outcome, letter: DeadLetter | None) -> int | None:
    """Return the ID of the record's upload, or of the one it fell out of."""
    if outcome.upload is None and letter is not None:
        return letter.upload_id
    return outcome.upload


def _list_attempts(uploads: Collection[int]) -> list[tuple[Attempt, str]]:
    if not uploads:
        return []
    attempts = Attempt.objects.filter(upload__in=uploads).order_by("-pk")
    return [
        (attempt, show_outcome(attempt))
        for attempt in reversed(attempts[:_MOST_ATTEMPTS])
    ]


def _build_side_verdict(
    outcome: Outcome,
    letter: DeadLetter | None,
    record: dict[str, Any] | None,
    loose: tuple[str, ...],
    *,
    shows_identities: bool,
) -> SideVerdict:
    colour, word = LIGHTS[outcome.status]
    wait = None if letter is None else _describe_wait(letter, outcome, loose)
    if wait and wait.linked_at and letter and letter.state == _State.REPLAYING:
        colour, word = "busy", "Known, on its way"
    elif wait and wait.until and wait.is_for_referrer:
        word = "Waits for its referrer"
    shown = record if record is None or shows_identities else mask_values(record)
    return SideVerdict(
        side=outcome.side,
        colour=colour,
        word=word,
        meaning=outcome.meaning or "",
        remedy=outcome.remedy or "",
        reason=outcome.reason or "",
        detail=outcome.detail or "",
        upload=_find_upload(outcome, letter),
        letter=None if letter is None else letter.pk,
        wait=wait,
        record="" if shown is None else format_json(shown),
    )


def _describe_wait(
    letter: DeadLetter, outcome: Outcome, loose: tuple[str, ...]
) -> Wait | None:
    """Return the story of a letter's wait; None where it never waited."""
    ended = letter.state not in {_State.WAITING, _State.EXPIRED}
    if ended and letter.linked_at is None:
        return None
    waits_on = letter.state == _State.WAITING
    is_for_referrer = letter.reason in {WAITING_FOR_REFERRER, NO_REFERRER_KNOWN}
    until = outcome.until or wait_numbers.find_end_of_wait(letter)
    return Wait(
        waits_for=outcome.waits_for or (REFERRER if is_for_referrer else loose),
        began_at=letter.created_at,
        until=until if waits_on else None,
        linked_at=letter.linked_at,
        linked_by=letter.linked_by,
        delivered_at=letter.delivered_at,
        expired_at=letter.changed_at if letter.state == _State.EXPIRED else None,
    )


def _find_loose_ids(app: App, event: Event, side: str) -> tuple[str, ...]:
    """Return which of the app's IDs that come before sign-up the side carries."""
    listed = set(app.loose_ids)
    return tuple(
        sorted(
            words.make_inert(name)
            for found, person in find_sides(event)
            if found.value == side
            for name in person.identities
            if name.casefold() in listed
        )
    )


def _find_linked_records(
    integrations: Iterable[Integration], position: int
) -> list[DeadLetter]:
    """Return the records of other events whose user the event at `position` made known."""
    found = DeadLetter.objects.filter(integration__in=integrations, linked_by=position)
    others = found.exclude(position=position).order_by("integration", "position")
    return list(others[:_MOST_LINKED])
