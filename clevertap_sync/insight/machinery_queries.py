"""Read what is known of the processes and of the database: one query each."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Max, Q
from django.db.models.functions import TruncDate

from clevertap_sync.insight.growth import SizeSeen, estimate_growth
from clevertap_sync.insight.machinery import DatabaseFacts, ProcessFacts
from clevertap_sync.models import DatabaseSample, ProcessSeen
from clevertap_sync.process.process_presence import SILENT_AFTER

GIGABYTE: Final = 1_000_000_000
_LATELY: Final = timedelta(hours=2)


def read_processes(now: datetime) -> tuple[ProcessFacts, ...]:
    """Return the processes that are at work, by name."""
    rows = ProcessSeen.objects.filter(seen_at__gte=now - SILENT_AFTER).order_by("name")
    return tuple(
        ProcessFacts(name=name, started_at=started_at, clock_offset_seconds=offset)
        for name, started_at, offset in rows.values_list(
            "name", "started_at", "clock_offset_seconds"
        )
    )


def read_database_facts(now: datetime) -> DatabaseFacts | None:
    """Return what the samples say, or None before the first. Nothing is measured anew."""
    days = DatabaseSample.objects.annotate(day=TruncDate("hour")).values("day")
    last_hours = days.annotate(last=Max("hour")).order_by().values("last")
    wanted = Q(hour__in=last_hours) | Q(hour__gt=now - _LATELY)
    samples = list(DatabaseSample.objects.filter(wanted).order_by("hour"))
    if not samples:
        return None
    newest = samples[-1]
    capacity = _find_capacity(newest)
    return DatabaseFacts(
        seen_at=newest.hour,
        size_bytes=newest.size_bytes,
        capacity_bytes=capacity,
        connections=_find_most_connections(samples, now),
        connection_limit=newest.connection_limit,
        oldest_event_at=newest.oldest_event_at,
        growth=estimate_growth(
            [SizeSeen(each.hour, each.size_bytes) for each in samples],
            capacity_bytes=capacity,
            oldest_event_at=newest.oldest_event_at,
            keep_for=timedelta(days=settings.RETENTION_DAYS),
        ),
    )


def _find_capacity(newest: DatabaseSample) -> int | None:
    """Return the plan's size where it is told; else what a file of ours has room for."""
    if settings.DATABASE_GIGABYTES:
        return int(settings.DATABASE_GIGABYTES * GIGABYTE)
    if newest.free_bytes is None:
        return None
    return newest.size_bytes + newest.free_bytes


def _find_most_connections(samples: list[DatabaseSample], now: datetime) -> int | None:
    lately = [
        each.connections
        for each in samples
        if each.connections is not None and each.hour > now - _LATELY
    ]
    return max(lately, default=None)
