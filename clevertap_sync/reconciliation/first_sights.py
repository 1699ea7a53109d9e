"""First sights: a name that is delivered for the first time is asked for until it shows.

`new_names` finds the names. Each is asked for after 1, 2, 5, 10, 20 and 30 minutes, ever
more seldom for a day, and no more: the nightly comparison goes on. What the schema proves
is named at the first look, what is only likely once the name is overdue.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, Subquery

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.first_sight import (
    explain_first_sight,
    prove_first_sight,
)
from clevertap_sync.clevertap.causes.week import (
    EITHER,
    QUARTER_SECONDS,
    Schema,
)
from clevertap_sync.insight.delivered_counts import find_quarters
from clevertap_sync.insight.seen_facts import OVERDUE_MINUTES
from clevertap_sync.models import (
    FirstSight,
    Integration,
    Statement,
)
from clevertap_sync.reconciliation import reader
from clevertap_sync.reconciliation.contained_step import carry_out
from clevertap_sync.reconciliation.evidence import AccountEvidence
from clevertap_sync.reconciliation.our_numbers import read_ours
from clevertap_sync.reconciliation.reconciling_account import (
    ReconcilingAccount,
    read_reconciling_account,
)

logger = logging.getLogger(__name__)

#: When a name is asked for, in minutes after its first delivery.
MINUTES: Final = (1, 2, 5, 10, 20, OVERDUE_MINUTES, 60, 120, 240, 480, 1440)
#: So long may one account be asked at a time.
SECONDS: Final = 60.0
#: Where CleverTap has no schema to show, it is asked for so seldom.
SCHEMA_AGAIN: Final = timedelta(days=1)
#: Records of older days are not looked for.
DAYS: Final = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What was delivered of one name over some days of the account, `first` to `last`."""

    first: date
    last: date
    delivered: int
    least: int


def ask_due_first_sights(now: datetime) -> None:
    """Ask CleverTap for the names that are due, account by account. Safe to run anywhere.

    An account's schema is read before its first names are due: what it lacks then is new.
    """
    compared = Integration.objects.filter(reconciles=True, archived_at=None)
    due = Q(account__first_sights__next_at__lte=now)
    is_long_ago = Q(account__reading__schema_at__lte=now - SCHEMA_AGAIN)
    unread = Q(account__reading__schema__isnull=True) & (
        Q(account__reading__schema_at=None) | is_long_ago
    )
    wanted = compared.filter(due | unread).order_by("account")
    for account_id in wanted.values_list("account_id", flat=True).distinct():
        if found := read_reconciling_account(account_id):
            carry_out("an account's first sights", partial(_ask_account, found, now))
    _end_by_comparisons()


def _ask_account(found: ReconcilingAccount, now: datetime) -> None:
    """Ask for the due names of one account, those that wait longest first."""
    with reader.open_reader(found.account, seconds=SECONDS) as reading:
        if reading is None:
            return
        due = FirstSight.objects.filter(account=found.account, next_at__lte=now)
        asking = _Asking(found, reading, now)
        try:
            asking.read_schema()
            for sight in due.order_by("next_at"):
                asking.ask(sight)
        except reader.ReadingStopped as stopped:
            # The reader keeps why, and until when. What is left stays due.
            logger.info("First sights are asked for later: %s", stopped.code)
        asking.name_causes()


class _Asking:
    """Asks for one name after the other, within one reading."""

    def __init__(
        self, found: ReconcilingAccount, reading: reader.Reading, now: datetime
    ) -> None:
        self._found = found
        self._reading = reading
        self._now = now
        self._today = found.find_day(now)
        self._schema: Schema | None = None
        self._evidence = AccountEvidence(found, reading)
        self._hidden: list[tuple[FirstSight, Deliveries]] = []
        self._ours = read_ours(found, self._today - DAYS, self._today)

    def read_schema(self) -> None:
        """Read the account's schema. Where CleverTap has none to show, names are old ones."""
        with suppress(reader.QuestionRefused):
            self._schema = self._reading.read_schema()

    def ask(self, sight: FirstSight) -> None:
        """Ask for a name, and write down whether CleverTap shows it."""
        if sight.is_new is None and self._schema:
            sight.is_new = sight.folded_name not in self._schema.events
        deliveries = self._choose_days(sight)
        if deliveries is None:
            self._leave_to_the_night(sight)
            return
        try:
            counted = self._reading.count(sight.name, deliveries.first, deliveries.last)
        except reader.QuestionRefused:
            self._postpone(sight)
            return
        except reader.ReadingStopped as stopped:
            # It may be this name alone that CleverTap fails to count: others go before it.
            if stopped.code in reader.FAULT_CODES:
                self._postpone(sight)
            raise
        self._write_down(sight, deliveries, counted)

    def _choose_days(self, sight: FirstSight) -> Deliveries | None:
        """Return the days on which a count tells; None where there is none.

        What the account had of a name before we counted would be taken for ours, unless it
        is a day that was counted whole, or nothing can show anyway.
        """
        since = self._today - DAYS
        if not sight.is_new and not prove_first_sight(sight.name, 1, self._schema):
            whole = self._found.find_first_day()
            if whole is None:
                return None
            since = max(since, whole)
        ours = self._ours.get(sight.folded_name)
        days = {
            day: sums
            for day, sums in (ours.days.items() if ours else ())
            if since <= day <= self._today and sums.delivered
        }
        if not days:
            return None
        delivered = sum(each.delivered for each in days.values())
        maybe_fewer = sum(each.maybe_fewer for each in days.values())
        return Deliveries(min(days), max(days), delivered, delivered - maybe_fewer)

    def _write_down(
        self, sight: FirstSight, deliveries: Deliveries, counted: int
    ) -> None:
        # What settled a moment ago need not show yet: what was there the last time has to.
        least = (
            min(sight.delivered, deliveries.least) if sight.asked else deliveries.least
        )
        is_shown = counted >= (1 if sight.is_new else max(1, least))
        changes = {
            "delivered": deliveries.delivered,
            "counted": counted,
            "shown_at": self._now if is_shown else None,
            # What shows none keeps its cause until `name_causes`: a finding must not flicker.
            "cause": sight.cause if is_shown or not counted else "",
            "next_at": None if is_shown else find_next_at(sight.first_at, self._now),
        }
        self._save(sight, changes)
        if counted == 0:
            self._hidden.append((sight, deliveries))

    def name_causes(self) -> None:
        """Write down why names do not show, once all were asked for."""
        for sight, deliveries in self._hidden:
            hidden = FirstSight.objects.filter(pk=sight.pk, shown_at=None)
            hidden.update(cause=self._find_cause(sight, deliveries))

    def _find_cause(self, sight: FirstSight, deliveries: Deliveries) -> str:
        """Return the code of what is proven, or likeliest once it is overdue; "" before."""
        proof = prove_first_sight(sight.name, deliveries.delivered, self._schema)
        if proof is not None:
            return proof.code
        if self._now - sight.first_at < timedelta(minutes=OVERDUE_MINUTES):
            return ""
        return self._find_likeliest_cause(sight, deliveries)

    def _find_likeliest_cause(self, sight: FirstSight, deliveries: Deliveries) -> str:
        """Return the code of the likeliest cause that an overdue name does not show."""
        cause = explain_first_sight(
            sight.name,
            deliveries.delivered,
            self._schema,
            shows_others=self._shows_others(sight),
        )
        if cause is not None:
            return cause.code
        if self._do_all_lack_a_property(sight.name, deliveries):
            return codes.PROPERTY_MISSING
        return codes.NOT_PROCESSED_YET if self._schema else codes.UNEXPLAINED

    def _shows_others(self, sight: FirstSight) -> bool | None:
        """Return whether CleverTap shows another name of ours; None where nothing tells.

        A new name that its schema has by now has arrived: it is not the account.
        """
        if sight.is_new and self._schema and sight.folded_name in self._schema.events:
            return None
        others = FirstSight.objects.filter(account=sight.account_id, asked__gt=0)
        shown = others.exclude(pk=sight.pk).values_list("shown_at", flat=True)
        return any(at is not None for at in shown) if shown else None

    def _do_all_lack_a_property(self, name: str, deliveries: Deliveries) -> bool:
        """Return whether a property that may be mandatory is in none of the records."""
        begins, ends = find_quarters(
            deliveries.first, deliveries.last, self._found.zone
        )
        scan = self._evidence.scan_log(
            name, begins * QUARTER_SECONDS, (ends + 1) * QUARTER_SECONDS
        )
        return scan is not None and 0 < scan.records == scan.lacking[EITHER]

    def _leave_to_the_night(self, sight: FirstSight) -> None:
        """Ask no more: a day that was counted whole tells, and the comparison asks for that."""
        self._save(sight, {"next_at": None})

    def _postpone(self, sight: FirstSight) -> None:
        """Ask at the next time: CleverTap has no answer to this one question."""
        self._save(sight, {"next_at": find_next_at(sight.first_at, self._now)})

    def _save(self, sight: FirstSight, changes: Mapping[str, Any]) -> None:
        """Write the row, unless another process asked meanwhile."""
        this = FirstSight.objects.filter(pk=sight.pk, asked=sight.asked, shown_at=None)
        this.update(
            is_new=sight.is_new, asked=F("asked") + 1, asked_at=self._now, **changes
        )


def find_next_at(first_at: datetime, now: datetime) -> datetime | None:
    """Return when to ask next for a name that was first delivered at `first_at`."""
    times = (first_at + timedelta(minutes=each) for each in MINUTES)
    return next((each for each in times if each > now), None)


def _end_by_comparisons() -> None:
    """Note which names a comparison has counted since they were asked for last."""
    counted = Statement.objects.filter(
        account=OuterRef("account"),
        folded_name=OuterRef("folded_name"),
        compared_at__gt=OuterRef("asked_at"),
        delivered__gt=0,
        counted__gt=0,
    ).order_by("-compared_at")
    as_delivered = counted.filter(counted__gte=F("delivered") - F("maybe_fewer"))
    waiting = FirstSight.objects.filter(shown_at=None, asked__gt=0)
    for names, statements in (
        (waiting.filter(is_new=True), counted),
        # Without a schema nobody knows whether a name is new.
        (waiting.exclude(is_new=True), as_delivered),
    ):
        names.filter(Exists(statements)).update(
            shown_at=Subquery(statements.values("compared_at")[:1]), next_at=None
        )
