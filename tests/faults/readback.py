"""Reading back: what CleverTap counts beside what was delivered, by the product's own comparison.

The oracle does not trust it: it compares the same numbers with the ledger. Here the calls
that read, and all that is between them and a statement, have to agree as well.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from django.test import override_settings

from clevertap_sync.models import (
    Account,
    AccountReading,
    Comparison,
    Integration,
    Statement,
)
from clevertap_sync.process import clock
from clevertap_sync.reconciliation.comparison import Turn, take_turn
from clevertap_sync.reconciliation.orders import order_comparison
from clevertap_sync.reconciliation.statement_words import describe_statement

#: Before anything was delivered.
LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)


def keep_workers_from_reading(account: Account) -> None:
    """Let no worker ask about an account, as if CleverTap had been busy."""
    later = clock.read_now() + DAY / 2
    AccountReading.objects.update_or_create(
        pk=account.pk, defaults={"waits_until": later}
    )


def let_workers_compare(account: Account) -> None:
    """Let workers ask about an account, and compare its days."""
    AccountReading.objects.update_or_create(
        pk=account.pk, defaults={"waits_until": None}
    )
    _count_all_days(account)


def find_differences(account: Account, base_url: str) -> list[str]:
    """Compare an account in this process; return a sentence for each thing that is wrong.

    What requests without an answer may have stored, or not, is no fault of a comparison.
    As of tomorrow: today is not compared, because its numbers still move, but here nothing
    moves any more. Workers wait till then.
    """
    _count_all_days(account)
    keep_workers_from_reading(account)
    with pytest.MonkeyPatch.context() as patch:
        today = clock.read_now
        patch.setattr(clock, "read_now", lambda: today() + DAY)
        with override_settings(CLEVERTAP_BASE_URL=base_url, REDIS_URL=""):
            comparison = _compare(account)
    return [
        *([] if comparison.error == "" else [f"It ended with {comparison.error}."]),
        *(
            f"{each.name} on {each.day}: {describe_statement(each)}"
            for each in Statement.objects.filter(account=account)
            if not each.is_within_doubt
        ),
    ]


def _count_all_days(account: Account) -> None:
    counting = Integration.objects.filter(account=account, reconciles=True)
    counting.update(counts_since=LONG_AGO)


def _compare(account: Account) -> Comparison:
    # What was ordered before is of another day.
    Comparison.objects.filter(account=account).delete()
    comparison = order_comparison(account, "a scenario", clock.read_now())
    while take_turn(comparison) is not Turn.ENDED:
        pass
    return comparison
