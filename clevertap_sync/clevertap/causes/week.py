"""The values that a comparison is judged from: what was delivered, and what is counted.

Days are the account's own, in its time zone, unless said otherwise. Sizes of differences are
signed: negative where CleverTap counts fewer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

#: Delivered counts are kept by so many seconds of `ts`: every zone's days begin at one.
QUARTER_SECONDS: Final = 900

#: In `LogScan.lacking`: records that lack Channel, Content or both, each counted once.
EITHER: Final = "Channel or Content"

SchemaStatus = Literal["active", "inactive", "discarded"]


class Delivered(NamedTuple):
    """Records delivered, and by how much more or fewer CleverTap may have stored of them."""

    delivered: int = 0
    maybe_more: int = 0
    maybe_fewer: int = 0


class SchemaEvent(NamedTuple):
    """One event type of an account, as its schema lists it."""

    name: str
    status: SchemaStatus
    is_defined: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """An account's event types. `events` are by folded name, system events included."""

    events: Mapping[str, SchemaEvent]
    #: The most event types that an account may have.
    limit: int = 512

    @property
    def is_full(self) -> bool:
        """Whether a further event type would be dropped without a word."""
        return len(self.events) >= self.limit


@dataclass(frozen=True, slots=True)
class NameWeek:
    """One event name of an account, over the days that are compared.

    `delivered` is by quarter-hour (`ts // QUARTER_SECONDS`), over the days and a day on either
    side, so that another time zone's days can be summed. `counted` is by day, and lacks the
    days that were not asked. Spellings that CleverTap takes for one name are one `NameWeek`.
    """

    name: str
    delivered: Mapping[int, Delivered]
    counted: Mapping[date, int]


@dataclass(frozen=True, slots=True)
class AccountWeek:
    """Everything that one comparison knows of an account. `today` is its present day.

    `schema` is None where it could not be read. `were_deleted` says that people were deleted
    from CleverTap at our order since the first of the days.
    `has_other_integrations` says that a further integration of the account delivers, and is
    not compared. `settled_at` is, by day, when the newest upload settled that delivered
    something of it (Unix seconds); `now` is the present.
    """

    names: Sequence[NameWeek]
    days: Sequence[date]
    today: date
    zone: ZoneInfo
    now: float
    schema: Schema | None = None
    settled_at: Mapping[date, float] = field(default_factory=dict)
    #: Other zones that this account may have, likelier ones first.
    other_zones: Sequence[ZoneInfo] = ()
    were_deleted: bool = False
    has_other_integrations: bool = False
    #: The comparison before: what was counted then, by name and day.
    counted_before: Mapping[tuple[str, date], int] = field(default_factory=dict)


class LogScan(NamedTuple):
    """What the log says of the records of one name in a span of `ts`, mapped once more.

    `people` are distinct. `lacking` counts records by the property they lack: Channel,
    Content, `EITHER` (those that lack Channel, Content or both) and Status. `types` counts, by property of the event data, records by the type of its value
    (text, number, truth, list, object). `erased` are records whose person was erased,
    `unknown` those of events of which somebody was: what they lacked is not known any more.
    """

    records: int
    people: int
    lacking: Counter[str]
    types: Mapping[str, Counter[str]]
    erased: int
    unknown: int = 0


class Evidence(Protocol):
    """What a cause may ask beyond the numbers. Each answer may cost a second."""

    def scan_log(self, name: str, begins: int, ends: int) -> LogScan | None:
        """Return what was delivered of `name` with `begins` ≤ `ts` < `ends`, in Unix seconds.

        None where it is too much to read, or the log has not got it any more.
        """

    def count_filtered(
        self, name: str, day: date, property_name: str, operator: str
    ) -> int | None:
        """Return how many CleverTap counts with a condition; None where it cannot be asked."""


class Cause(NamedTuple):
    """One explanation of a part of a difference. `sentence` is for people, and names no person."""

    code: str
    size: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A difference of one name on one day, and what explains it.

    `difference` is what is counted less what was delivered. It is the sum of the causes' sizes
    and of `unexplained`.
    """

    name: str
    day: date
    difference: int
    causes: Sequence[Cause]
    unexplained: int
