"""What is wrong now, by the thresholds of each alert. Reads only, and no big table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from django.conf import settings
from django.db.models import Count, Q, Sum

from clevertap_sync import insight
from clevertap_sync.account_faults import hold_cause_of
from clevertap_sync.hold_reasons import RESTORED_BACKUP, hold_words
from clevertap_sync.models import Alert, Integration, Rule, Upload
from referrals.models import App, CustomName
from referrals.words import counted, span

#: The share of dead letters is that of the newest uploads, of a day at most.
UPLOADS: Final = 100
DAY: Final = timedelta(days=1)
#: Fewer dead letters than that are no share of anything.
FEWEST: Final = 5
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. `about` says of what, `text` what it is and what to do."""

    rule: Rule
    subject: str
    about: str
    text: str
    app: App
    integration: Integration | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells it apart from the other findings of an alert."""
        return str(self.rule), self.subject


class Standing:
    """How one integration stands. Each thing is read when an alert first asks."""

    def __init__(self, integration: Integration, now: datetime) -> None:
        self.integration = integration
        self._now = now

    @cached_property
    def held_seconds(self) -> float | None:
        """Return for how long it has been held; None where it is not, or a person paused it."""
        row = self.integration
        is_paused = not row.enabled and row.hold_reason != RESTORED_BACKUP
        if is_paused or not row.hold_reason or row.held_since is None:
            return None
        return (self._now - row.held_since).total_seconds()

    @cached_property
    def lag_seconds(self) -> float:
        """Return how long the oldest event has waited; 0 where a person paused it."""
        return insight.lag_of(self.integration) if self.integration.enabled else 0.0

    @cached_property
    def recent(self) -> tuple[int, int]:
        """Return the records of the newest uploads, and how many of them are dead letters."""
        # By `range_uploads`, the index: its end, and never the table.
        ranges = Upload.objects.ranges().filter(integration=self.integration)
        newest = ranges.order_by("-first").values_list("pk", "created_at")[:UPLOADS]
        ids = [pk for pk, created_at in newest if created_at > self._now - DAY]
        if not ids:
            return 0, 0
        leaves = Upload.objects.leaves().filter(Q(pk__in=ids) | Q(root__in=ids))
        sums = leaves.aggregate(records=Sum("records"), dead=Sum("dead"))
        return sums["records"] or 0, sums["dead"] or 0

    @cached_property
    def passcode_days(self) -> int | None:
        """Return in how many days the passcode expires; None where nobody said when."""
        expires_on = self.integration.passcode_expires_on
        return None if expires_on is None else (expires_on - self._now.date()).days


def standings(now: datetime) -> list[Standing]:
    """Return how each integration stands that is not archived."""
    rows = Integration.objects.filter(archived_at=None).select_related("app", "account")
    return [Standing(row, now) for row in rows]


def waiting_names() -> list[tuple[App, int]]:
    """Return the apps whose custom names wait for approval, and how many do."""
    limit = settings.CUSTOM_NAMES_LIMIT
    names = CustomName.objects.filter(number__gt=limit, approved_at=None)
    counts = dict(names.values_list("app").annotate(n=Count("pk")).order_by())
    apps = App.objects.filter(archived_at=None).in_bulk(list(counts))
    return [(apps[pk], count) for pk, count in counts.items() if pk in apps]


def found(
    alert: Alert, stood: Iterable[Standing], names: Iterable[tuple[App, int]]
) -> Iterator[Finding]:
    """Yield what is wrong by this alert's thresholds, in the apps that it is for."""
    for standing in stood:
        if alert.app_id in {None, standing.integration.app_id}:
            yield from _of_integration(alert, standing)
    if alert.new_names:
        for app, count in names:
            if alert.app_id in {None, app.pk}:
                yield _names_wait(app, count)


def _of_integration(alert: Alert, stood: Standing) -> Iterator[Finding]:
    integration = stood.integration
    for rule, text in (
        (Rule.HELD, _held(alert.held_minutes, stood)),
        (Rule.LAG, _late(alert.lag_minutes, stood)),
        (Rule.DEAD_LETTERS, _dead(alert.dead_percent, stood)),
        (Rule.PASSCODE, _expires(alert.passcode_days, stood)),
    ):
        if text:
            yield Finding(
                rule,
                f"integration:{integration.pk}",
                str(integration),
                text,
                integration.app,
                integration,
            )


def _held(minutes: int | None, stood: Standing) -> str:
    seconds = stood.held_seconds
    if minutes is None or seconds is None or seconds < minutes * _MINUTE:
        return ""
    row = stood.integration
    meaning, remedy = hold_words(row.hold_reason, hold_cause_of(row))
    return f"Held for {span(seconds)}. {meaning} No event is lost: they wait. {remedy}"


def _late(minutes: int | None, stood: Standing) -> str:
    if minutes is None or stood.lag_seconds < max(1, minutes * _MINUTE):
        return ""
    return (
        f"The oldest event has waited for {span(stood.lag_seconds)}. None is lost. Events "
        "older than two hours start no live campaign. See on the overview what is slow."
    )


def _dead(percent: int | None, stood: Standing) -> str:
    if percent is None:
        return ""
    records, dead = stood.recent
    if dead < FEWEST or 100 * dead < percent * records:
        return ""
    share = f"{100 * dead / records:.0f} %"
    return (
        f"{counted(dead, 'record')} of the last {records:,} ({share}) did not get to "
        "CleverTap. Problems says why, what to do, and sends them again."
    )


def _expires(days: int | None, stood: Standing) -> str:
    left = stood.passcode_days
    if days is None or left is None or left > days:
        return ""
    when = f"in {counted(left, 'day')}" if left > 0 else "today" if not left else ""
    begin = f"The passcode expires {when}." if when else "The passcode has expired."
    return (
        f"{begin} Make a new one in CleverTap and put it into the integration's settings, "
        "with its date. Without one, events wait."
    )


def _names_wait(app: App, count: int) -> Finding:
    verb = "waits" if count == 1 else "wait"
    text = (
        f"{counted(count, 'new custom name')} {verb} for approval, because each takes two "
        "of the account's 512 event types. Until then its records are kept back."
    )
    return Finding(Rule.NEW_NAME, f"app:{app.pk}", str(app), text, app)
