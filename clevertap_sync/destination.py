"""What CleverTap's side can say of an event: what would be sent, what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

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
from referrals.destinations import Outcome, OutcomeStatus, Preview, PreviewStatus
from referrals.schema import Event
from referrals.vocabulary import Side

_MEANINGS: Final = {
    OutcomeStatus.PENDING: "It waits for its upload.",
    OutcomeStatus.IN_FLIGHT: "Its upload is under way or waits for its next attempt.",
    OutcomeStatus.SKIPPED: "The integration was enabled, or resumed, from a later point of "
    "the log.",
    OutcomeStatus.NOT_SENT: "The integration's settings keep this record back.",
    OutcomeStatus.DELIVERED: "CleverTap accepted it.",
}


class CleverTapDestination:
    """Previews and explains events for each integration of their app."""

    def preview(self, app_id: int, events: Sequence[Event]) -> list[list[Preview]]:
        """Return, per event, the exact records of each integration, or why there is none."""
        integrations = integrations_of(app_id)
        made = [(i, read_settings(settings_of(i))) for i in integrations]
        until = suppression.newest(app_id)
        left_out = suppression.suppressed_sides(app_id, events, until)
        return [
            [
                _previewed(integration, value)
                for integration, settings in made
                for value in to_records(event, settings, suppressed)
            ]
            for event, suppressed in zip(events, left_out, strict=True)
        ]

    def explain(self, app_id: int, position: int, event: Event) -> list[Outcome]:
        """Return, per integration and side, what became of a stored event."""
        (fates,) = fates_of(app_id, integrations_of(app_id), [(position, event)])
        return fates


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
) -> list[list[Outcome]]:
    """Return, per event, what became of its sides at each integration of the app.

    `events` are stored ones, with their positions. It costs the same few queries for one
    as for fifty.
    """
    positions = {position for position, _ in events}
    found = whereabouts.find_records(app_id, integrations, positions)
    return [
        [
            _became(found, integration, side, position, event)
            for integration in integrations
            for side in named_sides(event)
        ]
        for position, event in events
    ]


def integrations_of(app_id: int) -> list[Integration]:
    """Return the app's integrations that are not archived, by name, with their accounts."""
    found = Integration.objects.filter(app=app_id, archived_at=None)
    return list(found.select_related("account").order_by("name"))


def _previewed(integration: Integration, value: Mapped) -> Preview:
    preview = Preview(
        integration=integration.name,
        side=value.side,
        status=PreviewStatus.NOT_SENT,
    )
    match value:
        case EventRecord():
            return replace(preview, status=PreviewStatus.RECORD, record=as_dict(value))
        case Unmappable():
            return replace(
                preview,
                status=PreviewStatus.DEAD_LETTER,
                event_name=value.name,
                **_reason(value.reason, value.detail),
            )
    return preview


def _reason(code: str, detail: str) -> dict[str, str]:
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
) -> Outcome:
    place = (integration.pk, pick_of(position, side))
    letter, upload = found.letters.get(place), found.uploads.get(place)
    outcome = Outcome(
        integration=integration.name, side=side, status=OutcomeStatus.PENDING
    )
    if letter is not None:
        return _fell_out(outcome, letter)
    if upload is None:
        return _at(outcome, OutcomeStatus.PENDING)
    if upload.state == Upload.State.SKIPPED:
        return _at(outcome, OutcomeStatus.SKIPPED, upload.pk)
    if upload.state != Upload.State.SETTLED:
        return _at(outcome, OutcomeStatus.IN_FLIGHT, upload.pk)
    if _is_withheld(upload, event, side):
        return _at(outcome, OutcomeStatus.NOT_SENT, upload.pk)
    return _at(outcome, OutcomeStatus.DELIVERED, upload.pk, at=upload.settled_at)


def _fell_out(outcome: Outcome, letter: DeadLetter) -> Outcome:
    if letter.state == DeadLetter.State.DELIVERED:
        # By a replay's upload, which retention may have removed since.
        upload_id = letter.replay_upload_id
        return _at(outcome, OutcomeStatus.DELIVERED, upload_id, at=letter.changed_at)
    return replace(
        outcome,
        status=OutcomeStatus.DEAD_LETTER,
        state=letter.state,
        **_reason(letter.reason, letter.detail),
    )


def _is_withheld(upload: Upload, event: Event, side: Side) -> bool:
    """Return whether the settings kept the side back, which leaves no dead letter.

    Of an event that was erased since there is no record any more: what has neither a
    record nor a dead letter was delivered before.
    """
    if not upload.unsent:
        return False
    values = to_records(event, read_settings(upload.settings))
    return any(value.side is side and isinstance(value, Withheld) for value in values)


def _at(
    outcome: Outcome,
    status: OutcomeStatus,
    upload_id: int | None = None,
    *,
    at: datetime | None = None,
) -> Outcome:
    return replace(
        outcome,
        status=status,
        meaning=_MEANINGS[status],
        upload=upload_id,
        delivered_at=at,
    )
