"""What PostgreSQL does by itself, and what keeps it from it: vacuum, statistics, the journal."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from django.db import connection

from clevertap_sync.process.database_look import SESSIONS
from integration_project.doctor.check import Area, Check, State
from referrals.words import format_bytes, format_count, format_span

#: A transaction of ours lasts seconds; a dump of a large database takes longer, and passes.
LONG_SECONDS: Final = 600
#: PostgreSQL takes no more writes at 2,100 million; by itself it begins at 200 million.
OLD_TRANSACTIONS: Final = 1_000_000_000
#: Of smaller tables the planner needs to know nothing.
WORTH_COUNTING: Final = 10_000
#: Autovacuum begins at a fifth of the rows.
DEAD_SHARE: Final = 0.5
#: What a replica that is away makes a server keep.
KEPT_JOURNAL_BYTES: Final = 1_000_000_000

_SERVER: Final = """
    SELECT current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on',
        (SELECT count(*) FROM pg_class WHERE pg_table_is_visible(oid)
            AND 'autovacuum_enabled=false' = ANY(reloptions)),
        (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database())
"""
# What a session runs is not read: it may hold somebody's data.
_TRANSACTIONS: Final = f"""
    SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - began)), 0)::float
    FROM (
        SELECT xact_start AS began FROM ({SESSIONS}) AS sessions
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        UNION ALL
        SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
    ) AS open WHERE began < clock_timestamp() - make_interval(secs => %s)
"""  # noqa: S608 - a constant in a constant
_TABLES: Final = """
    SELECT relname, n_live_tup, n_dead_tup,
        last_analyze IS NULL AND last_autoanalyze IS NULL
    FROM pg_stat_user_tables WHERE pg_table_is_visible(relid)
        AND n_live_tup + n_dead_tup >= %s ORDER BY relname
"""
_SLOTS: Final = """
    SELECT count(*), coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::bigint
    FROM pg_replication_slots WHERE NOT active AND NOT pg_is_in_recovery()
"""

_check = partial(Check, area=Area.DATABASE)


class TableCounts(NamedTuple):
    """How many rows a table has by PostgreSQL's own count, and how many dead ones."""

    name: str
    live: int
    dead: int
    is_never_analyzed: bool


def examine_upkeep(*, long_seconds: float = LONG_SECONDS) -> Iterator[Check]:
    """Ask PostgreSQL about its own upkeep, and who has kept it from it for so long."""
    with connection.cursor() as cursor:
        cursor.execute(_SERVER)
        is_on, without, age = cursor.fetchone()
        yield judge_autovacuum(is_on=is_on, tables_without=without)
        yield judge_age(age)
        cursor.execute(_TRANSACTIONS, [long_seconds])
        yield judge_transactions(*cursor.fetchone())
        cursor.execute(_TABLES, [WORTH_COUNTING])
        yield from judge_tables([TableCounts(*row) for row in cursor.fetchall()])
        cursor.execute(_SLOTS)
        yield from judge_slots(*cursor.fetchone())


def judge_autovacuum(*, is_on: bool, tables_without: int) -> Check:
    """Return whether dead rows are removed, and statistics kept, without anybody's doing."""
    if is_on and not tables_without:
        return _check(
            code="autovacuum",
            state=State.OK,
            sentence="Dead rows are removed and statistics kept by autovacuum.",
        )
    where = (
        "Autovacuum is off"
        if not is_on
        else f"Autovacuum is off for {format_count(tables_without, 'table')}"
    )
    return _check(
        code="autovacuum_off",
        state=State.WARNING,
        sentence=f"{where}: tables grow by what is long gone, and queries become slow.",
        remedy="Set autovacuum and track_counts to on, and reset autovacuum_enabled of the "
        "tables.",
        values={"tables_without": tables_without},
    )


def judge_age(age: int) -> Check:
    """Return how old the oldest row is that was never frozen, in transactions."""
    is_old = age > OLD_TRANSACTIONS
    return _check(
        code="transactions_run_out" if is_old else "transaction_age",
        state=State.ERROR if is_old else State.OK,
        sentence=f"The oldest transaction number in use is {age:,} behind"
        + (
            "; at about 2,100 million PostgreSQL takes no more writes."
            if is_old
            else "."
        ),
        remedy="End what keeps vacuum from its work (below), then run VACUUM FREEZE."
        if is_old
        else "",
        values={"age_transactions": age},
    )


def judge_transactions(count: int, longest_seconds: float) -> Check:
    """Return whether somebody keeps a transaction open: vacuum removes nothing newer than it."""
    if not count:
        return _check(
            code="no_long_transactions",
            state=State.OK,
            sentence="No transaction has been open for long.",
        )
    return _check(
        code="long_transactions",
        state=State.WARNING,
        sentence=f"{format_count(count, 'transaction has', 'transactions have')} been open, the "
        f"longest for {format_span(longest_seconds)}. What was deleted since keeps its room.",
        remedy="A dump ends by itself. Otherwise find it in pg_stat_activity (or "
        "pg_prepared_xacts), and end it with pg_terminate_backend (or ROLLBACK PREPARED).",
        values={"transactions": count, "longest_seconds": longest_seconds},
    )


def judge_tables(tables: Sequence[TableCounts]) -> Iterator[Check]:
    """Yield whether the planner knows the tables, and whether dead rows pile up in them."""
    unknown = [each.name for each in tables if each.is_never_analyzed]
    yield _check(
        code="statistics_missing" if unknown else "statistics",
        state=State.WARNING if unknown else State.OK,
        sentence=f"PostgreSQL has no statistics of {', '.join(unknown)}, as after a restore: "
        "queries may be slow."
        if unknown
        else "The planner has statistics of all large tables.",
        remedy="Run VACUUM ANALYZE." if unknown else "",
    )
    bloated = [
        each for each in tables if each.dead > DEAD_SHARE * (each.live + each.dead)
    ]
    if bloated:
        yield _check(
            code="dead_rows",
            state=State.WARNING,
            sentence=f"More than half of the rows are dead in "
            f"{', '.join(each.name for each in bloated)}.",
            remedy="See whether a long transaction or an idle replication slot keeps "
            "autovacuum from them; then run VACUUM.",
            values={each.name: each.dead for each in bloated},
        )


def judge_slots(idle: int, kept_bytes: int) -> Iterator[Check]:
    """Yield a check where a replica that is away makes the server keep its journal."""
    if kept_bytes > KEPT_JOURNAL_BYTES:
        yield _check(
            code="journal_kept",
            state=State.WARNING,
            sentence=f"{format_count(idle, 'idle replication slot')} makes the server keep "
            f"{format_bytes(kept_bytes)} of its journal, without end.",
            remedy="Bring the replica back, or drop the slot (pg_drop_replication_slot).",
            values={"slots": idle, "kept_bytes": kept_bytes},
        )
