"""What CleverTap counts beside what we delivered, as the page of an integration shows it.

`reconciliation` writes the rows. They are of an account, so every integration of an account
repeats the same numbers.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from clevertap_sync.insight.delivered_counts import read_own_names
from clevertap_sync.insight.passcode_expiry import find_time_zone
from clevertap_sync.insight.seen_facts import Delays
from clevertap_sync.insight.seen_grid import (
    DayState,
    GridBounds,
    SeenName,
    build_grid,
    list_days,
)
from clevertap_sync.insight.seen_sights import measure_delays
from clevertap_sync.models import (
    AccountReading,
    Comparison,
    FirstSight,
    Integration,
    Statement,
)

_MOST_SIGHTS: Final = 500
_Row = TypeVar("_Row", Statement, FirstSight)


@dataclass(frozen=True, slots=True)
class SeenAccount:
    """What is known of an integration's account. `today` and `days` are the account's own.

    `others` are the account's other integrations that are not archived. `counts_since` is
    None where nothing is counted yet. `last` is the last comparison that came to its end,
    `newest` the newest one of any state.
    """

    today: date
    zone: ZoneInfo
    days: tuple[date, ...]
    names: tuple[SeenName, ...]
    #: Statements that differ: the newest day first, then the largest difference.
    differences: tuple[Statement, ...]
    sights: tuple[FirstSight, ...]
    delays: Delays | None
    counts_since: datetime | None
    last: Comparison | None
    newest: Comparison | None
    reading: AccountReading | None
    others: tuple[Integration, ...]

    @property
    def is_waiting(self) -> bool:
        """Return whether a comparison waits for a worker."""
        newest = self.newest
        return newest is not None and newest.state == Comparison.State.WAITING

    @property
    def is_running(self) -> bool:
        """Return whether a comparison is being made."""
        newest = self.newest
        return newest is not None and newest.state == Comparison.State.RUNNING

    @property
    def failed(self) -> Comparison | None:
        """Return the newest comparison where it ended early, else None."""
        newest = self.newest
        is_failed = newest is not None and newest.state == Comparison.State.FAILED
        return newest if is_failed else None

    @property
    def other_zones(self) -> list[str]:
        """Return the zones that others of the account have, which are compared as well."""
        said = {each.time_zone for each in self.others if each.reconciles}
        return sorted(said - {self.zone.key})

    @property
    def states(self) -> Counter[DayState]:
        """Return how many names and days are in each state."""
        return Counter(each.state for name in self.names for each in name.days)


def read_seen(
    integration: Integration,
    sharing: Sequence[Integration],
    now: datetime,
    *,
    only_own_names: bool = False,
) -> SeenAccount:
    """Return what is known of the integration's account, in a fixed number of queries.

    `sharing` are the account's integrations, as `list_sharing` returns them. With
    `only_own_names`, names that the integration's app never delivered are left out: they
    belong to others, even where those left the account since.
    """
    zone = _find_zone(integration, sharing)
    days = list_days(now.astimezone(zone).date())
    account = integration.account_id
    counts_since = _find_counts_since(sharing)
    newest, last = _read_comparisons(account)
    own = _read_names_of_app(integration.app_id) if only_own_names else None
    statements = _keep(own, Statement.objects.filter(account=account, day__in=days))
    sights = _keep(own, _read_sights(account))
    bounds = GridBounds(zone, counts_since, last.began_at if last else None)
    return SeenAccount(
        today=days[0],
        zone=zone,
        days=days,
        names=build_grid(statements, days, bounds),
        differences=sort_differences(statements),
        sights=tuple(sights),
        delays=measure_delays(sights),
        counts_since=counts_since,
        last=last,
        newest=newest,
        reading=AccountReading.objects.filter(account=account).first(),
        others=tuple(each for each in sharing if each.pk != integration.pk),
    )


def list_sharing(integration: Integration) -> list[Integration]:
    """Return the integrations of the same account, itself included, by app and name."""
    of_account = Integration.objects.filter(
        account=integration.account_id, archived_at=None
    )
    return list(of_account.select_related("app").order_by("app__slug", "name"))


def has_open_comparison(account_id: int) -> bool:
    """Return whether a comparison of the account waits or runs."""
    return Comparison.objects.filter(account=account_id).open().exists()


def sort_differences(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return those that differ: the newest day first, then the largest difference."""
    different = [each for each in statements if each.difference]
    return tuple(
        sorted(
            different,
            key=lambda each: (
                -each.day.toordinal(),
                -abs(each.difference or 0),
                each.name,
            ),
        )
    )


def _find_zone(integration: Integration, sharing: Iterable[Integration]) -> ZoneInfo:
    """Return the zone whose days are compared: the oldest integration's that is compared."""
    compared = [each for each in sharing if each.reconciles]
    oldest = min(compared, key=lambda each: each.pk, default=integration)
    return find_time_zone(oldest)


def _find_counts_since(sharing: Sequence[Integration]) -> datetime | None:
    """Return since when everything is counted that the account's integrations deliver."""
    begun = [each.counts_since for each in sharing if each.reconciles]
    known = [each for each in begun if each is not None]
    return max(known) if known and len(known) == len(begun) else None


def _read_comparisons(
    account_id: int,
) -> tuple[Comparison | None, Comparison | None]:
    """Return the newest comparison, and the last one that came to its end."""
    found = Comparison.objects.filter(account=account_id).order_by("-id")
    return found.first(), found.filter(state=Comparison.State.DONE).first()


def _keep(own: frozenset[str] | None, rows: Iterable[_Row]) -> list[_Row]:
    """Return the rows of one's own names; all where `own` is None."""
    return [each for each in rows if own is None or each.folded_name in own]


def _read_sights(account_id: int) -> list[FirstSight]:
    newest = FirstSight.objects.filter(account=account_id).order_by("-first_at", "name")
    return list(newest[:_MOST_SIGHTS])


def _read_names_of_app(app_id: int) -> frozenset[str]:
    """Return the names that the app's integrations delivered, archived ones too."""
    ids = Integration.objects.filter(app=app_id).values_list("pk", flat=True)
    return frozenset().union(*read_own_names(list(ids)).values())
