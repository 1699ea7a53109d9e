"""The account's lock, under which everything about its integrations is decided.

Every claim, hold and change of settings takes it first, and so does every settling that
changes the account. So two workers never decide about one account at the same time.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from clevertap_sync.delivery.sql import row_writer
from clevertap_sync.delivery.sql.account_query import ACCOUNT
from clevertap_sync.models import Account
from clevertap_sync.process import clock

# `no_key` lets other transactions go on inserting rows that point at it.
_LOCK = " FOR NO KEY UPDATE"
_LOCK_ALL = """
    SELECT clock_timestamp() FROM (
        SELECT id FROM clevertap_sync_account WHERE id = ANY(%s) ORDER BY id
        FOR NO KEY UPDATE
    ) locked
"""


def lock_account(integration_id: int) -> Account | None:
    """Lock the integration's account until the transaction ends, and return it."""
    can_lock = connection.features.has_select_for_no_key_update
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNT + _LOCK if can_lock else ACCOUNT, [integration_id])
        found = cursor.fetchone()
    return found and row_writer.read_row(Account, found)


def lock_accounts(ids: Iterable[int] | QuerySet[Any]) -> None:
    """Lock several accounts until the transaction ends, in the order that all keep."""
    accounts = Account.objects.select_for_update(no_key=True).filter(pk__in=ids)
    list(accounts.order_by("pk"))


def lock_accounts_and_read_clock(ids: Iterable[int]) -> datetime:
    """Lock several accounts in that order, and return the instant of that.

    As part of each step that matches, in SQL.
    """
    wanted = sorted(set(ids))
    if not wanted or not connection.features.has_select_for_no_key_update:
        return clock.read_now()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_ALL, [wanted])
        locked = cursor.fetchall()
    return locked[-1][0] if locked else clock.read_now()
