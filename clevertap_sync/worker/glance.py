"""A glance: which steps of a sweep have something to do, by one statement for all of them.

Nearly always none has. Each part says in SQL when its step may find something; the step
itself looks again, so it is no harm if a part says so in vain.
"""

from typing import Final, NamedTuple

from django.db import connection

from clevertap_sync.alerting import alert_round
from clevertap_sync.delivery import lifecycle
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import reconciling_account
from referrals import people

_QUERY: Final = f"""
    SELECT {lifecycle.HAS_UNREADABLE_PASSCODE}, {people.HAS_LEARNING_APP},
        {alert_round.HAS_WORK}, {reconciling_account.HAS_RECONCILING_ACCOUNT}
"""


class Glance(NamedTuple):
    """Which steps may find something to do: each one, where nobody has looked."""

    has_unreadable_passcode: bool = True
    has_learning_app: bool = True
    has_alerts: bool = True
    has_reconciling_account: bool = True


def take_glance() -> Glance:
    """Return which steps may find something to do now."""
    now, parameters = clock.write_instant("now")
    last_turn, seconds = clock.write_instant("last_turn", alert_round.EVERY)
    with connection.cursor() as cursor:
        cursor.execute(
            _QUERY.format(now=now, last_turn=last_turn), parameters | seconds
        )
        return Glance(*map(bool, cursor.fetchone()))
