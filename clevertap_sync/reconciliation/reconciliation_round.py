"""One round of reconciliation: names that are new, then comparisons, a turn for each account.

Cheap where nothing is compared: one query. A process runs one round at a time; several may,
since an account is read by one process only. No account has more than a turn's time of the
others, so a stuck one keeps nobody waiting for longer.
"""

from collections.abc import Sequence
from functools import partial

from clevertap_sync.insight.seen_failures import INTERNAL_ERROR
from clevertap_sync.models import Comparison
from clevertap_sync.process import clock, stopping
from clevertap_sync.reconciliation import (
    first_sights,
    new_names,
    nightly,
    parked_letters,
)
from clevertap_sync.reconciliation.comparison import end_comparison, take_turn
from clevertap_sync.reconciliation.contained_step import carry_out
from clevertap_sync.reconciliation.reconciling_account import (
    ReconcilingAccount,
    find_reconciling_accounts,
)


def run_reconciliation_round() -> None:
    """Run a round, without what another process is doing. Leaves its connection open."""
    accounts = find_reconciling_accounts()
    if not accounts or stopping.is_stopping():
        return
    carry_out("new names", new_names.find_new_names)
    carry_out("first sights", _ask_first_sights)
    carry_out("nights", partial(_plan_nights, accounts))
    for comparison in _list_next(accounts):
        if stopping.is_stopping():
            return
        carry_out(
            f"comparison {comparison.pk}",
            partial(take_turn, comparison),
            partial(end_comparison, comparison, INTERNAL_ERROR),
        )
    carry_out("parked letters", _look_up_parked_letters)


def _ask_first_sights() -> None:
    first_sights.ask_due_first_sights(clock.read_now())


def _plan_nights(accounts: Sequence[ReconcilingAccount]) -> None:
    nightly.plan_due_nights(accounts, clock.read_now())


def _look_up_parked_letters() -> None:
    parked_letters.look_up_parked_letters(clock.read_now())


def _list_next(accounts: Sequence[ReconcilingAccount]) -> list[Comparison]:
    """Return each account's next comparison: what people ordered first, then the nights."""
    of_accounts = Comparison.objects.filter(
        account__in=[each.account.pk for each in accounts]
    )
    ordered = sorted(of_accounts.open(), key=_rank)
    first_of_each: dict[int, Comparison] = {}
    for comparison in ordered:
        first_of_each.setdefault(comparison.account_id, comparison)
    return list(first_of_each.values())


def _rank(comparison: Comparison) -> tuple[bool, int]:
    return comparison.kind != Comparison.Kind.ORDER, comparison.pk
