"""The database's room: how much it takes, how fast it grows, how long it lasts.

Whether it lasts too short a time is for the finding `database_full_soon` to say; what it speaks of
is not well here.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db import connection

from clevertap_sync.insight.findings.machinery import NEARLY_FULL, SOON
from clevertap_sync.insight.growth import Growth, Retention
from clevertap_sync.insight.machinery import DatabaseFacts
from clevertap_sync.insight.machinery_queries import GIGABYTE, read_database_facts
from clevertap_sync.process import clock
from clevertap_sync.process.database_look import look_at_database
from integration_project.doctor.check import Area, Check, State
from integration_project.doctor.table_sizes import TableSize, read_largest_tables
from referrals.words import format_bytes, format_count, format_span

_check = partial(Check, area=Area.DISK)
_LATE: Final = timedelta(hours=2)


def examine_disk() -> Iterator[Check]:
    """Measure the database now, and say what the samples of the last days tell."""
    now = clock.read_now()
    facts = read_database_facts(now)
    size = look_at_database().size_bytes
    yield judge_size(size, facts)
    yield judge_samples(facts, now)
    if facts is not None:
        yield judge_growth(facts)
        yield judge_retention(facts, now)
    tables = read_largest_tables()
    if tables:
        yield describe_tables(tables, size)


def judge_size(size_bytes: int, facts: DatabaseFacts | None) -> Check:
    """Return how large the database is, beside the room that it has where that is known."""
    room = facts.capacity_bytes if facts else None
    if room is None and settings.DATABASE_GIGABYTES:
        room = settings.DATABASE_GIGABYTES * GIGABYTE
    values = {"size_bytes": size_bytes, "capacity_bytes": room}
    is_unknown = room is None and connection.vendor == "postgresql"
    is_full = room is not None and size_bytes >= NEARLY_FULL * room
    return _check(
        code="database_room_unknown" if is_unknown else "database_size",
        state=State.INFO if is_unknown or is_full else State.OK,
        sentence=f"The database has {format_bytes(size_bytes)}"
        + (f", and room for {format_bytes(room)}." if room else ".")
        + (
            " How much room its plan has, a server does not tell." if is_unknown else ""
        ),
        remedy="Set DATABASE_GIGABYTES, to learn how long it lasts."
        if is_unknown
        else "",
        values=values,
    )


def judge_samples(facts: DatabaseFacts | None, now: datetime) -> Check:
    """Return whether the workers look at the database every hour, as growth rests on it."""
    if facts is None:
        return _check(
            code="database_not_sampled",
            state=State.INFO,
            sentence="No worker has looked at the database yet: each does within its first "
            "minute.",
        )
    age = now - facts.seen_at
    is_late = age > _LATE
    return _check(
        code="database_samples_late" if is_late else "database_samples",
        state=State.WARNING if is_late else State.OK,
        sentence=f"A worker last looked at the database {format_span(age.total_seconds())} ago."
        if is_late
        else "A worker looked at the database within this hour.",
        remedy="See whether a worker is at work, and the findings of its sweep."
        if is_late
        else "",
        values={"sampled_at": facts.seen_at.isoformat()},
    )


def judge_growth(facts: DatabaseFacts) -> Check:
    """Return how the database grows, how long it lasts, and on what that rests."""
    growth = facts.growth
    if growth is None:
        return _check(
            code="growth_unknown",
            state=State.INFO,
            sentence="How fast it grows is unknown yet: that takes a day of looks at it.",
        )
    values = {
        "growth_bytes_per_day": round(growth.per_day),
        "measured_days": round(growth.basis / timedelta(days=1), 2),
        "lasts_seconds": None if growth.lasts is None else growth.lasts.total_seconds(),
    }
    return _check(
        code="database_growth",
        state=State.INFO
        if growth.lasts is not None and growth.lasts <= SOON
        else State.OK,
        sentence=f"{_describe_rate(growth)} {_describe_end(growth, facts)}".strip(),
        values=values,
    )


def judge_retention(facts: DatabaseFacts, now: datetime) -> Check:
    """Return what retention does about the growth."""
    days, oldest = format_count(settings.RETENTION_DAYS, "day"), facts.oldest_event_at
    values = {
        "retention_days": settings.RETENTION_DAYS,
        "oldest_event_at": oldest.isoformat() if oldest else None,
    }
    if facts.growth and facts.growth.retention is Retention.BEHIND:
        return _check(
            code="retention_waits",
            state=State.WARNING,
            sentence=f"Events are kept that are older than {days}: an integration, or who "
            "learns of people, still needs them. Until then nothing of them is given back.",
            remedy="Mend what holds the integration, resume it from now, or archive it.",
            values=values,
        )
    age = now - oldest if oldest else timedelta()
    left = max(timedelta(), timedelta(days=settings.RETENTION_DAYS) - age)
    when = f"begins in {format_count(left.days, 'day')}" if left.days else "is at work"
    return _check(
        code="retention",
        state=State.OK,
        sentence=f"Events are removed {days} after they were delivered, which {when}. Their room "
        "is used again for new ones; the database seldom becomes smaller.",
        values=values,
    )


def describe_tables(tables: list[TableSize], size_bytes: int) -> Check:
    """Return which tables take the most room, with their indexes."""
    shown = ", ".join(f"{each.name} {format_bytes(each.size_bytes)}" for each in tables)
    values = {each.name: each.size_bytes for each in tables}
    return _check(
        code="largest_tables",
        state=State.OK,
        sentence=f"The largest tables, with their indexes: {shown}.",
        values={"size_bytes": size_bytes, **values},
    )


def _describe_rate(growth: Growth) -> str:
    days = growth.basis / timedelta(days=1)
    measured = f"measured over {days:.1f} days"
    if growth.per_day <= 0:
        return f"It does not grow, {measured}."
    return f"It grows by {format_bytes(growth.per_day)} a day, {measured}."


def _describe_end(growth: Growth, facts: DatabaseFacts) -> str:
    if growth.lasts is not None:
        span = format_span(growth.lasts.total_seconds())
        return f"As things are, it is full in about {span}."
    if growth.per_day <= 0:
        return ""
    if growth.goes_on_for is None:
        return "How long that lasts is not known."
    days = growth.goes_on_for / timedelta(days=1)
    until = format_count(max(1, round(days)), "day")
    most = format_bytes(facts.size_bytes + growth.per_day * days)
    why = (
        "Retention is at work, so growing traffic alone makes it grow. "
        if growth.retention is Retention.AT_WORK
        else ""
    )
    room = ", and there is room for that" if facts.capacity_bytes else ""
    return (
        f"{why}In {until} retention takes back as much as comes in; until then it comes to "
        f"about {most}{room}."
    )
