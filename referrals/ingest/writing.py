"""Adding what was counted to the database, on PostgreSQL and SQLite alike."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from referrals.ingest.counter import (
    NO_APP,
    SAMPLES,
    STRANGERS,
    CountKey,
    Hourly,
    IngestCounts,
    WayIn,
)
from referrals.models import IngestCount, IngestSample
from referrals.refusals import Code

#: The hour under which stands what was counted since the beginning, all ways together:
#: it never falls, whatever retention removes.
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

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
_STRANGERS_LOCK: Final = 0x494E47455354

Row = tuple[int, str, str, str, datetime, int, datetime]


def write_counts(counts: Mapping[Hourly, IngestCounts]) -> None:
    """Add the counts to what the database has, in one transaction; keep the samples.

    Raises the database's errors; nothing is written then.
    """
    with transaction.atomic():
        admitted = _admitted(counts)
        _add(sorted(_rows(admitted)))
        _keep_samples(admitted)


def _admitted(
    counts: Mapping[Hourly, IngestCounts],
) -> list[tuple[Hourly, IngestCounts]]:
    """Return the counts with the unknown keys beyond the bound under one way."""
    ways = {hourly.cause.way for hourly in counts if _is_strange(hourly.cause)}
    if not ways:
        return list(counts.items())
    if connection.vendor == "postgresql":
        # Two processes at once would admit too many. SQLite lets one write at a time.
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [_STRANGERS_LOCK])
    rows = IngestCount.objects.filter(app_id=NO_APP, code=Code.UNKNOWN_KEY)
    named = rows.exclude(way__in=["", WayIn.OTHER])
    known = set(named.values_list("way", flat=True).distinct())
    room = max(0, STRANGERS - len(known))
    refused = set(sorted(ways - known)[room:])
    return [(_told_apart(hourly, refused), count) for hourly, count in counts.items()]


def _is_strange(cause: CountKey) -> bool:
    return cause.code == Code.UNKNOWN_KEY and cause.way != WayIn.OTHER


def _told_apart(hourly: Hourly, refused: set[str]) -> Hourly:
    if hourly.cause.way in refused and _is_strange(hourly.cause):
        return hourly._replace(cause=hourly.cause._replace(way=WayIn.OTHER))
    return hourly


def _rows(counts: Iterable[tuple[Hourly, IngestCounts]]) -> Iterator[Row]:
    """Yield the rows to add. No two are about the same: a statement may meet a row once."""
    summed: dict[Hourly, IngestCounts] = {}
    for hourly, count in counts:
        app_id, _, outcome, code = hourly.cause
        for each in (hourly, Hourly(EVER, CountKey(app_id, "", outcome, code))):
            total = summed.setdefault(each, IngestCounts(count.last_at))
            total.add(count.number, count.last_at)
    for (hour, cause), count in summed.items():
        yield *cause, hour, count.number, count.last_at


def _add(rows: list[Row]) -> None:
    """Add sorted rows: in one order everywhere, so that no two wait for each other."""
    adapted = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            chunk = rows[start : start + _ROWS_PER_STATEMENT]
            values: list[Any] = []
            for *cause, hour, number, last_at in chunk:
                values += [*cause, adapted(hour), number, adapted(last_at)]
            cursor.execute(_ADD.format(rows=", ".join([_ROW] * len(chunk))), values)


def _keep_samples(counts: Iterable[tuple[Hourly, IngestCounts]]) -> None:
    rows = [
        IngestSample(**hourly.cause._asdict(), **sample._asdict())
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
    surplus = IngestSample.objects.alias(place=place).filter(place__gt=SAMPLES)
    ids = list(surplus.order_by().values_list("id", flat=True))
    # Whoever else removes them at this moment is not waited for.
    mine = IngestSample.objects.select_for_update(skip_locked=True).filter(pk__in=ids)
    IngestSample.objects.filter(pk__in=list(mine.values_list("pk", flat=True))).delete()
