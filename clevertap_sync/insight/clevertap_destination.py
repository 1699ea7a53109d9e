"""The destination CleverTap: preview what an event would send, explain what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import connection
from msgspec.structs import replace

from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappedSide,
    MappingSettings,
    Unmappable,
    decode_record,
    map_event,
)
from clevertap_sync.clevertap.reasons import REASONS, WAITING
from clevertap_sync.insight import awaited, whereabouts
from clevertap_sync.insight.awaited import Awaited
from clevertap_sync.insight.mapping_settings import build_settings, read_settings
from clevertap_sync.insight.picks import make_pick
from clevertap_sync.insight.whereabouts import Whereabouts
from clevertap_sync.models import DeadLetter, Integration, Upload
from referrals import suppression
from referrals.destinations import Outcome, OutcomeStatus, Preview, PreviewStatus
from referrals.schema import Event, find_sides
from referrals.vocabulary import Side

# Part of each step that learns who is who.
_PROVIDERS: Final = """
    SELECT identity_provider FROM clevertap_sync_integration WHERE app_id = %s ORDER BY id
"""
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
        """Return, per event, each integration's exact records, or the reason for none."""
        integrations = list_unarchived_integrations(app_id)
        with_settings = [(i, read_settings(build_settings(i))) for i in integrations]
        until = suppression.find_newest_suppression(app_id)
        left_out = suppression.find_suppressed_sides(app_id, events, until)
        return [
            [
                _preview_side(integration, event, value, settings)
                for integration, settings in with_settings
                for value in map_event(event, settings, suppressed)
            ]
            for event, suppressed in zip(events, left_out, strict=True)
        ]

    def explain(self, app_id: int, position: int, event: Event) -> list[Outcome]:
        """Return, per integration and side, what became of a stored event."""
        (fates,) = find_side_outcomes(
            app_id, list_unarchived_integrations(app_id), [(position, event)]
        )
        return fates

    def list_identity_providers(self, app_id: int) -> list[str]:
        """Return the identity provider of each integration, archived ones too, in order."""
        with connection.cursor() as cursor:
            cursor.execute(_PROVIDERS, [app_id])
            return [provider for (provider,) in cursor.fetchall()]

    def find_pinned_identities(self, app_id: int) -> set[str]:
        """Return the identities that open uploads send records under."""
        uploads = Upload.objects.open().filter(
            integration__app=app_id, identities__isnull=False
        )
        pinned = uploads.values_list("identities", flat=True)
        return {each for identities in pinned for each in (identities or {}).values()}


def map_events(
    app_id: int, events: Sequence[Event], settings: MappingSettings
) -> list[list[MappedSide]]:
    """Map each event's sides under `settings`, as a delivery does."""
    left_out = suppression.find_suppressed_sides(
        app_id, events, settings.suppressions_until
    )
    return [
        list(map_event(event, settings, suppressed))
        for event, suppressed in zip(events, left_out, strict=True)
    ]


def find_side_outcomes(
    app_id: int,
    integrations: Sequence[Integration],
    events: Sequence[tuple[int, Event]],
) -> list[list[Outcome]]:
    """Return, per event, the outcome of each side at each of the integrations.

    `events` are stored ones, with their positions. One event costs the same few queries as
    fifty.
    """
    positions = {position for position, _ in events}
    found = whereabouts.find_records(app_id, integrations, positions)
    waiting = awaited.find_awaited(app_id, found.letters.values(), dict(events))
    return [
        [
            _find_outcome(found, waiting, integration, side, stored)
            for integration in integrations
            for side, _ in find_sides(stored[1])
        ]
        for stored in events
    ]


def list_unarchived_integrations(app_id: int) -> list[Integration]:
    """Return the app's integrations that are not archived, by name, with their accounts."""
    found = Integration.objects.filter(app=app_id, archived_at=None)
    return list(found.select_related("account").order_by("name"))


def _preview_side(
    integration: Integration, event: Event, value: MappedSide, settings: MappingSettings
) -> Preview:
    preview = Preview(
        integration=integration.name,
        side=value.side,
        status=PreviewStatus.NOT_SENT,
    )
    match value:
        case EventRecord():
            return replace(
                preview, status=PreviewStatus.RECORD, record=decode_record(value)
            )
        case Unmappable():
            waits = value.reason in WAITING
            return replace(
                preview,
                status=PreviewStatus.WAITING if waits else PreviewStatus.DEAD_LETTER,
                waits_for=(
                    awaited.preview_awaited(event, value, settings) if waits else ()
                ),
                event_name=value.name,
                **_explain_reason(value.reason, value.detail),
            )
    return preview


def _explain_reason(code: str, detail: str) -> dict[str, str]:
    reason = REASONS.get(code)
    shown = {"reason": code, "detail": detail}
    if reason is not None:
        shown |= {"meaning": reason.meaning, "remedy": reason.remedy}
    return shown


def _find_outcome(
    found: Whereabouts,
    waiting: Mapping[int, Awaited],
    integration: Integration,
    side: Side,
    stored: tuple[int, Event],
) -> Outcome:
    position, event = stored
    place = (integration.pk, make_pick(position, side))
    letter = found.letters.get(place)
    outcome = Outcome(
        integration=integration.name, side=side, status=OutcomeStatus.PENDING
    )
    if letter is not None:
        return _explain_letter(outcome, letter, waiting.get(letter.pk))
    if accepting := found.list_accepting_uploads(place, event, side):
        first = accepting[0]
        return _set_status(
            outcome, OutcomeStatus.DELIVERED, first.pk, at=first.settled_at
        )
    return _find_outcome_without_verdict(
        outcome, found.uploads.get(place), found.replays.get(place, ())
    )


def _find_outcome_without_verdict(
    outcome: Outcome, upload: Upload | None, replays: Sequence[Upload]
) -> Outcome:
    """Return the outcome of a record that has no verdict."""
    if upload is None:
        return _set_status(outcome, OutcomeStatus.PENDING)
    ended = {Upload.State.SETTLED, Upload.State.SKIPPED}
    for each in (upload, *replays):
        if each.state not in ended:
            return _set_status(outcome, OutcomeStatus.IN_FLIGHT, each.pk)
    if upload.state == Upload.State.SKIPPED:
        return _set_status(outcome, OutcomeStatus.SKIPPED, upload.pk)
    return _set_status(outcome, OutcomeStatus.NOT_SENT, upload.pk)


def _explain_letter(
    outcome: Outcome, letter: DeadLetter, wait: Awaited | None
) -> Outcome:
    if letter.state == DeadLetter.State.DELIVERED:
        # By a replay's upload, which retention may have removed since.
        upload_id = letter.replay_upload_id
        at = letter.delivered_at or letter.changed_at
        return _set_status(outcome, OutcomeStatus.DELIVERED, upload_id, at=at)
    reason = _explain_reason(letter.reason, letter.detail)
    if letter.delivered_at is not None:
        # A replay does not take back what CleverTap accepted before.
        delivered = _set_status(
            outcome, OutcomeStatus.DELIVERED, at=letter.delivered_at
        )
        meaning = (
            f"{delivered.meaning} A later replay of it fell out: "
            f"{reason.get('meaning', letter.reason)}"
        )
        return replace(delivered, state=letter.state, meaning=meaning)
    return _explain_undelivered(outcome, letter, wait, reason)


def _explain_undelivered(
    outcome: Outcome, letter: DeadLetter, wait: Awaited | None, reason: dict[str, str]
) -> Outcome:
    """Return the outcome of a record that nothing has delivered, whether it waits or not."""
    match letter.state:
        case DeadLetter.State.WAITING:
            waits_for, until = wait or ((), None)
            return replace(
                outcome,
                status=OutcomeStatus.WAITING,
                state=letter.state,
                waits_for=waits_for,
                until=until,
                **reason,
            )
        case DeadLetter.State.EXPIRED:
            return replace(
                outcome, status=OutcomeStatus.EXPIRED, state=letter.state, **reason
            )
        case DeadLetter.State.REPLAYING if letter.reason in WAITING:
            upload = letter.replay_upload_id
            return _set_status(outcome, OutcomeStatus.IN_FLIGHT, upload)
    return replace(
        outcome, status=OutcomeStatus.DEAD_LETTER, state=letter.state, **reason
    )


def _set_status(
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
