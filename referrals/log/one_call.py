"""Storing drafts by one call of a function in the database, which is a transaction.

Where nothing has to be decided between look-up and insert, nobody has to carry what the
database found back and forth while others wait for the app's lock: one round trip in place
of five. A process that freezes meanwhile holds no lock.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Final

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from referrals import failpoints
from referrals.failpoints import Place
from referrals.fraud import NO_SIGHTINGS
from referrals.log import postgresql
from referrals.log.completing import complete_rows
from referrals.log.direct import is_alone
from referrals.log.drafts import Draft
from referrals.log.names import recall_numbers
from referrals.log.rows import LogTip

#: From here on COPY costs the database less than the function's JSON.
MOST_EVENTS: Final = 32


def store_at_once(
    database: BaseDatabaseWrapper, app_id: int, drafts: Sequence[Draft]
) -> LogTip | None:
    """Store `drafts` after the log's head if the log has none of their keys.

    Returns the log before, with those that it has: nothing was stored where there are any.
    Returns None, and has stored nothing, where more than one call has to be made.
    """
    if not (_is_possible(database) and _are_simple(drafts)):
        return None
    numbers = recall_numbers(app_id, [draft.content for draft in drafts])
    if numbers is None:
        return None
    # None has a time of receipt in place of its own.
    rows = complete_rows(drafts, datetime.now(UTC), numbers, NO_SIGHTINGS)
    # An error leaves the caller's transaction as it was.
    inner = transaction.atomic() if database.in_atomic_block else nullcontext()
    try:
        with inner:
            return postgresql.append_if_new(database, app_id, rows, numbers)
    except OperationalError as error:
        if postgresql.is_lock_timeout(error):
            return None
        raise


def _is_possible(database: BaseDatabaseWrapper) -> bool:
    """Return whether the database has the function, and who commits is known."""
    return database.vendor == "postgresql" and (
        database.in_atomic_block or is_alone(database) or database.get_autocommit()
    )


def _are_simple(drafts: Sequence[Draft]) -> bool:
    if len(drafts) > MOST_EVENTS or len({draft.key for draft in drafts}) < len(drafts):
        return False
    for draft in drafts:
        if draft.sightings or not draft.has_time:
            return False
    # A fault between write and commit needs the two apart.
    return not failpoints.is_armed(Place.APPEND_WRITTEN)
