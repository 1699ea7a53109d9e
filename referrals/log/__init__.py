"""The append-only log of an app's events: the only writer and reader of its rows.

Positions are 1, 2, 3, … without gaps, in commit order, so that a cursor is one number.
`append` (in `writer`) writes, `reader` reads, `removal` removes. Nothing else touches these
rows.

An append passes these modules, in this order: `writer`, with `strict` and `counted`;
`drafts`, with `plain_contents` for most events, without a lock (`append_in_runs` packs those of a
large request); `grouping`, which lets threads
share a transaction (requests that one thread has in hand share it by `together`);
`storing`, the transaction: a few events by `one_call`, past all cursors by `direct`, what takes
several steps with `names`, `sightings`, `completing`, and `postgresql` or `sqlite` by
`dialects`. `rows` and `results` are the values that these exchange. What cannot be appended now
is made ready by `prepare_for_later`, and appended by `append_prepared` once it can be.
"""

from referrals.log.drafts import PreparedEvent, prepare_events, prepare_for_later
from referrals.log.people_reader import LoggedPeople, LoggedPerson, scan_people
from referrals.log.reader import (
    LoggedEvent,
    build_head_sql,
    decode_event,
    decode_events,
    find_event,
    find_position,
    find_tail,
    read_bodies,
    read_events,
    read_head,
    read_heads,
    read_positions,
    read_range,
    read_received_at,
    scan_events,
    select_received_at,
)
from referrals.log.removal import erase_people, remove_sightings, trim_log
from referrals.log.results import Result, Status, count_statuses
from referrals.log.together import Appended, Request, append_together
from referrals.log.writer import (
    ArchivedAppError,
    Sendable,
    append,
    append_in_runs,
    append_prepared,
    is_fault_of_event,
)

__all__ = [
    "Appended",
    "ArchivedAppError",
    "LoggedEvent",
    "LoggedPeople",
    "LoggedPerson",
    "PreparedEvent",
    "Request",
    "Result",
    "Sendable",
    "Status",
    "append",
    "append_in_runs",
    "append_prepared",
    "append_together",
    "build_head_sql",
    "count_statuses",
    "decode_event",
    "decode_events",
    "erase_people",
    "find_event",
    "find_position",
    "find_tail",
    "is_fault_of_event",
    "prepare_events",
    "prepare_for_later",
    "read_bodies",
    "read_events",
    "read_head",
    "read_heads",
    "read_positions",
    "read_range",
    "read_received_at",
    "remove_sightings",
    "scan_events",
    "scan_people",
    "select_received_at",
    "trim_log",
]
