"""Adds counts to the database, on PostgreSQL and SQLite alike."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from referrals.ingest.counter import (
    DETAILS,
    MOST_CODES,
    MOST_UNKNOWN_KEYS,
    NO_APP,
    OF_EVENTS,
    OTHER_CODES,
    OUTCOMES_OF_SPOOL,
    SAMPLES_PER_CAUSE,
    CountKey,
    HourlyKey,
    IngestCounts,
    WayIn,
)
from referrals.models import IngestCount, IngestSample, is_way_of_source
from referrals.refusals import Code

#: Stands for an hour in the rows that count since the beginning: those of an app, all ways
#: together, and those of each source. These numbers never fall: retention does not remove
#: them.
ALL_TIME_HOUR: Final = datetime(1970, 1, 1, tzinfo=UTC)

_ROWS_PER_STATEMENT: Final = 1_000
_ROW: Final = "(%s, %s, %s, %s, %s, %s, %s)"
_ADD: Final = """
    INSERT INTO referrals_ingestcount AS kept
        (app_id, way, outcome, code, hour, number, last_at)
    VALUES {rows}
    ON CONFLICT (app_id, way, outcome, code, hour) DO UPDATE SET
        number = kept.number + excluded.number,
        last_at = CASE WHEN excluded.last_at > kept.last_at
                       THEN excluded.last_at ELSE kept.last_at END
"""
# Sets this lock apart from others in the same database.
_LOCK: Final = "SELECT pg_advisory_xact_lock(%s)"
_BOUNDS_LOCK: Final = 0x494E47455354

CountRow = tuple[int, str, str, str, datetime, int, datetime]


def write_counts(counts: Mapping[HourlyKey, IngestCounts]) -> None:
    """Add the counts to what the database has, in one transaction; keep the samples.

    Raises the database's errors; nothing is written then.
    """
    with transaction.atomic():
        admitted = _bound_codes(_bound_unknown_keys(counts))
        _add_rows(sorted(_sum_rows(admitted)))
        _keep_samples(admitted)


def _bound_unknown_keys(
    counts: Mapping[HourlyKey, IngestCounts],
) -> list[tuple[HourlyKey, IngestCounts]]:
    """Return the counts with the unknown keys beyond the bound under one way."""
    ways = {
        hourly.count_key.way for hourly in counts if _is_unknown_key(hourly.count_key)
    }
    if not ways:
        return list(counts.items())
    # Two processes at once would admit too many.
    take_lock(_BOUNDS_LOCK)
    rows = IngestCount.objects.filter(app_id=NO_APP, code=Code.UNKNOWN_KEY)
    named = rows.exclude(way__in=["", WayIn.OTHER])
    known = set(named.values_list("way", flat=True).distinct())
    room = max(0, MOST_UNKNOWN_KEYS - len(known))
    refused = set(sorted(ways - known)[room:])
    return [(_told_apart(hourly, refused), count) for hourly, count in counts.items()]


def _is_unknown_key(count_key: CountKey) -> bool:
    return count_key.code == Code.UNKNOWN_KEY and count_key.way != WayIn.OTHER


def _told_apart(hourly: HourlyKey, refused: set[str]) -> HourlyKey:
    if hourly.count_key.way in refused and _is_unknown_key(hourly.count_key):
        return hourly._replace(count_key=hourly.count_key._replace(way=WayIn.OTHER))
    return hourly


def _bound_codes(
    counts: Sequence[tuple[HourlyKey, IngestCounts]],
) -> list[tuple[HourlyKey, IngestCounts]]:
    """Return the counts with the codes of `DETAILS` beyond the bound as one, by way.

    Senders choose these codes, so that a way may have so many of each kind, ever since
    its first that is kept.
    """
    asked = {
        (key.way, str(key.outcome), key.code)
        for (_, key), _ in counts
        if key.outcome in DETAILS and key.code != OTHER_CODES
    }
    if not asked:
        return list(counts)
    # Two processes at once would admit too many.
    take_lock(_BOUNDS_LOCK)
    ways = {way for way, _, _ in asked}
    apps = {hourly.count_key.app_id for hourly, _ in counts}
    rows = IngestCount.objects.filter(app_id__in=apps, way__in=ways)
    named = rows.filter(outcome__in=DETAILS).exclude(code=OTHER_CODES).order_by()
    known = set(named.values_list("way", "outcome", "code").distinct())
    number = Counter((way, outcome) for way, outcome, _ in known)
    for way, outcome, code in sorted(asked - known):
        if number[way, outcome] < MOST_CODES:
            number[way, outcome] += 1
            known.add((way, outcome, code))
    refused = asked - known
    return [
        (
            hourly.lump_code()
            if (key.way, key.outcome, key.code) in refused
            else hourly,
            count,
        )
        for hourly, count in counts
        for key in [hourly.count_key]
    ]


def take_lock(number: int) -> None:
    """Wait until no other process has this lock, and hold it until the transaction's end."""
    # SQLite lets one write at a time.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [number])


def _sum_rows(counts: Iterable[tuple[HourlyKey, IngestCounts]]) -> Iterator[CountRow]:
    """Yield the rows to add, one for each key: a statement may update a row only once."""
    summed: dict[HourlyKey, IngestCounts] = {}
    for hourly, count in counts:
        for each in (hourly, *_list_totals(hourly.count_key)):
            total = summed.setdefault(each, IngestCounts(count.last_at))
            total.add(count.number, count.last_at)
    for (hour, count_key), count in summed.items():
        yield *count_key, hour, count.number, count.last_at


def _list_totals(count_key: CountKey) -> Iterator[HourlyKey]:
    """Yield the rows since the beginning that the cause counts in: an app's, a source's."""
    if count_key.outcome in OF_EVENTS:
        yield HourlyKey(ALL_TIME_HOUR, count_key._replace(way=""))
    is_of_source = is_way_of_source(count_key.way) and count_key.outcome not in DETAILS
    if is_of_source or count_key.outcome in OUTCOMES_OF_SPOOL:
        yield HourlyKey(ALL_TIME_HOUR, count_key)


def _add_rows(rows: list[CountRow]) -> None:
    """Add sorted rows: in one order everywhere, so that no two processes deadlock."""
    adapted = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            chunk = rows[start : start + _ROWS_PER_STATEMENT]
            values: list[Any] = []
            for *count_key, hour, number, last_at in chunk:
                values += [*count_key, adapted(hour), number, adapted(last_at)]
            cursor.execute(_ADD.format(rows=", ".join([_ROW] * len(chunk))), values)


def _keep_samples(counts: Iterable[tuple[HourlyKey, IngestCounts]]) -> None:
    rows = [
        IngestSample(**hourly.count_key._asdict(), **sample._asdict())
        for hourly, count in counts
        for sample in count.samples
    ]
    if not rows:
        return
    IngestSample.objects.bulk_create(rows)
    place = Window(
        RowNumber(),
        partition_by=[F("app_id"), F("way"), F("outcome"), F("code")],
        order_by=[F("at").desc(), F("id").desc()],
    )
    surplus = IngestSample.objects.alias(place=place).filter(
        place__gt=SAMPLES_PER_CAUSE
    )
    ids = list(surplus.order_by().values_list("id", flat=True))
    # Rows that another process removes at this moment are skipped.
    mine = IngestSample.objects.select_for_update(skip_locked=True).filter(pk__in=ids)
    IngestSample.objects.filter(pk__in=list(mine.values_list("pk", flat=True))).delete()
