"""PostgreSQL's connections: how many there are, whose, and how many our processes may open.

The finding `connections_short` says when they do not suffice for good, or did not; here it is told at once.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from django.conf import settings
from django.db import connection

from clevertap_sync.insight.findings.machinery import FOR_COMMANDS
from clevertap_sync.insight.machinery_queries import read_processes
from clevertap_sync.process import clock
from clevertap_sync.process.database_look import (
    SESSIONS,
    ConnectionUse,
    read_connection_use,
)
from integration_project.doctor.check import Area, Check, State
from referrals.words import format_count

# Counted by whose they are, and never by name: a name may be anybody's.
_OWNERS: Final = f"""
    SELECT count(*) FILTER (WHERE usename = current_user AND here),
        count(*) FILTER (WHERE usename <> current_user AND here),
        count(*) FILTER (WHERE NOT here),
        count(*) FILTER (WHERE usename = current_user AND here AND state <> 'idle')
    FROM (SELECT *, datname = current_database() AS here FROM ({SESSIONS}) AS all_of_them) AS s
"""  # noqa: S608 - a constant in a constant

_check = partial(Check, area=Area.DATABASE)


class Owners(NamedTuple):
    """How many connections are whose; `busy` are those of ours that do something."""

    ours: int
    others: int
    elsewhere: int
    busy: int


def examine_connections() -> Iterator[Check]:
    """Count the connections now, and reckon how many the processes may want."""
    with connection.cursor() as cursor:
        cursor.execute(_OWNERS)
        owners = Owners(*cursor.fetchone())
    use = read_connection_use()
    yield describe_use(use, owners)
    processes = len(read_processes(clock.read_now()))
    yield judge_need(processes, settings.DATABASE_POOL, use.limit)


def describe_use(use: ConnectionUse, owners: Owners) -> Check:
    """Return how many connections are open, and whose they are."""
    return _check(
        code="connections",
        state=State.OK,
        sentence=f"{use.used} of {format_count(use.limit, 'connection')} are open: "
        f"{owners.ours} of our role, {owners.busy} of them busy; {owners.others} of other roles "
        f"in this database, {owners.elsewhere} in others.",
        values={
            "connections": use.used,
            "connection_limit": use.limit,
            **owners._asdict(),
        },
    )


def judge_need(processes: int, pool: int, limit: int) -> Check:
    """Return how many connections the processes at work may open together."""
    values = {"processes": processes, "pool": pool, "connection_limit": limit}
    named = format_count(processes, "process is", "processes are")
    if not pool:
        return _check(
            code="connections_unbounded",
            state=State.INFO,
            sentence=f"DATABASE_POOL is 0: each request and each task opens a connection of its "
            f"own; {named} at work.",
            remedy="Without a PgBouncer in between, set DATABASE_POOL.",
            values=values,
        )
    wanted = pool * processes + FOR_COMMANDS
    exceeds = wanted > limit
    return _check(
        code="connections_exceed" if exceeds else "connections_wanted",
        state=State.WARNING if exceeds else State.OK,
        sentence=f"{named} at work and may open {pool} each, together {wanted} with "
        f"{FOR_COMMANDS} for commands"
        + (f"; {limit} are allowed." if exceeds else "."),
        remedy="Usual while one release takes over from the other, where the rest suffices. "
        "Otherwise lower DATABASE_POOL, or get more."
        if exceeds
        else "",
        values={**values, "wanted": wanted},
    )
