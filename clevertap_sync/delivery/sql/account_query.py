"""The statement that finds an integration's account."""

from typing import Final

from clevertap_sync.delivery.sql import row_writer
from clevertap_sync.models import Account

#: The account's columns, as `row_writer.read_row` takes them, by the integration's ID.
ACCOUNT: Final = f"""
    SELECT {row_writer.list_columns(Account, "account")} FROM clevertap_sync_account account
    WHERE account.id = (SELECT account_id FROM clevertap_sync_integration WHERE id = %s)
"""
