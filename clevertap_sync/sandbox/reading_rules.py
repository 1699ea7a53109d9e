"""How the sandbox reads back: when, how exactly, to whom, and in whose days.

Pure. No public source says how soon or how exactly CleverTap's calls show what was
uploaded: those fields are marked *guess*, and the less friendly answer is the default, as
long as somebody who tries the product still sees something.
"""

from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from clevertap_sync.sandbox import limits

CountForm = Literal["exact", "rounded", "sampled", "users"]


class ReadingRules(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """What the calls that read answer. Instants are Unix seconds."""

    #: Guess: seconds until an upload shows in each kind of call; None: never. A profile
    #: shows at once, since people look for their first event there.
    counts_visible_after: float | None = 3
    events_visible_after: float | None = 3
    schema_visible_after: float | None = 3
    profile_visible_after: float | None = 0
    #: Guess: up to so many seconds more, another share of them for each upload.
    visible_jitter: float = 2

    #: Guess: what a count is. Rounded: to two significant digits; sampled: from a tenth,
    #: where there are more than `sample_above`; users: distinct profiles.
    counts: CountForm = "exact"
    sample_above: int = limits.SAMPLE_ABOVE
    #: Guess: a count of more events than this is answered as partial, with a `req_id`,
    #: and so are the next `partial_rounds` - 1 answers.
    partial_above: int = 10_000
    partial_rounds: int = 2
    #: Guess: how long a `req_id` lives.
    request_id_seconds: float = 600

    #: How often a page of an export is still in progress (code 2) before it comes.
    in_progress_rounds: int = 1
    cursor_seconds: float = limits.CURSOR_SECONDS
    cursor_idle_seconds: float = limits.CURSOR_IDLE_SECONDS
    #: A smaller `batch_size` is ignored. Pages are multiples of 23.
    smallest_page: int = limits.SMALLEST_PAGE
    #: An export names these profiles (keys) by another identity of theirs (values), and a
    #: count of users counts both as one.
    merged_identities: dict[str, str] = {}

    #: The account's: days and exported times are its own.
    time_zone: str = "UTC"
    #: Names are exact here, though folded when written; sources differ.
    names_on_reading: Literal["exact", "folded"] = "exact"
    #: A day in the future: 4002.
    days_to_come: Literal["refuse", "accept"] = "refuse"

    #: Guess: a passcode that may upload and not read is refused with 403.
    may_read: bool = True
    #: Guess: beyond the plan queries stop, and uploads do not. From this instant on they
    #: are refused with 403, or answered without what has arrived since.
    locked_since: float | None = None
    locked_queries: Literal["refuse", "zero"] = "refuse"
    #: A test account that was reset: what arrived before is gone.
    emptied_at: float | None = None
    #: The data retention policy: older days are gone.
    retention_days: int | None = None
    #: Guess: whether a deleted profile takes its events out of the counts.
    deleted_events: Literal["gone", "kept"] = "gone"

    def __post_init__(self) -> None:
        """Refuse a time zone that does not exist, with a ValueError."""
        try:
            ZoneInfo(self.time_zone)
        except (LookupError, OSError, ValueError) as exc:
            msg = f"There is no time zone {self.time_zone!r}"
            raise ValueError(msg) from exc

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.time_zone)
