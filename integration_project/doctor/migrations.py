"""Migrations: whether code and database fit each other, and whether one is under way."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from django.db import connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader

from integration_project.doctor.check import Area, Check, State
from referrals.words import format_count, format_span

_SHOWN: Final = 3
# Who locks a table of ours so that nobody else may write, and for how long. Django takes no
# lock of its own while it migrates.
_UNDER_WAY: Final = """
    SELECT bool_or(NOT l.granted),
        extract(epoch FROM clock_timestamp() - min(a.xact_start))::float
    FROM pg_locks AS l
    JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.usename IS NOT NULL
        AND coalesce(a.backend_type, 'client backend') = 'client backend'
    JOIN pg_class AS c ON c.oid = l.relation AND pg_table_is_visible(c.oid)
        AND c.relkind = 'r' AND c.relnamespace <> 'pg_catalog'::regnamespace
    WHERE l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.mode IN ('AccessExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
            'ShareUpdateExclusiveLock')
"""

_check = partial(Check, area=Area.MIGRATIONS)


class Lead(NamedTuple):
    """Who is ahead: what the database lacks, and what it has that this code does not know."""

    unapplied: Sequence[str]
    unknown: Sequence[str]


def examine_migrations() -> Iterator[Check]:
    """Compare this release's migrations with those that the database had."""
    loader = MigrationLoader(connection)
    try:
        loader.check_consistent_history(connection)
    except InconsistentMigrationHistory:
        yield _check(
            code="migrations_inconsistent",
            state=State.ERROR,
            sentence="A migration is applied whose predecessor is not: somebody changed the "
            "table django_migrations by hand, or restored half of a database.",
            remedy="See `manage.py showmigrations --plan`; best restore a backup.",
        )
    yield judge_lead(_compare(loader))
    if connection.vendor == "postgresql":
        yield from _examine_locks()


def judge_lead(lead: Lead) -> Check:
    """Return whether code and database are of one release, or which of them is ahead."""
    values = {"unapplied": len(lead.unapplied), "unknown": len(lead.unknown)}
    if lead.unapplied:
        named = format_count(len(lead.unapplied), "migration is", "migrations are")
        return _check(
            code="migrations_unapplied",
            state=State.ERROR,
            sentence=f"{named} not applied: {_list(lead.unapplied)}. Processes of this release "
            "do not take events until they are.",
            remedy="Run `python manage.py migrate`.",
            values=values,
        )
    if lead.unknown:
        named = format_count(len(lead.unknown), "migration", "migrations")
        return _check(
            code="database_newer",
            state=State.WARNING,
            sentence=f"The database is newer than this code: it had {named} that this release "
            f"does not know, {_list(lead.unknown)}. The release before the newest works with "
            "it; older ones may not.",
            remedy="Right while you go back from a release. Otherwise start the newer one.",
            values=values,
        )
    return _check(
        code="migrations_applied",
        state=State.OK,
        sentence="Every migration of this release is applied, and no other.",
        values=values,
    )


def describe_locks(seconds: float, *, waits: bool) -> Check:
    """Return that a session changes tables, or waits to."""
    what = "waits for others to let go of a table" if waits else "holds tables"
    return _check(
        code="migration_waits" if waits else "migration_under_way",
        state=State.WARNING if waits else State.INFO,
        sentence=f"A migration, or upkeep by hand, {what}, since {format_span(seconds)}.",
        remedy="It gives up by itself after lock_timeout, and may be run again."
        if waits
        else "",
        values={"seconds": seconds},
    )


def _examine_locks() -> Iterator[Check]:
    with connection.cursor() as cursor:
        cursor.execute(_UNDER_WAY)
        waits, seconds = cursor.fetchone()
    if waits is not None:
        yield describe_locks(seconds or 0.0, waits=waits)


def _compare(loader: MigrationLoader) -> Lead:
    """Return who is ahead. Programs that this release does not have do not count."""
    applied, ours = set(loader.applied_migrations), loader.migrated_apps
    return Lead(
        _name_each(set(loader.graph.nodes) - applied),
        _name_each(
            key for key in applied - set(loader.disk_migrations) if key[0] in ours
        ),
    )


def _name_each(keys: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{app}.{name}" for app, name in sorted(keys)]


def _list(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(names[:_SHOWN]) + more
