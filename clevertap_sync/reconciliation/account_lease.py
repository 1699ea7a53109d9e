"""Who may ask CleverTap about an account: one process, for as long as its lease lasts.

The row `AccountReading` is changed by compare-and-set alone, so nobody waits for a lock
while CleverTap is asked. Instants are those of the database.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet

from clevertap_sync.clevertap.causes.week import Schema
from clevertap_sync.clevertap.stored_schema import pack_schema
from clevertap_sync.models import Account, AccountReading, Integration
from clevertap_sync.process import clock

#: Beyond a request's own limit: the longest wait between two, and some time to write.
SPARE_SECONDS: Final = 30.0
FIRST_WAIT_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class AccountLease:
    """This process's claim on the reading of one account. `token` is the fencing token."""

    account_id: int
    token: int

    def renew(self, *, spare: float = SPARE_SECONDS) -> bool:
        """Claim it for one request and `spare` seconds. False: another process has it."""
        return self._write(leased_until=_find_end(clock.read_now(), spare))

    def release(self) -> None:
        """Let others ask at once."""
        self._write(leased_until=None)

    def count_failures(self) -> int:
        """Return how often in a row CleverTap did not answer."""
        return self._row().values_list("failures", flat=True).first() or 0

    def record_success(self) -> None:
        """Write down that CleverTap answered: nothing has to wait any more."""
        self._write(failures=0, waits_until=None, refused_at=None, last_error="")

    def record_failure(self, code: str, *, retry_after: float | None) -> None:
        """Let everybody wait: for longer after each failure in a row."""
        self._wait(code, least=retry_after or 0)

    def record_refusal(self, code: str) -> None:
        """Write down that the passcode may not read, and ask again seldom."""
        now = clock.read_now()
        self._wait(code, least=LONGEST_WAIT_SECONDS)
        self._row().filter(refused_at=None).update(refused_at=now)

    def keep_schema(self, schema: Schema | None) -> None:
        """Keep the account's event types; None where CleverTap has none to show."""
        packed = None if schema is None else pack_schema(schema)
        self._write(schema=packed, schema_at=clock.read_now())

    def _wait(self, code: str, *, least: float) -> None:
        failures = self.count_failures()
        wait = min(FIRST_WAIT_SECONDS * 2**failures, LONGEST_WAIT_SECONDS)
        wait = max(wait * random.uniform(0.75, 1), least)  # noqa: S311 # no secret
        self._write(
            failures=failures + 1,
            waits_until=clock.read_now() + timedelta(seconds=wait),
            last_error=code,
        )

    def _row(self) -> QuerySet[AccountReading]:
        return AccountReading.objects.filter(pk=self.account_id, lease_token=self.token)

    def _write(self, **values: object) -> bool:
        return bool(self._row().update(**values))


def take_lease(
    account: Account, integrations: Sequence[Integration], *, insists: bool
) -> AccountLease | None:
    """Claim the account's reading; None where another process reads, or it has to wait.

    Credentials newer than the refusal end it. Where a person `insists`, a refusal alone
    makes nobody wait: the passcode's rights may have been changed in CleverTap.
    """
    AccountReading.objects.get_or_create(pk=account.pk)
    row = AccountReading.objects.get(pk=account.pk)
    now = clock.read_now()
    if row.leased_until is not None and row.leased_until > now:
        return None
    if row.waits_until is not None and row.waits_until > now:
        may_ask_again = insists or _are_newer(integrations, row.refused_at)
        if row.refused_at is None or not may_ask_again:
            return None
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    mine = AccountReading.objects.filter(free, pk=row.pk, lease_token=row.lease_token)
    taken = mine.update(
        lease_token=F("lease_token") + 1, leased_until=_find_end(now, SPARE_SECONDS)
    )
    return AccountLease(account.pk, row.lease_token + 1) if taken else None


def _are_newer(
    integrations: Sequence[Integration], refused_at: datetime | None
) -> bool:
    """Return whether somebody entered other credentials since the refusal."""
    if refused_at is None:
        return False
    since = [each.credentials_since for each in integrations]
    return any(each is not None and each > refused_at for each in since)


def _find_end(now: datetime, spare: float) -> datetime:
    return now + timedelta(seconds=settings.REQUEST_SECONDS + spare)
