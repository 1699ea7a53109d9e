"""Which database's SQL the log speaks."""

from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from referrals.log import postgresql, sqlite
from referrals.log.rows import Dialect

_DIALECTS: dict[str, Dialect] = {"postgresql": postgresql, "sqlite": sqlite}


def find_dialect() -> Dialect:
    """Return the dialect of the default database."""
    try:
        return _DIALECTS[connection.vendor]
    except KeyError:
        msg = f"The log runs on PostgreSQL and SQLite, not on {connection.vendor}."
        raise ImproperlyConfigured(msg) from None
