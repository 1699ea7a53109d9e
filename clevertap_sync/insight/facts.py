"""What is known of one integration at one instant: the ground that findings stand on.

Plain values. `fact_queries` reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from clevertap_sync.insight.passcode_expiry import REMIND_DAYS
from clevertap_sync.models import Integration
from clevertap_sync.process.worker_presence import WorkerSilence

#: From so large a share of late events on, people should know: more than half.
STALE_PERCENT: Final = 51


#: What fell out longer ago is no sign of how things stand now, if anything was delivered
#: since.
RECENTLY: Final = timedelta(hours=24)

#: What was refused at a door longer ago is not refused now, if anything was taken since.
LATELY: Final = timedelta(hours=1)

#: What people do repeats after so long.
WEEK: Final = timedelta(days=7)

#: So many times events came before they are a flow, and would have come in a silence.
FLOW_EVENTS: Final = 10
#: The newest uploads of an integration tell what becomes of its events now.
NEWEST_UPLOADS: Final = 20


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """Open dead letters of one reason, and when the one of the newest event fell out.

    `lately` of them fell out of the newest upload that left any. `was_delivered`: that of the
    newest event had arrived before, and fell out of a replay since.
    """

    reason: str
    count: int
    newest_at: datetime
    lately: int = 0
    was_delivered: bool = False


@dataclass(frozen=True, slots=True)
class NewestOutcomes:
    """What the newest settled uploads came to. `events` are positions, the rest records."""

    events: int = 0
    records: int = 0
    delivered: int = 0
    dead: int = 0
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What the newest events of an app are like.

    `late` of them happened too long before they arrived for a live campaign to fire, the
    oldest by `oldest`. Of an app that is silent, `instants` says at how many different ones
    came `FLOW_EVENTS` of them, evenly spread; `earlier` is when some came before them, newest
    first, ever further apart in the log; `week_ago_at` is when something last came by this
    time a week ago, as far back as another week.
    """

    events: int = 0
    test: int = 0
    link_clicks: int = 0
    late: int = 0
    oldest: timedelta = timedelta(0)
    first_at: datetime | None = None
    newest_at: datetime | None = None
    instants: int = 0
    earlier: Sequence[datetime] = ()
    week_ago_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits. Events were never answered for; records fell out of an upload and go again.

    `under_way` are records that were sent, without a verdict that could be read so far.
    """

    events: int = 0
    records: int = 0
    under_way: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CustomNames:
    """Custom names of an app: those that go to CleverTap, and those that nobody approved."""

    sent: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class RefusalsAtDoor:
    """What was refused at an app's door, of one cause; `code` is one of the API's.

    `count` is of the last hour. Where `last_at` is longer ago, it is of all that came since
    something was last taken the same way. `sample` is the sentence of the newest one. It repeats no value of an event.
    """

    code: str
    count: int
    last_at: datetime
    key_prefix: str = ""
    sample: str = ""


@dataclass(frozen=True, slots=True)
class AppIngest:
    """What came to an app's door, and which other app gets events instead of it.

    `accepted` is of the last hour; where something was refused, it is since an hour before
    that. `other_accepted` is of the last hour.
    """

    accepted: int = 0
    refused: Sequence[RefusalsAtDoor] = ()
    other_app: str = ""
    other_accepted: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """One integration, now; or an app that has none, where `is_lonely`."""

    now: datetime
    #: Of a lonely app it is not in the database, and says which app that is.
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
    #: When a record was last delivered, by a replay too. Where that was many uploads ago, the
    #: beginning of its hour.
    delivered_at: datetime | None = None
    #: Settings that can keep records back were changed since the newest upload was made.
    sends_changed: bool = False
    #: What CleverTap accepted last was made with the settings of now.
    sends_proven: bool = False
    event_types: int = 0
    names: CustomNames = field(default_factory=CustomNames)
    silence: WorkerSilence | None = None
    imbalances: Sequence[str] = ()
    #: So many days before a passcode's end it is a finding.
    remind_days: int = REMIND_DAYS
    #: After so many hours a pause is a forgotten one.
    pause_hours: float = field(default_factory=lambda: settings.PAUSE_HOURS)
    #: After so many hours without an event an app is quiet.
    quiet_hours: float = field(default_factory=lambda: settings.QUIET_HOURS)
    #: From such a share of late events on, it is a finding.
    stale_percent: int = STALE_PERCENT

    @property
    def lag_seconds(self) -> float:
        """How long the oldest event has waited; 0 where none does."""
        since = self.waiting.since
        return max(0.0, (self.now - since).total_seconds()) if since else 0.0

    @property
    def is_running(self) -> bool:
        """Whether delivery is switched on."""
        return self.integration.enabled and not self.integration.archived_at
