"""System checks of the log. Their IDs are stable: docs and scripts use them.

* referrals.W001  the log is kept in SQLite (`check --deploy`)
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning as CheckWarning, register


@register(deploy=True)
def check_database(
    **_: Any,
) -> Iterator[CheckMessage]:
    """Warn where the log is kept in a file of this machine."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        yield CheckWarning(
            "The log is kept in SQLite, on this machine's disk.",
            hint="Where the platform gives each start a new disk, as Heroku does, every "
            "event would be lost: set DATABASE_URL to a PostgreSQL server. On a server "
            "of your own it is fine for one machine.",
            id="referrals.W001",
        )
