"""What there is to do on an account: read at a glance, or under the account's lock.

Every ring leads to a claim, and most claims of a quiet account find nothing. On PostgreSQL
one call of a function tells all (`state_function`), on SQLite a few statements do
(`state_statements`).
"""

from django.db import connection

from clevertap_sync.delivery.sql import open_floor, state_function, state_statements
from clevertap_sync.delivery.sql.state_values import AccountState, IntegrationState

__all__ = ["AccountState", "IntegrationState", "read_account_state"]


def read_account_state(
    integration_id: int, *, locks: bool, most_events: int = 0
) -> AccountState | None:
    """Return the state of the integration's account; None where there is none.

    With `locks`, the account is locked until the transaction ends, before all else is read.
    Without, it is a glance: it says truly that there is nothing to do, and no more. With
    `most_events`, PostgreSQL tells as many of the integration's events that wait, too.
    """
    if connection.vendor == "postgresql":
        state = state_function.read_state(
            integration_id, locks=locks, most_events=most_events
        )
    else:
        state = state_statements.read_state(integration_id)
    if state is not None and locks:
        first_open = {
            each.integration_id: each.first_open for each in state.integrations
        }
        open_floor.learn_first_open(state.account.pk, first_open)
    return state
