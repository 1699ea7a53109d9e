"""The tables: accounts, integrations, and the uploads that deliver events to them.

Read them in this order:

* `accounts` accounts, and integrations with their settings, cursor and hold
* `uploads`  uploads, attempts, dead letters, replays
* `waiting`  records that wait for a person to be known
* `alerts`   alerts, incidents, mutes, notices
* `upkeep`   tallies by the hour, processes that were seen, durations, and the database's size
* `reconciliation` what was delivered by name and time, and what CleverTap says it counts

`delivery` is the only writer of uploads, attempts, dead letters and cursors. Every
instant in these rows that a lease or a hold depends on is the database's clock.
"""

from clevertap_sync.models.accounts import (
    DEFAULT_IN_FLIGHT,
    ENOUGH_UNKNOWN,
    SENDS,
    Account,
    EventDataFormat,
    EventKinds,
    Integration,
    IntegrationQuerySet,
    LateTime,
    PasscodeKind,
)
from clevertap_sync.models.alerts import (
    Alert,
    AlertMedium,
    Heartbeat,
    Incident,
    LastLook,
    Mute,
    Notice,
)
from clevertap_sync.models.reconciliation import (
    AccountReading,
    Comparison,
    DeliveredCount,
    FirstSight,
    Statement,
)
from clevertap_sync.models.upkeep import (
    LONGEST_FAILING,
    DatabaseSample,
    DurationCount,
    ProcessSeen,
    Tally,
    WorkerSeen,
)
from clevertap_sync.models.uploads import (
    Attempt,
    DeadLetter,
    DeadLetterQuerySet,
    Replay,
    Upload,
    UploadQuerySet,
)
from clevertap_sync.models.waiting import WaitingLookup, WaitingRecord

__all__ = [
    "DEFAULT_IN_FLIGHT",
    "ENOUGH_UNKNOWN",
    "LONGEST_FAILING",
    "SENDS",
    "Account",
    "AccountReading",
    "Alert",
    "AlertMedium",
    "Attempt",
    "Comparison",
    "DatabaseSample",
    "DeadLetter",
    "DeadLetterQuerySet",
    "DeliveredCount",
    "DurationCount",
    "EventDataFormat",
    "EventKinds",
    "FirstSight",
    "Heartbeat",
    "Incident",
    "Integration",
    "IntegrationQuerySet",
    "LastLook",
    "LateTime",
    "Mute",
    "Notice",
    "PasscodeKind",
    "ProcessSeen",
    "Replay",
    "Statement",
    "Tally",
    "Upload",
    "UploadQuerySet",
    "WaitingLookup",
    "WaitingRecord",
    "WorkerSeen",
]
