"""What CleverTap's side can say of an event: what would be sent, what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

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
from referrals import suppression
from referrals.log import LoggedEvent
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
        integrations = _integrations(app_id)
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
        return [
            {"integration": integration.name, "side": side.value, **fate}
            for integration in _integrations(app_id)
            for side, fate in _fates(
                event,
                position,
                _upload_of(integration, position),
                _letters_of(integration, position, position),
            )
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
    integration: Integration, events: Sequence[LoggedEvent]
) -> list[list[tuple[Side, dict[str, Any]]]]:
    """Return, per event, what became of its sides. `events` are neighbours, ascending.

    For a few at a time: it costs the same few queries for one as for fifty.
    """
    if not events:
        return []
    first, last = events[0].position, events[-1].position
    covering = (
        Upload.objects.ranges()
        .filter(integration=integration, first__lte=last)
        .order_by("-first")[: len(events)]
    )
    uploads = list(covering)
    letters = _letters_of(integration, first, last)
    return [
        _fates(
            logged.event,
            logged.position,
            next((u for u in uploads if u.first <= logged.position <= u.last), None),
            letters,
        )
        for logged in events
    ]


def _integrations(app_id: int) -> list[Integration]:
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


def _fates(
    event: Event,
    position: int,
    upload: Upload | None,
    letters: Mapping[tuple[int, str], DeadLetter],
) -> list[tuple[Side, dict[str, Any]]]:
    return [
        (
            side,
            _became(
                upload,
                letters.get((position, side.value)),
                event,
                pick_of(position, side),
                side,
            ),
        )
        for side in named_sides(event)
    ]


def _letters_of(
    integration: Integration, first: int, last: int
) -> dict[tuple[int, str], DeadLetter]:
    found = DeadLetter.objects.filter(
        integration=integration, position__range=(first, last)
    )
    return {(letter.position or 0, letter.side): letter for letter in found}


def _upload_of(integration: Integration, position: int) -> Upload | None:
    covering = Upload.objects.ranges().filter(
        integration=integration, first__lte=position
    )
    upload = covering.order_by("-first").first()
    return upload if upload is not None and upload.last >= position else None


def _became(
    upload: Upload | None,
    letter: DeadLetter | None,
    event: Event,
    pick: int,
    side: Side,
) -> dict[str, Any]:
    if letter is not None:
        return _fell_out(letter)
    if upload is None:
        return _status("pending", None)
    leaf = _leaf(upload, pick)
    if leaf.state == Upload.State.SKIPPED:
        return _status("skipped", leaf)
    if leaf.state != Upload.State.SETTLED:
        return _status("in_flight", leaf)
    if _is_withheld(leaf, event, side):
        return _status("not_sent", leaf)
    return _status("delivered", leaf, at=leaf.settled_at)


def _fell_out(letter: DeadLetter) -> dict[str, Any]:
    if letter.state == DeadLetter.State.DELIVERED:
        # By a replay's upload, which retention may have removed since.
        return _status("delivered", letter.replay_upload, at=letter.changed_at)
    said = {"status": "dead_letter", "state": letter.state}
    return said | _reason(letter.reason, letter.detail)


def _leaf(upload: Upload, pick: int) -> Upload:
    """Return the part, of a part, … that has this record."""
    if upload.state != Upload.State.SPLIT:
        return upload
    for part in upload.parts.filter(first__lte=pick // 2, last__gte=pick // 2):
        if pick in (part.picks or ()):
            return _leaf(part, pick)
    return upload


def _is_withheld(upload: Upload, event: Event, side: Side) -> bool:
    """Return whether the settings kept the side back, which leaves no dead letter.

    Of an event that was erased since there is no record any more: what has neither a
    record nor a dead letter was delivered before.
    """
    values = to_records(event, read_settings(upload.settings))
    return any(value.side is side and isinstance(value, Withheld) for value in values)


def _status(
    status: str, upload: Upload | None, *, at: datetime | None = None
) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": status, "meaning": _WAITING[status]}
    if upload is not None:
        shown["upload"] = upload.pk
    if at is not None:
        shown["delivered_at"] = at.isoformat()
    return shown
