"""An account, ours and theirs: what was delivered, and what came of it there.

What is planted changes what is stored or how it is counted, and notes by how much the counts
change: that is the size to be found.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.week import (
    EITHER,
    QUARTER_SECONDS,
    AccountWeek,
    Delivered,
    LogScan,
    NameWeek,
    Schema,
    SchemaEvent,
)
from clevertap_sync.clevertap.limits import normalise_event_name

NAMES = ("Referred App Install", "Generated App Install", "Referred Coupon Used")
TODAY = date(2026, 3, 10)
DAYS = tuple(TODAY - timedelta(days=back) for back in range(7, 0, -1))
NOW = datetime(2026, 3, 10, 2, 30, tzinfo=UTC).timestamp()
HOUR = 3600
DAY = 24 * HOUR
EPOCH = date(1970, 1, 1).toordinal()
AMOUNT = "Event Data Amount"

Key = tuple[str, date]
Cells = dict[Key, int]


@dataclass(frozen=True)
class Record:
    name: str
    ts: int
    person: int
    properties: dict[str, str]


def schema_of(*names, status="active", others=20, limit=512):
    everybody = [*names, *(f"App Event {n}" for n in range(others))]
    return Schema(
        {
            normalise_event_name(name): SchemaEvent(name, status, is_defined=True)
            for name in everybody
        },
        limit,
    )


@cache
def make_records(seed, names, low, high):
    """Return nine days of records, so that other time zones' days are whole."""
    chance = random.Random(seed)
    return tuple(
        record
        for name in names
        for back in range(8, -1, -1)
        for record in make_day(chance, name, back, chance.randint(low, high))
    )


@cache
def count_quarters(seed, names, low, high):
    """Return what is delivered by quarter-hour, of each name."""
    counts = Counter(
        (record.name, record.ts // QUARTER_SECONDS)
        for record in make_records(seed, names, low, high)
    )
    return {
        name: {
            quarter: Delivered(count)
            for (each, quarter), count in counts.items()
            if each == name
        }
        for name in names
    }


@cache
def count_planned(seed, names, low, high):
    """Return what is delivered by day, of each name."""
    return Counter(
        (record.name, date.fromordinal(EPOCH + record.ts // DAY))
        for record in make_records(seed, names, low, high)
    )


def make_day(chance, name, back, count):
    begins = (TODAY.toordinal() - EPOCH - back) * DAY
    for _ in range(count):
        person = chance.randrange(count)
        ts = begins + chance.randrange(DAY)
        yield Record(name, ts, person, make_properties(chance))


def make_properties(chance):
    properties = {"Status": "text", AMOUNT: "number"}
    if chance.random() < 0.75:
        properties["Channel"] = "text"
    if chance.random() < 0.55:
        properties["Content"] = "text"
    if chance.random() < 0.35:
        properties[AMOUNT] = "text"
    return properties


@dataclass
class World:
    """`ours` was delivered, `stored` is theirs. Each plant notes its sizes in `planted`."""

    seed: int = 1
    names: tuple[str, ...] = NAMES
    days: tuple[date, ...] = DAYS
    low: int = 20
    high: int = 45
    offset: int = 0
    schema: Schema | None = None
    maybe_more: Counter[tuple[str, int]] = field(default_factory=Counter)
    maybe_fewer: Counter[tuple[str, int]] = field(default_factory=Counter)
    settled_at: dict[date, float] = field(default_factory=dict)
    deleted: set[tuple[str, int]] = field(default_factory=set)
    counts_people: bool = False
    changes_count: Callable[[int], int] = int
    planted: dict[Key, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    whole: dict[Key, str] = field(default_factory=dict)
    has_other_integrations: bool = False
    counted_before: dict[Key, int] = field(default_factory=dict)
    answers_counts: bool = True
    counts: Cells = field(default_factory=dict)
    scans: int = 0
    filtered: int = 0

    def __post_init__(self):
        self.schema = self.schema or schema_of(*self.names)
        self.ours = list(make_records(self.seed, self.names, self.low, self.high))
        self.stored = list(self.ours)

    # What both sides see

    def day_of(self, ts):
        return date.fromordinal(EPOCH + (ts + self.offset) // DAY)

    def count(self, records) -> Cells:
        if self.counts_people:
            records = {
                (each.name, (each.ts + self.offset) // DAY, each.person): each
                for each in records
            }.values()
        counts = Counter(
            (each.name, (each.ts + self.offset) // DAY) for each in records
        )
        return {
            (name, day): self.changes_count(counts[name, day.toordinal() - EPOCH])
            for name in self.names
            for day in self.days
        }

    def week(self) -> AccountWeek:
        counted = self.counts or self.count(self.stored)
        return AccountWeek(
            names=[self._name_week(name, counted) for name in self.names],
            days=DAYS,
            today=TODAY,
            zone=ZoneInfo("UTC"),
            now=NOW,
            schema=self.schema,
            settled_at=dict.fromkeys(DAYS, NOW - 30 * HOUR) | self.settled_at,
            other_zones=[ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")],
            were_deleted=bool(self.deleted),
            has_other_integrations=self.has_other_integrations,
            counted_before=self.counted_before,
        )

    def _name_week(self, name, counted):
        delivered = dict(
            count_quarters(self.seed, self.names, self.low, self.high)[name]
        )
        for key in {*self.maybe_more, *self.maybe_fewer}:
            if key[0] == name:
                delivered[key[1]] = Delivered(
                    delivered.get(key[1], Delivered()).delivered,
                    self.maybe_more[key],
                    self.maybe_fewer[key],
                )
        return NameWeek(name, delivered, {day: counted[name, day] for day in DAYS})

    def count_ours(self) -> Cells:
        ours: Cells = count_planned(self.seed, self.names, self.low, self.high)
        return ours

    # Evidence

    def scan_log(self, name, begins, ends):
        self.scans += 1
        records = [
            each for each in self.ours if begins <= each.ts < ends and each.name == name
        ]
        lacking: Counter[str] = Counter()
        types = defaultdict(Counter)
        for record in records:
            has = record.properties
            lacking.update(
                each for each in ("Channel", "Content", "Status") if each not in has
            )
            lacking[EITHER] += not {"Channel", "Content"} <= has.keys()
            types[AMOUNT][has[AMOUNT]] += 1
        return LogScan(
            len(records),
            len({record.person for record in records}),
            lacking,
            types,
            sum((name, record.person) in self.deleted for record in records),
        )

    def count_filtered(self, name, day, property_name, operator):
        self.filtered += 1
        if not self.answers_counts:
            return None
        assert operator == "exists"
        first = (day.toordinal() - EPOCH) * DAY - self.offset
        having = [
            each
            for each in self.stored
            if first <= each.ts < first + DAY
            and each.name == name
            and property_name in each.properties
        ]
        return self.count(having)[name, day]

    # Planting

    def change(self, code, change, *, is_whole=False):
        """Let `change` happen, and note what it does to the counts as the work of `code`."""
        before = self.counts or self.count(self.stored)
        change()
        after = self.counts = self.count(self.stored)
        for key, count in after.items():
            if count != before[key]:
                self.planted[key][code] += count - before[key]
                if is_whole:
                    self.whole.setdefault(key, code)

    def drop(self, code, should_drop, *, is_whole=False):
        def change():
            self.stored = [each for each in self.stored if not should_drop(each)]

        self.change(code, change, is_whole=is_whole)

    def forget(self, name, *, is_full=False):
        """Take a name out of the schema, which has room for others or has not."""
        names = [each.name for each in self.schema.events.values() if each.name != name]
        limit = len(names) if is_full else self.schema.limit
        self.schema = schema_of(*names, others=0, limit=limit)

    def expected(self):
        """Return the causes to be found, by cell: code and size."""
        theirs, ours = self.counts, self.count_ours()
        found = {}
        for key, sizes in self.planted.items():
            if key not in self.whole:
                found[key] = {code: size for code, size in sizes.items() if size}
                continue
            moved = sizes[codes.OTHER_TIME_ZONE] if theirs[key] else 0
            size = theirs[key] - ours[key] - moved
            found[key] = {self.whole[key]: size}
            if moved:
                found[key][codes.OTHER_TIME_ZONE] = moved
        return {key: causes for key, causes in found.items() if sum(causes.values())}
