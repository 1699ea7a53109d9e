"""Comparing: asks CleverTap for the counts of an account's days, turn by turn.

A comparison is a row that any process may take up: what it has compared already is in the
statements. A turn lasts a minute at most, so that other accounts, and names that were just
delivered for the first time, get theirs. Each name's whole week is asked first, and its days
only where the week differs. Days that begin at another hour may leave a week as it is, so
the days of the account's largest name are always asked, and where these have moved,
everybody's. What was delivered meanwhile is put right at the end.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from clevertap_sync.clevertap.causes.zones import have_days_moved
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    NoPasscodeError,
    WrongAddressError,
)
from clevertap_sync.clevertap.stored_schema import unpack_schema
from clevertap_sync.insight import seen_failures
from clevertap_sync.models import AccountReading, Comparison
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import reader, statements
from clevertap_sync.reconciliation.closing import close_comparison
from clevertap_sync.reconciliation.comparison_plan import (
    Plan,
    make_plan,
    was_asked_by,
)
from clevertap_sync.reconciliation.our_numbers import OurName
from clevertap_sync.reconciliation.reader import (
    QuestionRefused,
    Reading,
    ReadingStopped,
)
from clevertap_sync.reconciliation.reconciling_account import (
    ReconcilingAccount,
    read_reconciling_account,
)
from referrals import failpoints
from referrals.failpoints import Place

#: One turn of a comparison.
TURN_SECONDS: Final = 60.0
#: All turns of a comparison: requests, and the waits between them.
BUDGET_SECONDS: Final = 1200.0
#: Of these, what is kept for the causes of differences.
_FOR_CAUSES_SECONDS: Final = 120.0
#: With less of a turn left, the causes are looked for in a turn of their own.
_ENOUGH_FOR_CAUSES_SECONDS: Final = 20.0
MOST_REQUESTS: Final = 2000
#: A comparison that comes to no end, because CleverTap is busy, ends so long after it began.
LONGEST: Final = timedelta(hours=3)

#: After these, other turns of the same comparison would not do better.
_FINAL: Final = frozenset(
    {
        seen_failures.OVER_BUDGET,
        seen_failures.MAY_NOT_READ,
        AuthenticationError.code,
        NoPasscodeError.code,
        WrongAddressError.code,
    }
)


class Turn(StrEnum):
    """How a turn ended."""

    #: The comparison is over.
    ENDED = "ended"
    #: There is more to ask.
    GOES_ON = "goes_on"
    #: Another process reads the account, or CleverTap was busy: nothing was asked.
    WAITS = "waits"


def take_turn(
    comparison: Comparison,
    *,
    seconds: float = TURN_SECONDS,
    wait: Callable[[float], bool] | None = None,
) -> Turn:
    """Go on with the comparison for about `seconds`. Refreshes it.

    Safe to run twice, and in several processes: one at a time reads an account.
    """
    found = read_reconciling_account(comparison.account_id)
    if found is None:
        return end_comparison(comparison, seen_failures.NOT_SWITCHED_ON)
    insists = comparison.kind == Comparison.Kind.ORDER
    with reader.open_reader(
        found.account, seconds=seconds, insists=insists, wait=wait
    ) as reading:
        comparison.refresh_from_db()
        if comparison.state in {Comparison.State.DONE, Comparison.State.FAILED}:
            return Turn.ENDED
        if reading is None:
            return _wait_for_turn(comparison, found)
        return _Asking(comparison, found, reading).carry_on()


def end_comparison(comparison: Comparison, code: str) -> Turn:
    """End a comparison for which nothing more can be asked. Refreshes it."""
    Comparison.objects.filter(pk=comparison.pk).open().update(
        state=Comparison.State.FAILED, ended_at=clock.read_now(), error=code
    )
    comparison.refresh_from_db()
    return Turn.ENDED


class _Asking:
    """One turn, while this process has the account's lease."""

    def __init__(
        self, comparison: Comparison, found: ReconcilingAccount, reading: Reading
    ) -> None:
        self._comparison = comparison
        self._found = found
        self._reading = reading
        self._began = time.monotonic()
        self._booked = 0
        self._plan: Plan

    def carry_on(self) -> Turn:
        """Ask for what is left, and end the comparison where nothing is."""
        now = clock.read_now()
        if not self._begin(now):
            return Turn.ENDED
        self._plan = make_plan(self._found, self._comparison, now)
        if not self._plan.week:
            return end_comparison(self._comparison, seen_failures.NOTHING_TO_COMPARE)
        stopped = self._ask_for_all()
        self._book()
        if stopped is not None and not self._is_final(stopped):
            return Turn.GOES_ON if stopped.code == reader.NO_TIME else Turn.WAITS
        is_late = self._reading.seconds_left < _ENOUGH_FOR_CAUSES_SECONDS
        if stopped is None and is_late and self._reading.requests:
            return Turn.GOES_ON
        code = stopped.code if stopped else ""
        return self._close(seen_failures.NO_TURN if code == reader.NO_TIME else code)

    def _close(self, error: str) -> Turn:
        """End the comparison, unless this process has to stop meanwhile."""
        try:
            close_comparison(self._comparison, self._found, self._reading, error=error)
        except ReadingStopped as stopped:
            return Turn.GOES_ON if stopped.code == reader.NO_TIME else Turn.WAITS
        finally:
            self._book()
        is_running = self._comparison.state == Comparison.State.RUNNING
        return Turn.WAITS if is_running else Turn.ENDED

    def _begin(self, now: datetime) -> bool:
        """Write down that it runs, unless another process has ended it meanwhile."""
        began_at = Coalesce(F("began_at"), Value(now))
        Comparison.objects.filter(pk=self._comparison.pk).open().update(
            state=Comparison.State.RUNNING, began_at=began_at
        )
        self._comparison.refresh_from_db()
        return self._comparison.state == Comparison.State.RUNNING

    def _ask_for_all(self) -> ReadingStopped | None:
        """Ask until all is known; return what ended it before."""
        try:
            self._read_schema()
            self._ask_for_weeks()
            for folded in self._list_names():
                self._ask_for_days(folded, self._plan.old.get(folded, ()))
        except ReadingStopped as stopped:
            return stopped
        return None

    def _ask_for_weeks(self) -> None:
        """Ask for the week of each name, of the largest one first and by day.

        After a failure no name is the first: it may be this one that CleverTap fails to
        count, time and again.
        """
        largest = self._plan.find_largest_name()
        is_first = not self._reading.failures_before
        have_moved = is_first and largest is not None and self._have_days_moved(largest)
        for folded in self._list_names():
            if folded != largest:
                self._ask_for_week(folded, by_day=have_moved)
            elif not is_first:
                self._ask_for_days(folded, self._plan.week)

    def _list_names(self) -> list[str]:
        """Return the names to ask for, beginning with another one after each failure."""
        names = self._plan.list_names()
        first = self._reading.failures_before % max(1, len(names))
        return names[first:] + names[:first]

    def _read_schema(self) -> None:
        """Read the schema once in a comparison. Where it cannot be read, go on without."""
        began_at = self._comparison.began_at
        row = AccountReading.objects.get(pk=self._found.account.pk)
        known = unpack_schema(row.schema)
        if known and row.schema_at and began_at and row.schema_at >= began_at:
            self._reading.remember_schema(known)
            return
        with suppress(QuestionRefused):
            self._reading.read_schema()

    def _have_days_moved(self, folded: str) -> bool:
        """Ask for the name's days; return whether records of one are counted on the next."""
        account, week = self._found.account, self._plan.week
        self._ask_for_days(folded, week)
        return have_days_moved(statements.read_differences(account, folded, week))

    def _ask_for_week(self, folded: str, *, by_day: bool) -> None:
        week, mine = self._plan.week, self._plan.ours[folded]
        left = self._list_left(folded, week)
        if not any(
            any(mine.find(d)) or (folded, d) in self._plan.statements for d in left
        ):
            return
        if by_day or len(left) < len(week) or len(week) == 1:
            self._ask_for_days(folded, left)
            return
        total = self._count(mine, week[0], week[-1])
        if total is None:
            # Written down first: otherwise the next turn would wait for it again.
            self._write(mine, dict.fromkeys(week, None))
            self._ask_each(mine, week)
        elif total == mine.sum_up(week):
            counts = {day: mine.find(day).delivered for day in week}
            self._write(mine, {d: n for d, n in counts.items() if any(mine.find(d))})
        elif total == 0:
            self._write(mine, dict.fromkeys(week, 0))
        else:
            self._ask_each(mine, week)

    def _ask_for_days(self, folded: str, days: Iterable[date]) -> None:
        self._ask_each(self._plan.ours[folded], self._list_left(folded, days))

    def _ask_each(self, mine: OurName, days: Iterable[date]) -> None:
        for day in days:
            self._write(mine, {day: self._count(mine, day, day)})

    def _list_left(self, folded: str, days: Iterable[date]) -> list[date]:
        """Return the days for which this comparison has not asked yet."""
        known, comparison = self._plan.statements, self._comparison
        return [
            day
            for day in days
            if not was_asked_by(known.get((folded, day)), comparison)
        ]

    def _count(self, mine: OurName, first: date, last: date) -> int | None:
        """Return CleverTap's count; None where it has no answer to this question."""
        self._check_budget()
        try:
            return self._reading.count(mine.name, first, last)
        except QuestionRefused:
            return None

    def _write(self, mine: OurName, counts: Mapping[date, int | None]) -> None:
        """Write down what was answered, unless another process has the account by now.

        That one may have ended the comparison: its causes are not to be overwritten.
        """
        failpoints.reach_failpoint(Place.COUNT_ANSWERED)
        now = clock.read_now()
        with transaction.atomic():
            if not self._reading.is_still_ours():
                raise ReadingStopped(reader.LEASE_LOST)
            for day, counted in counts.items():
                statements.write_count(self._found.account, mine, day, counted, now=now)
            failpoints.reach_failpoint(Place.STATEMENTS_WRITTEN)

    def _check_budget(self) -> None:
        seconds = self._comparison.seconds + time.monotonic() - self._began
        requests = self._comparison.requests + self._reading.requests
        if seconds >= BUDGET_SECONDS - _FOR_CAUSES_SECONDS or requests >= MOST_REQUESTS:
            raise ReadingStopped(seen_failures.OVER_BUDGET)

    def _is_final(self, stopped: ReadingStopped) -> bool:
        """Return whether the comparison ends with what is compared by now."""
        if stopped.code in {reader.STOPPING, reader.LEASE_LOST}:
            return False
        began_at = self._comparison.began_at or clock.read_now()
        return stopped.code in _FINAL or clock.read_now() - began_at > LONGEST

    def _book(self) -> None:
        """Add what this turn took to the comparison."""
        elapsed, self._began = time.monotonic() - self._began, time.monotonic()
        requests, self._booked = (
            self._reading.requests - self._booked,
            self._reading.requests,
        )
        Comparison.objects.filter(pk=self._comparison.pk).update(
            requests=F("requests") + requests, seconds=F("seconds") + round(elapsed)
        )
        self._comparison.refresh_from_db()


def _wait_for_turn(comparison: Comparison, found: ReconcilingAccount) -> Turn:
    """Wait, unless waiting is in vain."""
    if not found.usable:
        return end_comparison(comparison, NoPasscodeError.code)
    row = AccountReading.objects.filter(pk=found.account.pk).first()
    now = clock.read_now()
    is_reading = bool(row and row.leased_until and row.leased_until > now)
    if row and row.refused_at and not is_reading:
        return end_comparison(comparison, seen_failures.MAY_NOT_READ)
    if now - (comparison.began_at or comparison.created_at) > LONGEST:
        return end_comparison(
            comparison, (row and row.last_error) or seen_failures.NO_TURN
        )
    return Turn.WAITS
