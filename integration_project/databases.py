"""How the database is reached: a pool, short waits, and nothing that waits for ever.

Reference: https://www.postgresql.org/docs/current/libpq-connect.html
"""

from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import environ

from integration_project.environment import UnusableUrlError

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
_SQLITE: Final = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # NORMAL can lose a commit with the power.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
# Checked before the URL is read, because the reader repeats one that it does not know,
# password and all, in a warning.
_SCHEMES: Final = ("postgres://", "postgresql://", "sqlite://")


def database(url: str, *, pool: int) -> dict[str, Any]:
    """Return Django's settings for the database at `url`.

    What the URL's query says (`?sslmode=require`) comes before our own options; an empty
    `?options=` leaves the server-side timeouts out, for a PgBouncer that refuses them.
    Only who binds the values of a statement is not for the URL to say.
    `pool` is the number of connections that a process keeps at most; 0 opens one per
    request or task instead.
    """
    if not url.startswith(_SCHEMES):
        raise UnusableUrlError
    try:
        settings: dict[str, Any] = environ.Env.db_url_config(url)
        emptied = [name for name, values in _query(url).items() if values == [""]]
    except ValueError as error:
        raise UnusableUrlError from error
    is_sqlite = url.startswith("sqlite")
    ours = _SQLITE if is_sqlite else _postgresql(pool)
    kept = {name: value for name, value in ours.items() if name not in emptied}
    fixed = {} if is_sqlite else _FIXED
    return settings | {
        "OPTIONS": kept | settings.get("OPTIONS", {}) | fixed,
        "CONN_HEALTH_CHECKS": True,
    }


def _query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def _postgresql(pool: int) -> dict[str, Any]:
    return _CONNECTION | {"pool": _pool(pool)} if pool else _CONNECTION


def _pool(size: int) -> dict[str, float]:
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
