"""PostgreSQL: its version, what it does with a commit, and what it lets our sessions do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from django.db import connection

from clevertap_sync.process import clock
from integration_project.doctor.check import Area, Check, State

# Until when each major version gets corrections.
# Reference: https://www.postgresql.org/support/versioning/
SUPPORTED_UNTIL: Final[Mapping[int, date]] = {
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
_LIMITS: Final = (
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
)
_SETTINGS: Final = (
    *_LIMITS,
    *("server_version", "server_version_num", "server_encoding"),
    *("fsync", "full_page_writes", "synchronous_commit"),
    *("log_statement", "log_min_duration_statement"),
)
_FACTS: Final = """
    SELECT array_agg(current_setting(name) ORDER BY place),
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    FROM unnest(%s::text[]) WITH ORDINALITY AS asked (name, place)
"""

_check = partial(Check, area=Area.DATABASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What a session of ours learned of its server. `settings` are by PostgreSQL's names."""

    settings: Mapping[str, str]
    is_read_only: bool
    is_superuser: bool
    is_encrypted: bool
    #: The address or the folder of the socket that it is reached by; "" is libpq's own.
    host: str


def examine_server() -> Iterator[Check]:
    """Yield the checks of PostgreSQL as a session of this process finds it."""
    yield from judge_server(_read_server(), clock.read_now().date())


def judge_server(facts: ServerFacts, today: date) -> Iterator[Check]:
    """Yield the checks of a server."""
    yield _judge_version(facts, today)
    yield _judge_durability(facts.settings)
    yield _judge_limits(facts.settings)
    yield _judge_encryption(facts)
    if facts.is_read_only:
        yield _check(
            code="database_read_only",
            state=State.ERROR,
            sentence="The database takes no writes: it is a replica, or set to read only. "
            "Every event is refused with 503.",
            remedy="Point DATABASE_URL to the primary.",
        )
    if facts.settings["server_encoding"] != "UTF8":
        yield _check(
            code="database_encoding",
            state=State.ERROR,
            sentence=f"The database's encoding is {facts.settings['server_encoding']}: it "
            "cannot keep every name and every text.",
            remedy="Create it anew with ENCODING 'UTF8', and restore a dump into it.",
        )
    if facts.is_superuser:
        yield _check(
            code="database_superuser",
            state=State.INFO,
            sentence="The processes connect as a superuser, and need not.",
            remedy="Give them a role of their own that owns the database.",
        )
    yield from _judge_log(facts.settings)


def _read_server() -> ServerFacts:
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [list(_SETTINGS)])
        values, is_read_only, is_superuser = cursor.fetchone()
        session = connection.connection
        return ServerFacts(
            settings=dict(zip(_SETTINGS, values, strict=True)),
            is_read_only=is_read_only,
            is_superuser=is_superuser,
            is_encrypted=session.pgconn.ssl_in_use,
            host=session.info.host,
        )


def _judge_version(facts: ServerFacts, today: date) -> Check:
    version = facts.settings["server_version"].split()[0]
    major = int(facts.settings["server_version_num"]) // 10_000
    values = {"version": version}
    until = SUPPORTED_UNTIL.get(major)
    if until is None and major < max(SUPPORTED_UNTIL):
        return _check(
            code="database_too_old",
            state=State.ERROR,
            sentence=f"PostgreSQL {version} is older than what this works with, which is "
            f"{min(SUPPORTED_UNTIL)}.",
            remedy="Upgrade the server.",
            values=values,
        )
    if until is None:
        return _check(
            code="database_version",
            state=State.INFO,
            sentence=f"PostgreSQL {version} is newer than what this was tried with, which is "
            f"{max(SUPPORTED_UNTIL)}.",
            values=values,
        )
    if until < today:
        return _check(
            code="database_unsupported",
            state=State.WARNING,
            sentence=f"PostgreSQL {version} gets no corrections since {until:%-d %B %Y}.",
            remedy=f"Upgrade the server, best to {max(SUPPORTED_UNTIL)}.",
            values=values,
        )
    return _check(
        code="database_version",
        state=State.OK,
        sentence=f"PostgreSQL {version}, which gets corrections until {until:%-d %B %Y}.",
        values=values,
    )


def _judge_durability(settings: Mapping[str, str]) -> Check:
    names = ("fsync", "full_page_writes", "synchronous_commit")
    values = {name: settings[name] for name in names}
    lost = {
        "fsync": "a crash of the machine may damage the whole database",
        "full_page_writes": "a crash of the machine may damage the whole database",
        "synchronous_commit": "a crash of the server loses events that were accepted",
    }
    off = [name for name in names if settings[name] == "off"]
    if not off:
        return _check(
            code="database_durable",
            state=State.OK,
            sentence="What is committed is on the server's disk.",
            values=values,
        )
    return _check(
        code="database_not_durable",
        state=State.ERROR,
        sentence=f"{' and '.join(f'{name}=off' for name in off)}: {lost[off[0]]}.",
        remedy=f"Set {' and '.join(off)} to on (ALTER SYSTEM, ROLE or DATABASE SET).",
        values=values,
    )


def _judge_limits(settings: Mapping[str, str]) -> Check:
    values = {name: settings[name] for name in _LIMITS}
    missing = [name for name in _LIMITS if settings[name] == "0"]
    if not missing:
        return _check(
            code="database_limits",
            state=State.OK,
            sentence="Nothing waits for a lock, runs, or idles in a transaction without end.",
            values=values,
        )
    return _check(
        code="database_no_limits",
        state=State.WARNING,
        sentence=f"Our sessions have no {', no '.join(missing)}: a process that freezes may "
        "stop all ingest.",
        remedy="Take the empty `options=` out of DATABASE_URL; or, past a PgBouncer that "
        "refuses it, ALTER ROLE … SET each.",
        values=values,
    )


def _judge_log(settings: Mapping[str, str]) -> Iterator[Check]:
    """Yield a check where the server's log may get what events and statements hold."""
    slow = settings["log_min_duration_statement"]
    kind = settings["log_statement"]
    told = [f"log_min_duration_statement={slow}"] if slow != "-1" else []
    told += [f"log_statement={kind}"] if kind in ("mod", "all") else []
    if told:
        yield _check(
            code="database_logs_values",
            state=State.INFO,
            sentence=f"The server writes statements into its log ({', '.join(told)}), and "
            "with them values: identities, and what events hold.",
            remedy="Guard that log as you guard the database, or set log_statement to none and "
            "log_min_duration_statement to -1.",
            values={"log_statement": kind, "log_min_duration_statement": slow},
        )


def _judge_encryption(facts: ServerFacts) -> Check:
    if facts.is_encrypted:
        return _check(
            code="database_encrypted",
            state=State.OK,
            sentence="The connection is encrypted.",
        )
    if not facts.host or facts.host[0] in "/@" or facts.host in _HERE:
        return _check(
            code="database_here",
            state=State.OK,
            sentence="The connection is not encrypted, and stays on this machine.",
        )
    return _check(
        code="database_unencrypted",
        state=State.WARNING,
        sentence="The connection to another machine is not encrypted.",
        remedy="Right in a network that is yours alone. Otherwise ask for sslmode=require, or "
        "better verify-full, in DATABASE_URL.",
    )


_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
