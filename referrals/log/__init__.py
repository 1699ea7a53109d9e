"""The append-only log of an app's events: the only writer and reader of its rows.

Positions are 1, 2, 3, … without gaps, in commit order, so that a cursor is one number.
`append` writes; `head`, `heads`, `head_sql`, `read`, `read_events`, `read_positions`, `scan`, `find`,
`received_at`, `received_at_positions` and `position_at` read; `trim`, `erase` and `forget_sightings` remove. Nothing else touches these rows.
"""

from referrals.log.drafts import prepare_events
from referrals.log.reader import (
    LoggedEvent,
    find,
    head,
    head_sql,
    heads,
    position_at,
    read,
    read_events,
    read_positions,
    received_at,
    received_at_positions,
    scan,
)
from referrals.log.removal import erase, forget_sightings, trim
from referrals.log.results import Result, Status
from referrals.log.writer import ArchivedAppError, append

__all__ = [
    "ArchivedAppError",
    "LoggedEvent",
    "Result",
    "Status",
    "append",
    "erase",
    "find",
    "forget_sightings",
    "head",
    "head_sql",
    "heads",
    "position_at",
    "prepare_events",
    "read",
    "read_events",
    "read_positions",
    "received_at",
    "received_at_positions",
    "scan",
    "trim",
]
