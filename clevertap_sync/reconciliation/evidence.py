"""Evidence: what the log and CleverTap say of one name on one day, for the causes to weigh.

The log is scanned by the uploads whose counts have the name: their events are mapped once
more. A scan is exact or there is none: shares of a sample would be, people are not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from clevertap_sync.clevertap.causes.week import EITHER, QUARTER_SECONDS, LogScan
from clevertap_sync.clevertap.client import Condition
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.insight.delivered_counts import read_delivered
from clevertap_sync.insight.delivered_records import (
    DeliveredRecord,
    read_delivered_records,
)
from clevertap_sync.models import Upload
from clevertap_sync.process import clock
from clevertap_sync.reconciliation.reader import Reading, ReadingStopped
from clevertap_sync.reconciliation.reconciling_account import ReconcilingAccount

#: Uploads that may have records of the days compared, with a day for clocks that go fast.
SINCE: Final = timedelta(days=10)
#: With more uploads than this, the log is not scanned.
MOST_UPLOADS: Final = 50_000
#: So many events are read for one scan, and for all scans of a comparison.
SCAN_EVENTS: Final = 50_000
ALL_EVENTS: Final = 400_000
#: So many values of records are kept, since names share uploads: some 50 MB.
KEPT_VALUES: Final = 300_000
#: Types are counted of so many properties: one account has no more that matter.
MOST_PROPERTIES: Final = 1_000
#: A scan that is off by more than one record in so many is none.
_TOLERANCE: Final = 100

#: What a value's type is called. A truth is a number in Python too.
_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "truth"),
    (int, "number"),
    (float, "number"),
    (list, "list"),
    (dict, "object"),
)
_OF_BUILT_IN: Final = ("Channel", "Content", "Status")
_EVENT_ID: Final = "Event ID"


class NamedCount(NamedTuple):
    """How many records of one name and quarter-hour an upload delivered."""

    upload_id: int
    quarter: int
    delivered: int


class AccountEvidence:
    """The evidence of one comparison of an account, read when it is first asked for."""

    def __init__(self, found: ReconcilingAccount, reading: Reading | None) -> None:
        self._found = found
        self._reading = reading
        self._counts: Mapping[str, Sequence[NamedCount]] | None = None
        self._sizes: dict[int, int] = {}
        self._kept: dict[int, list[DeliveredRecord]] = {}
        self._kept_values = 0
        self._events_left = ALL_EVENTS

    def scan_log(self, name: str, begins: int, ends: int) -> LogScan | None:
        """Return what was delivered of `name` with `begins` ≤ `ts` < `ends`.

        None where it is too much, or where the log has not got all of it.
        """
        folded = normalise_event_name(name)
        uploads = self._find_uploads(folded, begins, ends)
        if uploads is None or not self._may_read(uploads):
            return None
        scan = sum_up(
            record
            for upload_id in sorted(uploads)
            for record in self._read_records(upload_id)
            if begins <= record.ts < ends
            and normalise_event_name(record.name) == folded
        )
        is_whole = self._is_whole(scan.records, folded, begins, ends)
        return scan if is_whole else None

    def count_filtered(
        self, name: str, day: date, property_name: str, operator: str
    ) -> int | None:
        """Return how many CleverTap counts with a condition; None where it cannot be asked."""
        if self._reading is None:
            return None
        condition = Condition(property_name, operator)
        try:
            return self._reading.count(name, day, day, condition)
        except ReadingStopped:
            return None

    def _find_uploads(self, folded: str, begins: int, ends: int) -> set[int] | None:
        """Return the uploads that have delivered something of it; None: too many to tell."""
        if self._counts is None:
            self._counts = self._read_counts()
        if len(self._sizes) > MOST_UPLOADS:
            return None
        quarters = range(begins // QUARTER_SECONDS, -(-ends // QUARTER_SECONDS))
        return {
            each.upload_id
            for each in self._counts.get(folded, ())
            if each.quarter in quarters
        }

    def _read_counts(self) -> dict[str, list[NamedCount]]:
        """Return what each upload of the days delivered, by folded name."""
        since = clock.read_now() - SINCE
        found: defaultdict[str, list[NamedCount]] = defaultdict(list)
        for integration_id in self._found.ids:
            for pk, size, counts in _list_counted_uploads(integration_id, since):
                self._sizes[pk] = size
                for name, quarter, delivered, *_ in counts:
                    if delivered:
                        folded = normalise_event_name(name)
                        found[folded].append(NamedCount(pk, quarter, delivered))
        return found

    def _may_read(self, uploads: Iterable[int]) -> bool:
        """Return whether these uploads may be read, and take their events off the budget."""
        events = sum(self._sizes[pk] for pk in uploads)
        new = sum(self._sizes[pk] for pk in uploads if pk not in self._kept)
        if events > SCAN_EVENTS or new > self._events_left:
            return False
        self._events_left -= new
        return True

    def _read_records(self, upload_id: int) -> list[DeliveredRecord]:
        if upload_id not in self._kept:
            if self._kept_values > KEPT_VALUES:
                self._kept.clear()
                self._kept_values = 0
            found = Upload.objects.select_related("integration").filter(pk=upload_id)
            # Retention may have removed it meanwhile: then the scan is not whole.
            records = [r for upload in found for r in read_delivered_records(upload)]
            self._kept[upload_id] = records
            self._kept_values += sum(3 + len(each.properties or ()) for each in records)
        return self._kept[upload_id]

    def _is_whole(self, records: int, folded: str, begins: int, ends: int) -> bool:
        """Return whether the log has what was delivered: retention may have taken some."""
        first, last = begins // QUARTER_SECONDS, -(-ends // QUARTER_SECONDS) - 1
        delivered = maybe_fewer = 0
        for name, quarters in read_delivered(self._found.ids, first, last).items():
            if normalise_event_name(name) == folded:
                delivered += sum(each.delivered for each in quarters.values())
                maybe_fewer += sum(each.maybe_fewer for each in quarters.values())
        return abs(records - delivered) <= maybe_fewer + delivered // _TOLERANCE


def sum_up(records: Iterable[DeliveredRecord]) -> LogScan:
    """Return what records of one name come to."""
    count = erased = unknown = 0
    people: set[str] = set()
    lacking: Counter[str] = Counter()
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in records:
        count += 1
        if each.person is None:
            erased += 1
        else:
            people.add(each.person)
        if each.properties is None:
            unknown += 1
            continue
        if each.is_custom:
            for name, value in each.properties.items():
                # One that is left out is left out from its first record on.
                if name in types or len(types) < MOST_PROPERTIES:
                    types[name][_name_type(value)] += name != _EVENT_ID
        else:
            lacking.update(_list_lacking(each.properties))
    kinds = _drop_empty(types)
    return LogScan(count, len(people), lacking, kinds, erased, unknown)


def _list_lacking(properties: Mapping[str, Any]) -> list[str]:
    """Return which properties of a built-in event are not there."""
    missing = [name for name in _OF_BUILT_IN if name not in properties]
    if {"Channel", "Content"}.intersection(missing):
        missing.append(EITHER)
    return missing


def _drop_empty(types: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    return {name: counts for name, counts in types.items() if counts.total()}


def _name_type(value: object) -> str:
    found = (name for kind, name in _TYPES if isinstance(value, kind))
    return next(found, "text")


def _list_counted_uploads(
    integration_id: int, since: datetime
) -> Iterable[tuple[int, int, list[list[Any]]]]:
    """Yield ID, number of events and counts of the uploads since an instant."""
    uploads = Upload.objects.filter(integration=integration_id)
    before = uploads.filter(created_at__lt=since).order_by("-pk")
    first = before.values_list("pk", flat=True).first() or 0
    rows = uploads.leaves().filter(pk__gt=first, counts__isnull=False).order_by("-pk")
    columns = rows.values_list("pk", "first", "last", "covers", "counts")
    for pk, low, high, covers, counts in columns[: MOST_UPLOADS + 1].iterator():
        yield pk, covers or high - low + 1, counts or []
