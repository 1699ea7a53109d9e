"""Facts: what is known of one integration at one instant. Findings are judged from facts alone.

Plain values. `fact_queries`, `ingest_queries`, `source_queries` and `seen_queries` read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from clevertap_sync.insight.parked_letters import ParkedLetters
from clevertap_sync.insight.passcode_expiry import REMIND_DAYS
from clevertap_sync.insight.seen_facts import FEWER_PERCENT, SeenFacts
from clevertap_sync.models import Integration
from clevertap_sync.process.worker_presence import WorkerSilence

#: From so large a share of late events on, it is a finding: more than half.
STALE_PERCENT: Final = 51


#: A record that fell out longer ago says nothing about the present, if another one was
#: delivered since.
RECENTLY: Final = timedelta(hours=24)

#: A refusal at the door longer ago says nothing about the present, if an event was accepted
#: since.
LATELY: Final = timedelta(hours=1)

#: A source is not missed before. One that was called within it is not asked for its habit.
LEAST_SILENCE: Final = timedelta(hours=24)

#: People's habits repeat after so long.
WEEK: Final = timedelta(days=7)

#: So many events at different instants are a flow, and in a silence so many would have come.
FLOW_EVENTS: Final = 10
#: So many of an integration's newest uploads show what becomes of its events now.
NEWEST_UPLOADS: Final = 20


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """Open dead letters of one reason, and when the newest event's one fell out.

    `lately` counts those of the newest upload that left a dead letter. `was_delivered`: the
    newest event's record was delivered before, and fell out of a replay since. What was found
    in CleverTap is counted in `parked` alone: nobody has to do anything about it.
    """

    reason: str
    count: int
    newest_at: datetime
    lately: int = 0
    was_delivered: bool = False
    parked: ParkedLetters | None = None


@dataclass(frozen=True, slots=True)
class NewestOutcomes:
    """Sums of the newest settled uploads. `events` are positions, the rest records.

    `records` have a verdict. What is `waiting` for a person to be known is not among them:
    whether it arrives says nothing about the settings or the account.
    """

    events: int = 0
    records: int = 0
    delivered: int = 0
    dead: int = 0
    unsent: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Counts and times of an app's newest events.

    `late` is how many happened too long before they arrived for a live campaign to fire, and
    `oldest` by how much the oldest one did. The rest is read of silent apps alone. `instants`:
    how many different arrival times `FLOW_EVENTS` of them have, evenly spread. `earlier`: when
    some older events arrived, newest first, ever further apart in the log. `week_ago_at`: the
    last arrival before this time a week ago, up to another week back. `identify`: how many
    only say who somebody is, and are no referral.
    """

    events: int = 0
    test: int = 0
    late: int = 0
    oldest: timedelta = timedelta(0)
    first_at: datetime | None = None
    newest_at: datetime | None = None
    instants: int = 0
    earlier: Sequence[datetime] = ()
    week_ago_at: datetime | None = None
    identify: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits to be sent: `events` of the log and of whole uploads, `records` of parts.

    `under_way` are records that were sent and have no verdict yet.
    """

    events: int = 0
    records: int = 0
    under_way: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CustomNames:
    """Custom names of an app: those that go to CleverTap, and those that wait for approval."""

    sent: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class RefusalsAtDoor:
    """Refusals at an app's door for one cause; `code` is one of the API's.

    `count` is of the last hour. Where `last_at` is longer ago, it counts all refusals since an
    event was last accepted the same way. `sample` is the newest refusal's sentence. It repeats
    no value of an event.
    """

    code: str
    count: int
    last_at: datetime
    key_prefix: str = ""
    sample: str = ""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What came of the calls of one source that is not archived.

    Times are of the last such call, and None where there was none. `called_at` is of verified
    calls; `unverified` counts those after it that were not, as far back as hours are kept.
    What is called `lately` is of the last 24 hours, and read where something was not verified
    or lost within them. `ignored` counts items by reason since
    the beginning. `drained_at` is when an event last left the spool. `call_hours` are read of
    silent sources alone: hours with calls, in order.
    """

    pk: int
    name: str
    created_at: datetime
    is_test: bool = False
    is_unreadable: bool = False
    has_secret: bool = True
    first_call_at: datetime | None = None
    called_at: datetime | None = None
    calls_lately: int = 0
    unverified_at: datetime | None = None
    unverified: int = 0
    unverified_lately: int = 0
    #: Sentences of the newest samples. They repeat no value of a call.
    why_unverified: str = ""
    has_taken: bool = False
    ignored: Mapping[str, int] = field(default_factory=dict)
    spooled_at: datetime | None = None
    drained_at: datetime | None = None
    lost_lately: int = 0
    why_lost: str = ""
    call_hours: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class ExpiringKey:
    """An API key that is in use and will expire. `prefix` is its first characters."""

    prefix: str
    label: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AppIngest:
    """Events at an app's door, its sources, and the other app that may get this app's events.

    `accepted` is of the last hour; where something was refused, it is since an hour before
    that. `other_accepted` is of the last hour. `expiring` are keys, the first to expire first.
    """

    accepted: int = 0
    refused: Sequence[RefusalsAtDoor] = ()
    other_app: str = ""
    other_accepted: int = 0
    sources: Sequence[SourceFacts] = ()
    expiring: Sequence[ExpiringKey] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one integration; or of an app without integration, where `is_lonely`."""

    now: datetime
    #: For a lonely app it is not stored in the database, and only has the app.
    integration: Integration
    is_lonely: bool = False
    head: int = 0
    #: Which events the app's other integrations send, of `EventKinds`.
    others_send: frozenset[str] = frozenset()
    waiting: Waiting = field(default_factory=Waiting)
    letters: Sequence[OpenLetters] = ()
    newest_outcomes: NewestOutcomes = field(default_factory=NewestOutcomes)
    arrivals: Arrivals = field(default_factory=Arrivals)
    ingest: AppIngest = field(default_factory=AppIngest)
    last_upload_accepted_at: datetime | None = None
    #: When a record was last delivered, also by a replay. If that was many uploads ago, it is
    #: the beginning of the hour.
    delivered_at: datetime | None = None
    #: Settings that can keep records back changed since the newest upload was made.
    sends_changed: bool = False
    #: The upload that CleverTap accepted last was made with the present settings.
    sends_proven: bool = False
    event_types: int = 0
    names: CustomNames = field(default_factory=CustomNames)
    silence: WorkerSilence | None = None
    imbalances: Sequence[str] = ()
    #: What CleverTap shows of the account; None where it is not compared.
    seen: SeenFacts | None = None
    #: So many days before a passcode or an API key expires, that is a finding.
    remind_days: int = REMIND_DAYS
    #: After so many hours a pause is a forgotten one.
    pause_hours: float = field(default_factory=lambda: settings.PAUSE_HOURS)
    #: After so many hours without an event an app is quiet.
    quiet_hours: float = field(default_factory=lambda: settings.QUIET_HOURS)
    #: From this percentage of late events on, that is a finding.
    stale_percent: int = STALE_PERCENT
    #: From this percentage on it is a finding that CleverTap counts fewer.
    fewer_percent: int = FEWER_PERCENT

    @property
    def lag_seconds(self) -> float:
        """How long the oldest event has waited; 0 where none does."""
        since = self.waiting.since
        return max(0.0, (self.now - since).total_seconds()) if since else 0.0

    @property
    def is_running(self) -> bool:
        """Whether delivery is switched on."""
        return self.integration.enabled and not self.integration.archived_at
