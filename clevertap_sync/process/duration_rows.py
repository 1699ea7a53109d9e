"""The rows of durations: all processes add to the same ones, and any tells the whole."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from clevertap_sync.models import DurationCount
from clevertap_sync.process import delivery_times, duration_counts
from clevertap_sync.process.durations import (
    NO_END,
    OTHER,
    Buckets,
    DurationMetric,
    LabelValues,
    Series,
)

_ROWS_PER_STATEMENT: Final = 1_000
_LABELS_CHARACTERS: Final = 300
_ROW: Final = "(%s, %s, %s, %s, %s)"
_ADD: Final = """
    INSERT INTO clevertap_sync_durationcount AS kept (metric, labels, le, count, seconds)
    VALUES {rows}
    ON CONFLICT (metric, labels, le) DO UPDATE SET
        count = kept.count + excluded.count, seconds = kept.seconds + excluded.seconds
"""


class BucketRow(NamedTuple):
    """Durations to add to one row."""

    metric: str
    labels: str
    le: str
    number: int
    seconds: float


def write_durations() -> None:
    """Add what this process counted to the database, in one statement.

    It is kept while the database is away. Raises the database's errors.
    """
    delivery_times.count_deliveries()
    taken = duration_counts.take_durations()
    if not taken:
        return
    try:
        _add_rows(sorted(_list_rows(taken)))
    except Exception:
        duration_counts.put_back_durations(taken)
        raise


def read_durations(metric: DurationMetric) -> dict[LabelValues, list[BucketRow]]:
    """Return the rows of a metric, by its labels."""
    found: dict[LabelValues, list[BucketRow]] = {}
    rows = DurationCount.objects.filter(metric=metric.name).order_by("labels")
    for row in rows.values_list("metric", "labels", "le", "count", "seconds"):
        values = json.loads(row[1])
        labels = tuple(values.get(name, "") for name in metric.labels)
        found.setdefault(labels, []).append(BucketRow(*row))
    return found


def _list_rows(counts: Mapping[Series, Buckets]) -> Iterator[BucketRow]:
    for (metric, values), buckets in counts.items():
        labels = _encode_labels(metric, values)
        ends = (*(f"{end:g}" for end in metric.ends), NO_END)
        for le, count, seconds in zip(
            ends, buckets.counts, buckets.seconds, strict=True
        ):
            if count:
                yield BucketRow(metric.name, labels, le, count, seconds)


def _encode_labels(metric: DurationMetric, labels: LabelValues) -> str:
    values = dict(zip(metric.labels, labels, strict=True))
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    if len(text) <= _LABELS_CHARACTERS:
        return text
    return _encode_labels(metric, (OTHER, *labels[1:]))


def _add_rows(rows: list[BucketRow]) -> None:
    """Add sorted rows: in one order everywhere, so that no two processes deadlock."""
    with transaction.atomic(), connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            chunk = rows[start : start + _ROWS_PER_STATEMENT]
            values: list[Any] = [value for row in chunk for value in row]
            cursor.execute(_ADD.format(rows=", ".join([_ROW] * len(chunk))), values)
