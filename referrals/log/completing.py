"""What the row of a draft lacks until the log was looked at. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from referrals.fraud import SightingMemory
from referrals.log.drafts import Draft, judge_event, unpack_event
from referrals.log.rows import LogRow, build_rows
from referrals.schema import Event
from referrals.vocabulary import EventType, normalise_name

_CUSTOM: Final = EventType.CUSTOM
#: So many are unpacked at once.
_AT_ONCE: Final = 100


def complete_rows(
    fresh: Sequence[Draft],
    now: datetime,
    numbers: Mapping[str, int],
    earlier: SightingMemory,
) -> list[LogRow]:
    """Return the rows of `fresh`, with fraud status, name number and time of receipt.

    Installs are judged in the order in which they happened, whatever their order here.
    """
    incomplete = [draft for draft in fresh if not isinstance(draft.content, LogRow)]
    installs = [draft for draft in incomplete if draft.sightings]
    installs.sort(key=lambda draft: _tell_order(draft, now))
    others = [draft for draft in incomplete if not draft.sightings]
    in_order = [*installs, *others]
    made: dict[str, LogRow] = {}
    for start in range(0, len(in_order), _AT_ONCE):
        some = in_order[start : start + _AT_ONCE]
        events = [_complete_event(draft, now, numbers, earlier) for draft in some]
        fingerprints = [draft.fingerprint for draft in some]
        rows = build_rows(events, fingerprints, [draft.request_id for draft in some])
        made.update({row.key: row for row in rows})
    return [
        draft.content if isinstance(draft.content, LogRow) else made[draft.key]
        for draft in fresh
    ]


def _complete_event(
    draft: Draft, now: datetime, numbers: Mapping[str, int], earlier: SightingMemory
) -> Event:
    """Return the event of a draft that has no row; add its sightings to `earlier`."""
    event = unpack_event(draft.content)  # type: ignore[arg-type] # or it would be complete
    if not draft.has_time:
        event = msgspec.structs.replace(event, occurred_at=now)
    if event.type is _CUSTOM:
        number = numbers[normalise_name(event.name)]
        event = msgspec.structs.replace(event, name_number=number)
    if not draft.has_status:
        event = judge_event(event, draft.rules, draft.sightings, earlier)
    for seen in draft.sightings:
        earlier.add(seen, event.occurred_at)
    return event


def _tell_order(draft: Draft, now: datetime) -> tuple[datetime, str]:
    """Return what orders installs: when they happened, and by id at one instant."""
    return draft.content.occurred_at if draft.has_time else now, draft.key
