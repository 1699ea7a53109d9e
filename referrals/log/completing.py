"""What the row of a draft lacks until the log was looked at. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from referrals.fraud import SightingMemory
from referrals.log.drafts import Draft, judge_event
from referrals.log.rows import LogRow, build_row
from referrals.vocabulary import EventType, normalise_name


def complete_rows(
    fresh: Sequence[Draft],
    now: datetime,
    numbers: Mapping[str, int],
    earlier: SightingMemory,
) -> list[LogRow]:
    """Return the rows of `fresh`, with fraud status, name number and time of receipt.

    Installs are judged in the order in which they happened, whatever their order here.
    """
    installs = [draft for draft in fresh if draft.sightings]
    installs.sort(key=lambda draft: _tell_order(draft, now))
    judged = {
        draft.key: complete_row(draft, now, numbers, earlier) for draft in installs
    }
    return [
        draft.content
        if isinstance(draft.content, LogRow)
        else judged.get(draft.key) or complete_row(draft, now, numbers, earlier)
        for draft in fresh
    ]


def complete_row(
    draft: Draft, now: datetime, numbers: Mapping[str, int], earlier: SightingMemory
) -> LogRow:
    """Return the row of a draft, and add its sightings to `earlier`, if it had no row."""
    event = draft.content
    if isinstance(event, LogRow):
        return event
    if not draft.has_time:
        event = msgspec.structs.replace(event, occurred_at=now)
    if event.type is EventType.CUSTOM:
        number = numbers[normalise_name(event.name)]
        event = msgspec.structs.replace(event, name_number=number)
    if not draft.has_status:
        event = judge_event(event, draft.rules, draft.sightings, earlier)
    for seen in draft.sightings:
        earlier.add(seen, event.occurred_at)
    return build_row(event, draft.fingerprint, draft.request_id)


def _tell_order(draft: Draft, now: datetime) -> tuple[datetime, str]:
    """Return what orders installs: when they happened, and by id at one instant."""
    return draft.content.occurred_at if draft.has_time else now, draft.key
