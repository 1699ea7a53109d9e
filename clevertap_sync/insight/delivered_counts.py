"""What was delivered, by name and by the time of the records: our side of a comparison.

`upkeep.tallies` adds uploads' counts up, once each. Readers add what is not tallied yet.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Max, QuerySet

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS, Delivered
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.models import DeliveredCount, Upload

#: By database: each count of an upload `u` as a row `c`, and the SQL of its n-th value.
COUNTS_OF_UPLOAD: Final = {
    "postgresql": "jsonb_array_elements(u.counts) AS c(value)",
    "sqlite": "json_each(u.counts) AS c",
}
_VALUE: Final = {
    "postgresql": "(c.value ->> {place})::{type}",
    "sqlite": "json_extract(c.value, '$[{place}]')",
}
#: What a count consists of, in order, and the types of these columns.
_COLUMNS: Final = {
    "name": "text",
    "quarter": "bigint",
    "delivered": "bigint",
    "maybe_more": "bigint",
    "maybe_fewer": "bigint",
}
# One statement, so that both halves see the same instant: an upload that is tallied
# meanwhile is in one of them, and in one only.
_QUERY: Final = """
    SELECT name, quarter, SUM(delivered), SUM(maybe_more), SUM(maybe_fewer) FROM (
        SELECT name, quarter, delivered, maybe_more, maybe_fewer
        FROM clevertap_sync_deliveredcount
        WHERE integration_id IN ({ids}) AND quarter BETWEEN %s AND %s
        UNION ALL
        SELECT {name}, {quarter}, {delivered}, {maybe_more}, {maybe_fewer}
        FROM clevertap_sync_integration i
        JOIN clevertap_sync_upload u ON u.integration_id = i.id AND u.id > i.tallied_to
        CROSS JOIN {counts}
        WHERE i.id IN ({ids}) AND {quarter} BETWEEN %s AND %s
    ) AS both_halves
    GROUP BY name, quarter
"""
# Each step finds the next name by the index, however many quarter-hours one has.
_OWN_NAMES: Final = """
    WITH RECURSIVE tallied (id, name) AS (
        SELECT i.id, (
            SELECT MIN(name) FROM clevertap_sync_deliveredcount WHERE integration_id = i.id
        )
        FROM clevertap_sync_integration i
        WHERE i.id IN ({ids})
        UNION ALL
        SELECT t.id, (
            SELECT MIN(name) FROM clevertap_sync_deliveredcount
            WHERE integration_id = t.id AND name > t.name
        )
        FROM tallied t
        WHERE t.name IS NOT NULL
    )
    SELECT id, name FROM tallied WHERE name IS NOT NULL
    UNION
    SELECT i.id, {name}
    FROM clevertap_sync_integration i
    JOIN clevertap_sync_upload u ON u.integration_id = i.id AND u.id > i.tallied_to
    CROSS JOIN {counts}
    WHERE i.id IN ({ids})
"""


def read_own_names(integration_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """Return, by integration, the names that it delivered lately, as CleverTap compares them.

    Of an account that several apps share, no other names are an app's to see.
    """
    if not integration_ids:
        return {}
    query = _OWN_NAMES.format(
        ids=", ".join(["%s"] * len(integration_ids)),
        counts=COUNTS_OF_UPLOAD[connection.vendor],
        name=read_count_columns()["name"],
    )
    found: dict[int, set[str]] = {pk: set() for pk in integration_ids}
    with connection.cursor() as cursor:
        cursor.execute(query, [*integration_ids] * 2)
        for pk, name in cursor.fetchall():
            found[pk].add(normalise_event_name(name))
    return {pk: frozenset(names) for pk, names in found.items()}


def read_delivered(
    integration_ids: Collection[int], first_quarter: int, last_quarter: int
) -> dict[str, dict[int, Delivered]]:
    """Return, by name as it was sent and by quarter-hour, what the integrations delivered.

    Of the quarter-hours from `first_quarter` to `last_quarter`, all at one instant.
    """
    if not integration_ids:
        return {}
    ids = ", ".join(["%s"] * len(integration_ids))
    query = _QUERY.format(
        ids=ids, counts=COUNTS_OF_UPLOAD[connection.vendor], **read_count_columns()
    )
    found: dict[str, dict[int, Delivered]] = {}
    with connection.cursor() as cursor:
        cursor.execute(query, [*integration_ids, first_quarter, last_quarter] * 2)
        for name, quarter, *numbers in cursor.fetchall():
            found.setdefault(name, {})[quarter] = Delivered(*map(int, numbers))
    return found


def read_count_columns() -> dict[str, str]:
    """Return the SQL of each column of an upload's count, by the column's name."""
    value = _VALUE[connection.vendor]
    return {
        name: value.format(place=place, type=column_type)
        for place, (name, column_type) in enumerate(_COLUMNS.items())
    }


def find_newest_settled(
    integration_ids: Collection[int],
    first_quarter: int,
    last_quarter: int,
    zone: ZoneInfo,
) -> dict[date, float]:
    """Return, by day of the zone, when the newest upload settled that has a record of it.

    In Unix seconds; of records with a `ts` in these quarter-hours.
    """
    newest: dict[int, float] = {}
    # Before the counts: what is tallied meanwhile is met twice, which changes no maximum.
    for upload in _list_untallied(integration_ids):
        at = upload.settled_at.timestamp() if upload.settled_at else 0.0
        for _, quarter, *_ in upload.counts or ():
            newest[quarter] = max(newest.get(quarter, 0.0), at)
    tallied = DeliveredCount.objects.filter(
        integration__in=integration_ids, quarter__range=(first_quarter, last_quarter)
    )
    for quarter, last in tallied.values_list("quarter").annotate(Max("settled_at")):
        newest[quarter] = max(newest.get(quarter, 0.0), last.timestamp())
    found: dict[date, float] = {}
    for quarter, at in newest.items():
        if first_quarter <= quarter <= last_quarter:
            day = find_day(quarter, zone)
            found[day] = max(found.get(day, 0.0), at)
    return found


def _list_untallied(integration_ids: Collection[int]) -> QuerySet[Upload]:
    untallied = Upload.objects.leaves().filter(
        integration__in=integration_ids,
        pk__gt=F("integration__tallied_to"),
        counts__isnull=False,
    )
    return untallied.only("counts", "settled_at")


def sum_by_day(
    by_quarter: Mapping[int, Delivered], zone: ZoneInfo
) -> dict[date, Delivered]:
    """Sum quarter-hours up to days of the zone, be they of 23, 24 or 25 hours."""
    found: dict[date, Delivered] = {}
    for quarter, more in by_quarter.items():
        day = find_day(quarter, zone)
        known = found.get(day, Delivered())
        found[day] = Delivered(*(sum(pair) for pair in zip(known, more, strict=True)))
    return found


def find_day(quarter: int, zone: ZoneInfo) -> date:
    """Return the day of the zone in which a quarter-hour lies. Every zone's days begin at one."""
    return datetime.fromtimestamp(quarter * QUARTER_SECONDS, zone).date()


def find_quarters(first_day: date, last_day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first and the last quarter-hour of these days of the zone."""
    begins = _find_midnight(first_day, zone)
    ends = _find_midnight(last_day + timedelta(days=1), zone)
    return begins // QUARTER_SECONDS, ends // QUARTER_SECONDS - 1


def _find_midnight(day: date, zone: ZoneInfo) -> int:
    """Return when the day begins, in Unix seconds."""
    return int(datetime.combine(day, time.min, zone).timestamp())
