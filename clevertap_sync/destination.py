"""What CleverTap's side can say of an event: what would be sent, what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from clevertap_sync import whereabouts
from clevertap_sync.delivery.mapping_settings import read_settings, settings_of
from clevertap_sync.delivery.prepare import named_sides
from clevertap_sync.delivery.work import pick_of
from clevertap_sync.mapping import (
    EventRecord,
    Mapped,
    MappingSettings,
    Unmappable,
    Withheld,
    as_dict,
    to_records,
)
from clevertap_sync.models import DeadLetter, Integration, Upload
from clevertap_sync.reasons import REASONS
from clevertap_sync.whereabouts import Whereabouts
from referrals import suppression
from referrals.schema import Event
from referrals.vocabulary import Side

_WAITING = {
    "pending": "It waits for its upload.",
    "in_flight": "Its upload is under way or waits for its next attempt.",
    "skipped": "The integration was enabled, or resumed, from a later point of the log.",
    "not_sent": "The integration's settings keep this record back.",
    "delivered": "CleverTap accepted it.",
}


class CleverTapDestination:
    """Previews and explains events for each integration of their app."""

    def preview(
        self, app_id: int, events: Sequence[Event]
    ) -> list[list[dict[str, Any]]]:
        """Return, per event, the exact records of each integration, or why there is none."""
        integrations = integrations_of(app_id)
        made = [(i, read_settings(settings_of(i))) for i in integrations]
        until = suppression.newest(app_id)
        left_out = suppression.suppressed_sides(app_id, events, until)
        return [
            [
                {"integration": integration.name, **_shown(value)}
                for integration, settings in made
                for value in to_records(event, settings, suppressed)
            ]
            for event, suppressed in zip(events, left_out, strict=True)
        ]

    def explain(self, app_id: int, position: int, event: Event) -> list[dict[str, Any]]:
        """Return, per integration and side, what became of a stored event."""
        (fates,) = fates_of(app_id, integrations_of(app_id), [(position, event)])
        return [
            {"integration": integration.name, "side": side.value, **fate}
            for integration, side, fate in fates
        ]


def records_of(
    app_id: int, events: Sequence[Event], settings: MappingSettings
) -> list[list[Mapped]]:
    """Return, per event, what its sides become under `settings`, as in a delivery."""
    left_out = suppression.suppressed_sides(app_id, events, settings.suppressions_until)
    return [
        list(to_records(event, settings, suppressed))
        for event, suppressed in zip(events, left_out, strict=True)
    ]


def fates_of(
    app_id: int,
    integrations: Sequence[Integration],
    events: Sequence[tuple[int, Event]],
) -> list[list[tuple[Integration, Side, dict[str, Any]]]]:
    """Return, per event, what became of its sides at each integration of the app.

    `events` are stored ones, with their positions. It costs the same few queries for one
    as for fifty.
    """
    positions = {position for position, _ in events}
    found = whereabouts.find_records(app_id, integrations, positions)
    return [
        [
            (integration, side, _became(found, integration, side, position, event))
            for integration in integrations
            for side in named_sides(event)
        ]
        for position, event in events
    ]


def integrations_of(app_id: int) -> list[Integration]:
    """Return the app's integrations that are not archived, by name, with their accounts."""
    found = Integration.objects.filter(app=app_id, archived_at=None)
    return list(found.select_related("account").order_by("name"))


def _shown(value: object) -> dict[str, Any]:
    match value:
        case EventRecord():
            return {
                "side": value.side.value,
                "status": "record",
                "record": as_dict(value),
            }
        case Unmappable():
            shown = {
                "side": value.side.value,
                "status": "dead_letter",
                "event_name": value.name,
            }
            return shown | _reason(value.reason, value.detail)
    return {"side": value.side.value, "status": "not_sent"}  # type: ignore[attr-defined]


def _reason(code: str, detail: str) -> dict[str, Any]:
    reason = REASONS.get(code)
    shown = {"reason": code, "detail": detail}
    if reason is not None:
        shown |= {"meaning": reason.meaning, "remedy": reason.remedy}
    return shown


def _became(
    found: Whereabouts,
    integration: Integration,
    side: Side,
    position: int,
    event: Event,
) -> dict[str, Any]:
    place = (integration.pk, pick_of(position, side))
    letter, upload = found.letters.get(place), found.uploads.get(place)
    if letter is not None:
        return _fell_out(letter)
    if upload is None:
        return _status("pending")
    if upload.state == Upload.State.SKIPPED:
        return _status("skipped", upload.pk)
    if upload.state != Upload.State.SETTLED:
        return _status("in_flight", upload.pk)
    if _is_withheld(upload, event, side):
        return _status("not_sent", upload.pk)
    return _status("delivered", upload.pk, at=upload.settled_at)


def _fell_out(letter: DeadLetter) -> dict[str, Any]:
    if letter.state == DeadLetter.State.DELIVERED:
        # By a replay's upload, which retention may have removed since.
        return _status("delivered", letter.replay_upload_id, at=letter.changed_at)
    said = {"status": "dead_letter", "state": letter.state}
    return said | _reason(letter.reason, letter.detail)


def _is_withheld(upload: Upload, event: Event, side: Side) -> bool:
    """Return whether the settings kept the side back, which leaves no dead letter.

    Of an event that was erased since there is no record any more: what has neither a
    record nor a dead letter was delivered before.
    """
    if not upload.unsent:
        return False
    values = to_records(event, read_settings(upload.settings))
    return any(value.side is side and isinstance(value, Withheld) for value in values)


def _status(
    status: str, upload_id: int | None = None, *, at: datetime | None = None
) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": status, "meaning": _WAITING[status]}
    if upload_id is not None:
        shown["upload"] = upload_id
    if at is not None:
        shown["delivered_at"] = at.isoformat()
    return shown
