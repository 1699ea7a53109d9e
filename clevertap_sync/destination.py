"""What CleverTap's side can say of an event: what would be sent, what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

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
from referrals.destinations import Outcome, OutcomeStatus, Preview, PreviewStatus
from referrals.log import LoggedEvent
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
        integrations = _integrations(app_id)
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
        return [
            outcome
            for integration in _integrations(app_id)
            for outcome in _outcomes(
                integration,
                position,
                event,
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
) -> list[list[Outcome]]:
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
        _outcomes(
            integration,
            logged.position,
            logged.event,
            next((u for u in uploads if u.first <= logged.position <= u.last), None),
            letters,
        )
        for logged in events
    ]


def _integrations(app_id: int) -> list[Integration]:
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


def _outcomes(
    integration: Integration,
    position: int,
    event: Event,
    upload: Upload | None,
    letters: Mapping[tuple[int, str], DeadLetter],
) -> list[Outcome]:
    return [
        _became(
            Outcome(
                integration=integration.name, side=side, status=OutcomeStatus.PENDING
            ),
            upload,
            letters.get((position, side.value)),
            event,
            pick_of(position, side),
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
    outcome: Outcome,
    upload: Upload | None,
    letter: DeadLetter | None,
    event: Event,
    pick: int,
) -> Outcome:
    if letter is not None:
        return _fell_out(outcome, letter)
    if upload is None:
        return _at(outcome, OutcomeStatus.PENDING, None)
    leaf = _leaf(upload, pick)
    if leaf.state == Upload.State.SKIPPED:
        return _at(outcome, OutcomeStatus.SKIPPED, leaf)
    if leaf.state != Upload.State.SETTLED:
        return _at(outcome, OutcomeStatus.IN_FLIGHT, leaf)
    if _is_withheld(leaf, event, outcome.side):
        return _at(outcome, OutcomeStatus.NOT_SENT, leaf)
    return _at(outcome, OutcomeStatus.DELIVERED, leaf, delivered_at=leaf.settled_at)


def _fell_out(outcome: Outcome, letter: DeadLetter) -> Outcome:
    if letter.state == DeadLetter.State.DELIVERED:
        # By a replay's upload, which retention may have removed since.
        return _at(
            outcome,
            OutcomeStatus.DELIVERED,
            letter.replay_upload,
            delivered_at=letter.changed_at,
        )
    return replace(
        outcome,
        status=OutcomeStatus.DEAD_LETTER,
        state=letter.state,
        **_reason(letter.reason, letter.detail),
    )


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


def _at(
    outcome: Outcome,
    status: OutcomeStatus,
    upload: Upload | None,
    *,
    delivered_at: datetime | None = None,
) -> Outcome:
    return replace(
        outcome,
        status=status,
        meaning=_MEANINGS[status],
        upload=None if upload is None else upload.pk,
        delivered_at=delivered_at,
    )
