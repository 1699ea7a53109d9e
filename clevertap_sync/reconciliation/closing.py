"""The end of a comparison: what was delivered meanwhile, what explains the differences.

What was delivered of a day while CleverTap was asked for it may be in the count or not. So
our numbers are read once more, when every upload that was under way has settled, and as much
of what came since the asking is taken for delivered as the count has: no difference arises
from it.
"""

import time
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, TypeAlias

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from clevertap_sync.clevertap.causes.explain import explain_week
from clevertap_sync.clevertap.causes.week import (
    AccountWeek,
    Delivered,
    Explained,
    NameWeek,
)
from clevertap_sync.clevertap.stored_schema import unpack_schema
from clevertap_sync.insight import seen_failures
from clevertap_sync.insight.delivered_counts import (
    find_day,
    find_newest_settled,
    find_quarters,
)
from clevertap_sync.models import (
    AccountReading,
    Comparison,
    Integration,
    Statement,
    Upload,
)
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import statements
from clevertap_sync.reconciliation.comparison_plan import (
    DAYS,
    Plan,
    is_compared_by,
    make_plan,
    was_asked_by,
)
from clevertap_sync.reconciliation.evidence import AccountEvidence
from clevertap_sync.reconciliation.our_numbers import OurName
from clevertap_sync.reconciliation.reader import Reading
from clevertap_sync.reconciliation.reconciling_account import ReconcilingAccount
from referrals import failpoints
from referrals.failpoints import Place

_POLL_SECONDS: Final = 1.0
#: No other process takes the account while the log is read, for as long as that may take.
_CAUSES_SECONDS: Final = 600.0

_Pair: TypeAlias = tuple[str, date]


def close_comparison(
    comparison: Comparison,
    found: ReconcilingAccount,
    reading: Reading,
    *,
    error: str,
) -> None:
    """Explain what was compared, and end the comparison. Refreshes it.

    What was not asked is not compared. `error` says what ended it early; where nothing did,
    what was not asked was delivered since the asking, and none of this comparison's.
    """
    await_uploads_under_way(found, reading)
    reading.keep_account(_CAUSES_SECONDS)
    plan = make_plan(found, comparison, clock.read_now())
    compared = {
        pair: row
        for pair, row in plan.statements.items()
        if is_compared_by(row, comparison) and pair[0] in plan.ours
    }
    ours = {
        pair: _find_counted_of(plan.ours[pair[0]], row)
        for pair, row in compared.items()
    }
    explained = _explain(found, reading, plan, compared, ours)
    with transaction.atomic():
        locked = Comparison.objects.select_for_update().get(pk=comparison.pk)
        if locked.state == Comparison.State.RUNNING and reading.is_still_ours():
            kind = Comparison.Kind(locked.kind)
            said = _close_statements(plan, compared, ours, explained, kind)
            left = [pair for pair in plan.list_pairs() if pair not in compared]
            for folded, day in left:
                statements.write_not_compared(found.account, plan.ours[folded], day)
            missed = [
                pair for pair in left if error or _was_asked(plan, pair, comparison)
            ]
            _end(locked, error=error, compared=said, left=len(missed))
            failpoints.reach_failpoint(Place.COMPARISON_CLOSED)
    comparison.refresh_from_db()


def _was_asked(plan: Plan, pair: _Pair, comparison: Comparison) -> bool:
    return was_asked_by(plan.statements.get(pair), comparison)


def _close_statements(
    plan: Plan,
    compared: Mapping[_Pair, Statement],
    ours: Mapping[_Pair, Delivered],
    explained: Mapping[_Pair, Explained],
    kind: Comparison.Kind,
) -> int:
    """Write down what explains each difference; return how many statements stay.

    Of what is nothing on both sides, none does.
    """
    stay = 0
    for pair, row in compared.items():
        if not row.counted and not any(ours[pair]):
            row.delete()
            continue
        why = explained.get(pair)
        statements.close_statement(
            row,
            plan.ours[pair[0]],
            ours[pair],
            causes=_spell_causes(why),
            unexplained=why.unexplained if why else 0,
            kind=kind,
        )
        stay += 1
    return stay


def await_uploads_under_way(found: ReconcilingAccount, reading: Reading) -> None:
    """Wait until the uploads that are in flight now have settled, or cannot any more."""
    uploads = Upload.objects.filter(
        integration__in=found.ids, leased_until__gt=clock.read_now()
    )
    under_way = list(uploads.values_list("pk", "lease_token"))
    gives_up_at = time.monotonic() + settings.REQUEST_SECONDS
    while under_way and time.monotonic() < gives_up_at:
        now = clock.read_now()
        still = uploads.filter(pk__in=[pk for pk, _ in under_way])
        still = still.filter(leased_until__gt=now, settled_at=None)
        tokens = dict(still.values_list("pk", "lease_token"))
        under_way = [(pk, token) for pk, token in under_way if tokens.get(pk) == token]
        if under_way:
            reading.pause(_POLL_SECONDS)


def _find_counted_of(mine: OurName, row: Statement) -> Delivered:
    """Return our numbers of a statement's day as they were when CleverTap counted.

    Of what came after we asked, the count has all, a part or nothing.
    """
    ours = mine.find(row.day)
    before = min(row.delivered, ours.delivered)
    counted = row.counted or 0
    return ours._replace(delivered=min(max(counted, before), ours.delivered))


def _explain(
    found: ReconcilingAccount,
    reading: Reading,
    plan: Plan,
    compared: Mapping[_Pair, Statement],
    ours: Mapping[_Pair, Delivered],
) -> dict[_Pair, Explained]:
    """Return what explains each difference. Without one, nobody is asked."""
    if not any(row.counted != ours[pair].delivered for pair, row in compared.items()):
        return {}
    week = _make_week(found, plan, compared, ours)
    by_name = {mine.name: folded for folded, mine in plan.ours.items()}
    evidence = AccountEvidence(found, reading)
    return {
        (by_name[each.name], each.day): each for each in explain_week(week, evidence)
    }


def _make_week(
    found: ReconcilingAccount,
    plan: Plan,
    compared: Mapping[_Pair, Statement],
    ours: Mapping[_Pair, Delivered],
) -> AccountWeek:
    days = plan.days
    quarters = find_quarters(days[0], days[-1], found.zone)
    row = AccountReading.objects.get(pk=found.account.pk)
    names = {folded for folded, _ in compared}
    before = {
        (plan.ours[folded].name, day): row.counted_before
        for (folded, day), row in compared.items()
        if row.counted_before is not None
    }
    return AccountWeek(
        names=[
            _make_name(found, plan.ours[folded], compared, ours)
            for folded in plan.ours
            if folded in names
        ],
        days=days,
        today=plan.today,
        zone=found.zone,
        now=clock.read_now().timestamp(),
        schema=unpack_schema(row.schema),
        settled_at=find_newest_settled(found.ids, *quarters, found.zone),
        other_zones=found.other_zones,
        were_deleted=_were_deleted(found, days[0]),
        has_other_integrations=_has_other_integrations(found),
        counted_before=before,
    )


def _make_name(
    found: ReconcilingAccount,
    mine: OurName,
    compared: Mapping[_Pair, Statement],
    ours: Mapping[_Pair, Delivered],
) -> NameWeek:
    counted = {
        day: row.counted
        for (folded, day), row in compared.items()
        if folded == mine.folded and row.counted is not None
    }
    quarters = dict(mine.quarters)
    for day in counted:
        later = mine.find(day).delivered - ours[mine.folded, day].delivered
        if later:
            _take_off(quarters, day, found, later)
    return NameWeek(mine.name, quarters, counted)


def _take_off(
    quarters: dict[int, Delivered], day: date, found: ReconcilingAccount, later: int
) -> None:
    """Take what came later off the day's last quarter-hours: only the day matters."""
    of_day = [each for each in quarters if find_day(each, found.zone) == day]
    for quarter in sorted(of_day, reverse=True):
        known = quarters[quarter]
        taken = min(later, known.delivered)
        quarters[quarter] = known._replace(delivered=known.delivered - taken)
        later -= taken


def _were_deleted(found: ReconcilingAccount, first: date) -> bool:
    """Return whether people were deleted from CleverTap at our order since a day began."""
    at = found.account.deleted_at
    return at is not None and found.find_day(at) >= first


def _has_other_integrations(found: ReconcilingAccount) -> bool:
    """Return whether others deliver to the account, or did until they were archived lately."""
    lately = clock.read_now() - timedelta(days=DAYS + 1)
    at_work = Q(archived_at=None) | Q(archived_at__gte=lately)
    others = Integration.objects.filter(at_work, account=found.account)
    return others.exclude(pk__in=found.ids).exclude(first_enabled_at=None).exists()


def _spell_causes(explained: Explained | None) -> list[dict[str, object]]:
    causes = explained.causes if explained else ()
    return [dict(each._asdict()) for each in causes]


def _end(comparison: Comparison, *, error: str, compared: int, left: int) -> None:
    is_failed = error not in {"", seen_failures.OVER_BUDGET} and not compared
    comparison.state = Comparison.State.FAILED if is_failed else Comparison.State.DONE
    comparison.error = error
    comparison.ended_at = clock.read_now()
    comparison.compared, comparison.not_compared = compared, left
    comparison.save(
        update_fields=["state", "error", "ended_at", "compared", "not_compared"]
    )
