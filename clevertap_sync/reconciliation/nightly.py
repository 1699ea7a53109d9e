"""The nightly comparison: one row for each account and night, made by whichever worker sweeps.

There is no scheduler. A night that all workers missed is made up when one is back, and only
the last one: a comparison looks at seven days anyway.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from clevertap_sync.insight.seen_failures import NEXT_NIGHT
from clevertap_sync.models import Comparison
from clevertap_sync.reconciliation.comparison_plan import find_week
from clevertap_sync.reconciliation.reconciling_account import ReconcilingAccount

#: By the account's clock: the day before is over, and CleverTap has had time to count it.
BEGINS: Final = time(2, 30)
#: Accounts begin at different times within so long.
SPREAD: Final = timedelta(minutes=45)
#: Spreads primary keys that follow one another.
_STRIDE: Final = 997


def plan_due_nights(accounts: Sequence[ReconcilingAccount], now: datetime) -> None:
    """Make a comparison for each account whose night has come and that has none.

    Safe to run anywhere, any number of times: a night has one row.
    """
    due = {each.account.pk: find_due_night(each, now) for each in accounts}
    nights = Comparison.objects.filter(account__in=due, night__in=set(due.values()))
    known = set(nights.values_list("account_id", "night"))
    for each in accounts:
        night = due[each.account.pk]
        if (each.account.pk, night) not in known and find_week(each, now):
            _plan_night(each, night, now)


def find_due_night(found: ReconcilingAccount, now: datetime) -> date:
    """Return the newest night, by its day, whose comparison is due by now."""
    here = now.astimezone(found.zone)
    seconds = found.account.pk * _STRIDE % int(SPREAD.total_seconds())
    begins = datetime.combine(here.date(), BEGINS, found.zone)
    is_due = here >= begins + timedelta(seconds=seconds)
    return here.date() if is_due else here.date() - timedelta(days=1)


def _plan_night(found: ReconcilingAccount, night: date, now: datetime) -> None:
    comparison = Comparison(
        account=found.account,
        kind=Comparison.Kind.NIGHTLY,
        night=night,
        created_at=now,
    )
    Comparison.objects.bulk_create([comparison], ignore_conflicts=True)
    older = Comparison.objects.filter(account=found.account, night__lt=night)
    older.open().update(state=Comparison.State.FAILED, error=NEXT_NIGHT, ended_at=now)
