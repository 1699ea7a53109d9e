"""This process's counts that are not written yet. Pure.

To count costs one look into a dictionary. Its size follows from the number of distinct
causes, never from traffic.
"""

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from referrals.refusals import Code

#: Stands for the app where the caller has no known API key.
NO_APP: Final = 0
#: As many samples of a cause are kept.
SAMPLES_PER_CAUSE: Final = 5
#: Unknown keys that are counted each for itself, in the whole installation.
MOST_UNKNOWN_KEYS: Final = 50
#: Distinct causes that wait to be written; beyond it, ways are not told apart.
MOST_WAITING: Final = 2_000
#: Codes of one of `DETAILS` that are told apart, of one source: in memory of an hour, in the
#: database of all that is kept.
MOST_CODES: Final = 50
#: Stands for the codes beyond that.
OTHER_CODES: Final = "other"
#: As an identity provider: the user carries none.
NO_IDENTITY: Final = "none"

_POINTER_CHARACTERS: Final = 255
_HOUR: Final = timedelta(hours=1)
# A field's name or a place in a list. Any other text may be an identity.
_HARMLESS_STEP: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}|[0-9]{1,3}")
_HIDDEN: Final = "\N{HORIZONTAL ELLIPSIS}"


class IngestOutcome(StrEnum):
    """The class of the answer to an event or a request."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    UNAUTHORISED = "unauthorised"
    # Of a source: a verified call, and what of it is no event of ours.
    CALL = "call"
    IGNORED = "ignored"
    # Of its events, for each identity provider that their users carry, or "none".
    IDENTITY = "identity"
    # Of its events: no referrer is named.
    UNREFERRED = "unreferred"
    # Of what was ignored as not chosen: what the platform calls it.
    SEEN = "seen"
    # Events of a source, too: put into the spool, taken out of it, and lost.
    SPOOLED = "spooled"
    DRAINED = "drained"
    LOST = "lost"


#: The outcomes that an event, or a request that was refused as a whole, has one of.
OF_EVENTS: Final = (
    IngestOutcome.ACCEPTED,
    IngestOutcome.DUPLICATE,
    IngestOutcome.CONFLICT,
    IngestOutcome.REJECTED,
    IngestOutcome.UNAUTHORISED,
)
#: The outcomes that say more of what was counted already. Their codes are not ours.
DETAILS: Final = (
    IngestOutcome.IDENTITY,
    IngestOutcome.UNREFERRED,
    IngestOutcome.SEEN,
)

#: Counted by way since the beginning, whatever the way: what of a spool is missing is the difference.
OUTCOMES_OF_SPOOL: Final = (
    IngestOutcome.SPOOLED,
    IngestOutcome.DRAINED,
    IngestOutcome.LOST,
)

#: The outcomes that an operator should see.
REFUSALS: Final = (
    IngestOutcome.CONFLICT,
    IngestOutcome.REJECTED,
    IngestOutcome.UNAUTHORISED,
)


class WayIn(StrEnum):
    """The ways in without an API key; `OTHER` stands for ways that are not counted apart."""

    TASK = "task"
    IMPORT = "import"
    PYTHON = "python"
    ADMIN = "admin"
    OTHER = "other"


class CountKey(NamedTuple):
    """Events with an equal key are counted together. `code` is empty for taken events."""

    app_id: int
    way: str
    outcome: IngestOutcome
    code: str = ""


class RefusalSample(NamedTuple):
    """One refusal, without any value of the event."""

    at: datetime
    pointer: str = ""
    detail: str = ""
    #: The event's id, only where the reason is about ids.
    key: str = ""


@dataclass(slots=True)
class IngestCounts:
    """How often it was, when last, and the newest samples, oldest first."""

    last_at: datetime
    number: int = 0
    samples: deque[RefusalSample] = field(
        default_factory=lambda: deque(maxlen=SAMPLES_PER_CAUSE)
    )

    def add(
        self, number: int, at: datetime, sample: RefusalSample | None = None
    ) -> None:
        """Count `number` more."""
        self.number += number
        self.last_at = max(at, self.last_at)
        if sample is not None:
            self.samples.append(sample)


class HourlyKey(NamedTuple):
    """A cause in one hour, which is named by its first instant."""

    hour: datetime
    count_key: CountKey

    def lump_code(self) -> "HourlyKey":
        """Return the cause that stands for all codes of its outcome."""
        return self._replace(count_key=self.count_key._replace(code=OTHER_CODES))


class IngestCounter:
    """Counts by hour and cause until `take` removes the counts. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: dict[HourlyKey, IngestCounts] = {}
        # Of the newest hour, and those of its counts that wait.
        self._open: dict[CountKey, IngestCounts] = {}
        self._hour: datetime | None = None
        self._known: set[CountKey] = set()
        self._unknown_keys: set[str] = set()
        self._codes: dict[tuple[str, IngestOutcome], set[str]] = {}

    def add(
        self,
        count_key: CountKey,
        number: int,
        at: datetime,
        sample: RefusalSample | None = None,
    ) -> bool:
        """Count `number` more; return whether the hour has not had the cause before.

        Details of what was counted already are nothing new.
        """
        with self._mutex:
            return self._add(self._find_hour(at), count_key, number, at, sample)

    def add_each(self, count_keys: Sequence[CountKey], at: datetime) -> bool:
        """Count one more of each; return whether any was new, as `add` does."""
        with self._mutex:
            hour = self._find_hour(at)
            are_new = [self._add(hour, each, 1, at, None) for each in count_keys]
        return any(are_new)

    def take(self) -> dict[HourlyKey, IngestCounts]:
        """Return the counts, and begin anew."""
        with self._mutex:
            taken, self._counts = self._counts, {}
            self._open.clear()
        return taken

    def put_back(self, taken: Mapping[HourlyKey, IngestCounts]) -> None:
        """Add back counts that could not be written, without their samples.

        A sample may name a person who is erased before the database answers again, and so
        may what a platform calls its events.
        """
        with self._mutex:
            for hourly, count in taken.items():
                if hourly.count_key.outcome is IngestOutcome.SEEN:
                    hourly = hourly.lump_code()  # noqa: PLW2901 - the one to add to
                waiting = self._counts.setdefault(hourly, IngestCounts(count.last_at))
                waiting.add(count.number, count.last_at)

    def _find_hour(self, at: datetime) -> datetime:
        """Return the hour, which begins anew where it is another one than before."""
        hour = self._hour
        if hour is not None and hour <= at < hour + _HOUR:
            return hour
        self._hour = hour = find_hour(at)
        self._open.clear()
        self._known.clear()
        self._unknown_keys.clear()
        self._codes.clear()
        return hour

    def _add(
        self,
        hour: datetime,
        count_key: CountKey,
        number: int,
        at: datetime,
        sample: RefusalSample | None,
    ) -> bool:
        # Nearly always it waits to be written already.
        count = self._open.get(count_key)
        if count is not None:
            count.add(number, at, sample)
            return False
        count_key = self._admit(hour, count_key)
        count = self._counts.setdefault(HourlyKey(hour, count_key), IngestCounts(at))
        self._open[count_key] = count
        count.add(number, at, sample)
        is_new = count_key not in self._known
        self._known.add(count_key)
        return is_new and count_key.outcome not in DETAILS

    def _admit(self, hour: datetime, count_key: CountKey) -> CountKey:
        """Return the cause, or the one that stands for all beyond the bounds."""
        if (
            count_key.code == Code.UNKNOWN_KEY
            and count_key.way not in self._unknown_keys
        ):
            if len(self._unknown_keys) >= MOST_UNKNOWN_KEYS:
                return count_key._replace(way=WayIn.OTHER)
            self._unknown_keys.add(count_key.way)
        if count_key.outcome in DETAILS:
            count_key = self._bound_code(count_key)
        is_full = len(self._counts) >= MOST_WAITING
        if is_full and HourlyKey(hour, count_key) not in self._counts:
            is_ours = count_key.outcome not in DETAILS
            code = count_key.code if is_ours else OTHER_CODES
            return count_key._replace(way=WayIn.OTHER, code=code)
        return count_key

    def _bound_code(self, count_key: CountKey) -> CountKey:
        """Return the cause with the code that stands for the others, beyond the bound."""
        codes = self._codes.setdefault((count_key.way, count_key.outcome), set())
        if count_key.code not in codes:
            if len(codes) >= MOST_CODES:
                return count_key._replace(code=OTHER_CODES)
            codes.add(count_key.code)
        return count_key


def find_hour(instant: datetime) -> datetime:
    """Return when the instant's hour began."""
    return instant.replace(minute=0, second=0, microsecond=0)


def redact_pointer(pointer: str) -> str:
    """Return a JSON pointer without the steps that may be anything but a field's name."""
    first, *steps = pointer.split("/")
    kept = (step if _HARMLESS_STEP.fullmatch(step) else _HIDDEN for step in steps)
    return "/".join([first and _HIDDEN, *kept])[:_POINTER_CHARACTERS]
