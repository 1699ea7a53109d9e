"""How the database is reached: a pool, short waits, and nothing that waits for ever.

Reference: https://www.postgresql.org/docs/current/libpq-connect.html
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from integration_project.addresses import Address, read_address
from integration_project.environment import UnusableError

# A web process that is frozen between lock and commit must not stop all ingest.
_TIMEOUTS: Final = {
    "lock_timeout": "5s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "10s",
}
_CONNECTION: Final = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": " ".join(f"-c {name}={value}" for name, value in _TIMEOUTS.items()),
}
# Lock and look-up of an append are one message, and the server binds one statement's
# values at a time.
_FIXED: Final = {"server_side_binding": False}
_ENGINES: Final = {
    "sqlite": "integration_project.sqlite3",
    "postgresql": "integration_project.postgresql",
}
_SQLITE: Final = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # NORMAL can lose a commit with the power.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
# Numbers of libpq, which reads them as text.
_WHOLE: Final = frozenset(
    {
        *("connect_timeout", "tcp_user_timeout", "keepalives", "keepalives_idle"),
        *("keepalives_interval", "keepalives_count"),
    }
)
_SQLITE_OPTIONS: Final = frozenset(_SQLITE)
# PostgreSQL cuts a longer one short, and Django refuses it.
_LONGEST_NAME: Final = 63
_SCHEMES: Final = ("postgresql", "postgres", "sqlite")
_IN_MEMORY: Final = "sqlite://:memory:"


def read_database_url(url: str, *, pool: int) -> dict[str, Any]:
    """Return Django's settings for the database at `url`.

    What the URL's query says (`?sslmode=disable`) comes before our own options; an empty
    `?options=` leaves the server-side timeouts out, for a PgBouncer that refuses them.
    A server on another machine has to speak TLS, unless the URL or libpq's own variables
    say otherwise.
    `pool` is the number of connections that a process keeps at most; 0 opens one per
    request or task instead. Raises `UnusableError`, which names the fault.
    """
    if url == _IN_MEMORY:
        return _build_settings("sqlite", NAME=":memory:", OPTIONS=_SQLITE)
    address = read_address(url, schemes=_SCHEMES, several=True)
    if address.scheme == "sqlite":
        return _read_sqlite(address)
    return _read_postgresql(address, pool)


def _build_settings(scheme: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - Django's own types
    return {"ENGINE": _ENGINES[scheme], **settings}


def _read_sqlite(address: Address) -> dict[str, Any]:
    if address.host:
        raise UnusableError(
            because="it names a host, and SQLite's file is on this machine"
        )
    name = address.path.removeprefix("/")
    if not name:
        raise UnusableError(because="it names no file")
    if address.query.keys() - _SQLITE_OPTIONS:
        known = ", ".join(sorted(_SQLITE_OPTIONS))
        raise UnusableError(because=f"its query has something else than {known}")
    options: dict[str, Any] = _override(_SQLITE, address.query)
    if "timeout" in options:
        # The one option that Python's library wants as a number.
        timeout = str(options["timeout"])
        if not re.fullmatch("[0-9]{1,5}", timeout):
            raise UnusableError(because="its timeout is not a whole number of seconds")
        options["timeout"] = int(timeout)
    return _build_settings("sqlite", NAME=name, OPTIONS=options)


def _read_postgresql(address: Address, pool: int) -> dict[str, Any]:
    query = dict(address.query)
    folder, _, name = address.path.removeprefix("/").rpartition("/")
    name = name or query.pop("dbname", "")
    host = folder or address.host
    _check_name(name, query)
    _check_query(query)
    return _build_settings(
        "postgresql",
        NAME=name,
        USER=address.user,
        PASSWORD=address.password,
        HOST=host,
        PORT=address.port,
        OPTIONS=_override(_CONNECTION | _require_encryption(host, query), query)
        | ({"pool": _build_pool_options(pool)} if pool else {})
        | _FIXED,
    )


def _check_name(name: str, query: Mapping[str, str]) -> None:
    if not name and not query.get("service"):
        raise UnusableError(because="it names no database")
    if len(name.encode()) > _LONGEST_NAME:
        raise UnusableError(
            because=f"its database's name is longer than {_LONGEST_NAME} bytes"
        )


def _check_query(query: Mapping[str, str]) -> None:
    if query.keys() - _defaults_of_libpq().keys():
        raise UnusableError(
            because="its query has something that is no parameter of libpq"
        )
    for name in sorted(query.keys() & _WHOLE):
        if query[name] and not re.fullmatch(r"-?[0-9]{1,9}", query[name]):
            raise UnusableError(because=f"its {name} is not a whole number")


def _require_encryption(host: str, query: Mapping[str, str]) -> dict[str, str]:
    """Return the option that requires TLS, where a server is on another machine.

    By default libpq goes on in plain text where the server, or an attacker between, says
    that it speaks no TLS. Its own variable `PGSSLMODE`, or a service, may know better.
    """
    told = _defaults_of_libpq()
    if os.environ.get("PGSSLMODE") or query.get("service") or told.get("service"):
        return {}
    places = (
        query.get("hostaddr")
        or told.get("hostaddr")
        or host
        or query.get("host")
        or told.get("host", "")
    )
    return {} if all(map(_is_here, places.split(","))) else {"sslmode": "require"}


def _defaults_of_libpq() -> dict[str, str]:
    """Return each parameter's value where an address leaves it out, as `PGHOST` has it."""
    from psycopg import pq  # noqa: PLC0415 - SQLite goes without

    options = pq.Conninfo.get_defaults()
    return {option.keyword.decode(): (option.val or b"").decode() for option in options}


def _is_here(host: str) -> bool:
    """Return whether `host` is this machine: a socket's folder, or no further than it."""
    if not host or host[0] in "/@" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _override(ours: Mapping[str, Any], theirs: Mapping[str, str]) -> dict[str, Any]:
    """Return our options under theirs, without those that theirs leave empty."""
    together = {**ours, **theirs}
    return {name: value for name, value in together.items() if value != ""}


def _build_pool_options(size: int) -> dict[str, float]:
    """Return the pool's options.

    Reference: https://www.psycopg.org/psycopg3/docs/api/pool.html
    """
    return {
        "min_size": 1,
        "max_size": size,
        # How long a thread waits for a connection before it answers 503.
        "timeout": 5.0,
        "max_lifetime": 1800.0,
        "max_idle": 300.0,
        # The pool backs off for as long as this. A longer value would leave a process
        # deaf for up to a minute after the database is back.
        "reconnect_timeout": 2.0,
        "num_workers": 1,
    }
