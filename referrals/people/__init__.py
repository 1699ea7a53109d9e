"""Who is who, kept: what `learning` learns of an app's log, in tables.

Knows no destination. The only writer of what `models.known_people` describes. `step` learns;
it passes `sides`, with `lately`, which spares most of the work, then `loading`, the learner,
and `tables`. `lookup` answers, `removal` and `marks` take back.
"""

from referrals.people.app_rules import (
    HAS_LEARNING_APP,
    list_learning_apps,
    read_rules,
)
from referrals.people.lookup import (
    SHARED,
    KnownValue,
    OtherIdentity,
    Resolved,
    find_cursor,
    find_decisions,
    find_other_identities,
    is_complete,
    read_identities,
    resolve,
)
from referrals.people.marks import (
    is_marked,
    lift_mark,
    mark_crowded,
    mark_hash,
    mark_shared,
)
from referrals.people.removal import (
    forget_hashes,
    lock_progress,
    relearn,
    trim_people,
)
from referrals.people.step import STEP_EVENTS, Lesson, Step, study_ahead, take_step

__all__ = [
    "HAS_LEARNING_APP",
    "SHARED",
    "STEP_EVENTS",
    "KnownValue",
    "Lesson",
    "OtherIdentity",
    "Resolved",
    "Step",
    "find_cursor",
    "find_decisions",
    "find_other_identities",
    "forget_hashes",
    "is_complete",
    "is_marked",
    "lift_mark",
    "list_learning_apps",
    "lock_progress",
    "mark_crowded",
    "mark_hash",
    "mark_shared",
    "read_identities",
    "read_rules",
    "relearn",
    "resolve",
    "study_ahead",
    "take_step",
    "trim_people",
]
