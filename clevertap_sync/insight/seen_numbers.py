"""What CleverTap counts beside what we delivered, summed up for commands and metrics."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
from django.db.models import Max

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.insight.seen_facts import Delays
from clevertap_sync.insight.seen_grid import (
    DAYS,
    DayState,
    is_expected,
    judge_statement,
)
from clevertap_sync.insight.seen_sights import measure_delays
from clevertap_sync.models import Comparison, FirstSight, Integration, Statement


class SeenStatus(msgspec.Struct, frozen=True):
    """The newest day that an account has statements of, summed up over its names.

    `delivered`, `counted` and `difference` are of names that were compared; `different`,
    `in_doubt` and `not_compared` are numbers of names, `expected` of those that differ as
    they should. Opposite differences cancel out in `difference`, and
    not in `causes`: signed sizes by code, the rest as `unexplained`. `day` is None where
    nothing was compared yet.
    """

    day: date | None = None
    delivered: int = 0
    counted: int = 0
    difference: int = 0
    causes: dict[str, int] = {}
    different: int = 0
    in_doubt: int = 0
    expected: int = 0
    not_compared: int = 0


@dataclass(frozen=True, slots=True)
class SeenNumbers:
    """What metrics tell of an account's last days. `fewer` and `more` are records.

    What lies within doubt is in neither: its days are counted among `states`.
    """

    states: Mapping[DayState, int]
    fewer: int
    more: int
    last: Comparison | None
    delays: Delays | None


def read_seen_status(integration: Integration) -> SeenStatus | None:
    """Return the newest day's sums; None where the integration is not compared."""
    if not integration.reconciles:
        return None
    of_account = Statement.objects.filter(account=integration.account_id)
    newest = of_account.order_by("-day").values("day")[:1]
    return sum_up_day(list(of_account.filter(day=newest)))


def sum_up_day(statements: Sequence[Statement]) -> SeenStatus:
    """Return the sums over the statements of one day."""
    if not statements:
        return SeenStatus()
    compared = [each for each in statements if each.counted is not None]
    differences = [each.difference or 0 for each in compared]
    states = Counter(map(judge_statement, statements))
    return SeenStatus(
        day=statements[0].day,
        delivered=sum(each.delivered for each in compared),
        counted=sum(each.counted or 0 for each in compared),
        difference=sum(differences),
        causes=sum_causes(compared),
        different=sum(not each.is_within_doubt for each in compared),
        in_doubt=states[DayState.IN_DOUBT],
        expected=sum(bool(each.difference) and is_expected(each) for each in compared),
        not_compared=len(statements) - len(compared),
    )


def sum_causes(statements: Iterable[Statement]) -> dict[str, int]:
    """Return the signed sizes by the code of their cause, the unexplained rest last."""
    sizes: Counter[str] = Counter()
    rest = 0
    for each in statements:
        for cause in each.causes:
            sizes[cause["code"]] += cause["size"]
        rest += each.unexplained
    found = {code: size for code, size in sorted(sizes.items()) if size}
    return {**found, codes.UNEXPLAINED: rest} if rest else found


def read_seen_numbers(
    integrations: Iterable[Integration], now: datetime
) -> dict[int, SeenNumbers]:
    """Return the numbers of each account that is compared, by its primary key."""
    accounts = {each.account_id for each in integrations if each.reconciles}
    if not accounts:
        return {}
    statements: dict[int, list[Statement]] = defaultdict(list)
    # A day earlier than UTC's: where an account's own today is UTC's yesterday.
    since = now.date() - timedelta(days=DAYS + 1)
    for each in Statement.objects.filter(account__in=accounts, day__gte=since):
        statements[each.account_id].append(each)
    sights: dict[int, list[FirstSight]] = defaultdict(list)
    for sight in FirstSight.objects.filter(
        account__in=accounts, shown_at__isnull=False
    ):
        sights[sight.account_id].append(sight)
    last = _read_last_comparisons(accounts)
    return {
        account: _count_numbers(
            statements[account], last.get(account), measure_delays(sights[account])
        )
        for account in accounts
    }


def _read_last_comparisons(accounts: Iterable[int]) -> dict[int, Comparison]:
    done = Comparison.objects.filter(
        account__in=list(accounts), state=Comparison.State.DONE
    )
    newest = done.order_by().values("account").annotate(newest=Max("pk"))
    found = Comparison.objects.filter(pk__in=newest.values("newest"))
    return {each.account_id: each for each in found}


def _count_numbers(
    statements: Sequence[Statement],
    last: Comparison | None,
    delays: Delays | None,
) -> SeenNumbers:
    told = (each for each in statements if not each.is_within_doubt)
    differences = [each.difference or 0 for each in told]
    return SeenNumbers(
        states=Counter(map(judge_statement, statements)),
        fewer=-sum(min(0, each) for each in differences),
        more=sum(max(0, each) for each in differences),
        last=last,
        delays=delays,
    )
