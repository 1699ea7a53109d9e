"""PostgreSQL's state of an account: one call of a function in the database.

The database keeps a function's plans for as long as a connection lasts: to plan what it reads took
five times as long as to read it. Migration 0018 makes the function.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
from django.conf import settings

from clevertap_sync.delivery.sql import open_floor
from clevertap_sync.delivery.sql.state_values import (
    LONGEST_PARTIAL_WAIT,
    AccountState,
    IntegrationState,
)
from referrals.database_call import call_function

CALL: Final = "SELECT clevertap_sync_account_state_1($1, $2, $3, $4, $5)"

#: Integration → account, as they were last seen: whose floors to call with.
_accounts: Final[dict[int, int]] = {}


class _Found(msgspec.Struct):
    now: datetime
    account: dict[str, Any]
    fingerprint: str
    integrations: list[IntegrationState]


_decoder: Final = msgspec.json.Decoder(_Found)


def read_state(
    integration_id: int, *, locks: bool, most_events: int
) -> AccountState | None:
    """Return the state of the integration's account; None where there is none.

    With `most_events`, the integration's own has the first events that wait.
    """
    asked = [*list_arguments(integration_id), locks, most_events]
    text = call_function(CALL, asked)
    if text is None:
        return None
    found = _decoder.decode(text)
    _accounts[integration_id] = found.account["id"]
    return AccountState(found.now, found.account, found.integrations, found.fingerprint)


def list_arguments(integration_id: int) -> list[Any]:
    """Return what the database is told of the integration: itself, a time, the floors."""
    # The lease of an upload that began lately lasts for longer.
    newly = settings.LEASE_SECONDS - LONGEST_PARTIAL_WAIT.total_seconds()
    return [integration_id, newly, _encode_floors(integration_id)]


def _encode_floors(integration_id: int) -> str:
    account_id = _accounts.get(integration_id)
    if account_id is None:
        return "{}"
    # A copy: others may be learned while it is read.
    return msgspec.json.encode(dict(open_floor.read_floors(account_id))).decode()
