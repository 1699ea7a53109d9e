"""`manage.py reconcile`: compare with CleverTap now, and print what it counts."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import msgspec
from django.core.management.base import CommandError, CommandParser

from clevertap_sync.clevertap.errors import TooManyRequestsError
from clevertap_sync.insight.seen_failures import NOT_SWITCHED_ON, describe_failure
from clevertap_sync.models import (
    Account,
    AccountReading,
    Comparison,
    Integration,
    Statement,
)
from clevertap_sync.process import clock, stopping
from clevertap_sync.reconciliation import (
    comparison as comparing,
    orders,
)
from clevertap_sync.reconciliation.comparison import Turn
from clevertap_sync.reconciliation.statement_words import (
    describe_statement,
    list_codes,
)
from referrals.management.arguments import DiscreetCommand
from referrals.words import make_inert

#: Between two looks at what another process does.
_LOOK_SECONDS: Final = 1.0
_GOES_ON: Final = "A worker goes on with it by itself."
#: Some names and days were not reached.
_PARTLY: Final = 2


class Command(DiscreetCommand):
    """Compare an app's integrations with what CleverTap counts."""

    help = (
        "Compare what was delivered in the last seven complete days with what CleverTap "
        "counts, by event name and day. Needs `provision APP … --reconcile`. The numbers are "
        "those of the CleverTap account: integrations that share it have the same. Exits "
        "with 0 when all was compared, equal or not; with 2 when a part could not be; "
        "with 1 when nothing could be compared, and says why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the app, one of its integrations, and --json."""
        parser.add_argument("app", help="the app's short name")
        parser.add_argument("--integration", help="default: all that are compared")
        parser.add_argument(
            "--json",
            action="store_true",
            help="print JSON: a list of integration, name, day, delivered, counted, "
            "difference, cause (or null) and sentence",
        )

    def handle(
        self, *_: Any, app: str, integration: str | None, **options: Any
    ) -> None:
        """Compare each account once, print, and exit."""
        found = _find_integrations(app, integration)
        made, failures = self._compare_all(
            dict.fromkeys(each.account for each in found)
        )
        if not made:
            raise CommandError(failures[0])
        chosen = [each for each in found if each.account in made]
        if options["json"]:
            rows = [
                _as_json(each, row)
                for each in chosen
                for row in _list_statements(made[each.account])
            ]
            self.stdout.write(msgspec.json.format(msgspec.json.encode(rows)).decode())
        else:
            for each in chosen:
                self._tell(each, made[each.account])
        for failure in failures:
            self.stderr.write(failure)
        if failures or any(each.not_compared for each in made.values()):
            raise SystemExit(_PARTLY)

    def _compare_all(
        self, accounts: Iterable[Account]
    ) -> tuple[dict[Account, Comparison], list[str]]:
        """Compare the accounts; return the comparisons, and why others came to no end."""
        made: dict[Account, Comparison] = {}
        failures: list[str] = []
        for account in accounts:
            try:
                made[account] = self._compare(account)
            except KeyboardInterrupt:
                msg = f"Stopped. {_GOES_ON}"
                raise CommandError(msg) from None
            except CommandError as failure:
                failures.append(f"{account.account_id}: {failure}")
        return made, failures

    def _compare(self, account: Account) -> Comparison:
        """Compare the account's days, beside whatever worker does the same."""
        comparison = orders.order_comparison(account, "a command", clock.read_now())
        said = ""
        while (turn := comparing.take_turn(comparison)) is not Turn.ENDED:
            if turn is Turn.WAITS:
                said = self._wait(comparison, said)
            self._tell_progress(comparison)
        if comparison.state == Comparison.State.FAILED:
            raise CommandError(describe_failure(comparison.error))
        return comparison

    def _wait(self, comparison: Comparison, said: str) -> str:
        """Say once what is waited for, and wait a moment."""
        row = AccountReading.objects.get(pk=comparison.account_id)
        now = clock.read_now()
        why = "Another process asks CleverTap about this account now. Waiting for it."
        if row.waits_until and row.waits_until > now:
            if row.last_error != TooManyRequestsError.code:
                msg = f"{describe_failure(row.last_error)} {_GOES_ON}"
                raise CommandError(msg)
            why = (
                f"{describe_failure(row.last_error)} Asking again at "
                f"{row.waits_until:%H:%M:%S} UTC."
            )
        if why != said:
            self.stderr.write(why)
        if stopping.wait_for_stop(_LOOK_SECONDS):
            msg = f"Stopped. {_GOES_ON}"
            raise CommandError(msg)
        return why

    def _tell_progress(self, comparison: Comparison) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"{comparison.requests} requests so far.")

    def _tell(self, integration: Integration, comparison: Comparison) -> None:
        rows = list(_list_statements(comparison))
        different = [row for row in rows if row.difference]
        self.stdout.write(
            f"{integration.app.slug} / {integration.name}: {comparison.compared} names and "
            f"days compared, {len(different)} differ, {comparison.not_compared} not compared"
        )
        for row in rows:
            if row.counted == row.delivered:
                continue
            numbers = f"{row.delivered:,} delivered"
            if row.counted is not None:
                numbers += f", {row.counted:,} counted"
            self.stdout.write(f"  {row.day}  {make_inert(row.name)}: {numbers}")
            self.stdout.write(f"    {make_inert(_describe(row))}")


def _find_integrations(slug: str, name: str | None) -> list[Integration]:
    """Return the app's integrations that are compared."""
    found = Integration.objects.filter(app__slug=slug, archived_at=None)
    if name:
        found = found.filter(name=name)
    known = list(found.select_related("app", "account"))
    if not known:
        msg = "There is no such integration. See delivery_status for those there are."
        raise CommandError(msg)
    chosen = [each for each in known if each.reconciles]
    if not chosen:
        raise CommandError(describe_failure(NOT_SWITCHED_ON))
    return chosen


def _list_statements(comparison: Comparison) -> Iterable[Statement]:
    """Return the statements of the comparison, by day and name."""
    began_at = comparison.began_at or comparison.created_at
    of_account = Statement.objects.filter(account=comparison.account_id)
    of_account = of_account.select_related("account__reading")
    week = of_account.filter(day__gte=(began_at - timedelta(days=9)).date())
    fresh = week.filter(compared_at__gte=began_at)
    return (fresh | week.filter(counted=None)).order_by("day", "name")


def _as_json(integration: Integration, row: Statement) -> dict[str, Any]:
    codes = list_codes(row)
    return {
        "integration": integration.name,
        "name": row.name,
        "day": row.day,
        "delivered": row.delivered,
        "counted": row.counted,
        "difference": row.difference,
        "cause": ", ".join(codes) or None,
        "sentence": _describe(row),
    }


def _describe(row: Statement) -> str:
    lacks_schema = row.account.reading.lacks_schema
    return describe_statement(row, lacks_schema=lacks_schema)
