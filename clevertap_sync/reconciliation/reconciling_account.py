"""An account that is compared: its integrations that take part, and its days.

Integrations of several apps may share an account. All of them that reconcile are compared
together, because CleverTap counts by account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from clevertap_sync.insight.passcode_expiry import find_time_zone
from clevertap_sync.models import Account, Integration
from referrals.encrypted_field import UnreadableSecret

#: Where nobody said otherwise, a project likely has the zone of its location.
_LIKELY_ZONES: Final = {
    "in1": "Asia/Kolkata",
    "sg1": "Asia/Singapore",
    "us1": "America/Los_Angeles",
    "aps3": "Asia/Jakarta",
    "mec1": "Asia/Dubai",
    "sk1": "Asia/Seoul",
}
_COMMON_ZONES: Final = (
    *("UTC", "Asia/Kolkata", "America/New_York", "America/Los_Angeles"),
    *("Europe/London", "Europe/Berlin", "Asia/Singapore", "Asia/Dubai"),
)


#: In SQL: whether any account is compared.
HAS_RECONCILING_ACCOUNT: Final = """
    EXISTS (SELECT 1 FROM clevertap_sync_integration
        WHERE reconciles AND archived_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class ReconcilingAccount:
    """An account and its integrations that reconcile, the oldest first: at least one.

    `archived` are those that reconciled until they were archived: what they delivered is
    counted by CleverTap for as long as its days are compared.
    """

    account: Account
    integrations: Sequence[Integration]
    archived: Sequence[Integration] = ()

    @property
    def ids(self) -> list[int]:
        """The IDs of all integrations whose deliveries are compared."""
        return [each.pk for each in (*self.integrations, *self.archived)]

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone. Where integrations differ, the oldest one's."""
        return find_time_zone(self.integrations[0])

    @property
    def other_zones(self) -> list[ZoneInfo]:
        """Zones that the account may have in its place, likelier ones first."""
        said = [find_time_zone(each).key for each in self.integrations]
        likely = [_LIKELY_ZONES.get(self.account.location, "UTC")]
        names = dict.fromkeys([*said, *likely, *_COMMON_ZONES])
        names.pop(self.zone.key, None)
        return [ZoneInfo(name) for name in names]

    @property
    def usable(self) -> list[Integration]:
        """The integrations whose passcode can be read, those that deliver first."""
        readable = [
            each
            for each in self.integrations
            if each.passcode and not isinstance(each.passcode, UnreadableSecret)
        ]
        return sorted(readable, key=lambda each: bool(each.hold_reason))

    def find_day(self, instant: datetime) -> date:
        """Return the account's day at an instant."""
        return instant.astimezone(self.zone).date()

    def find_first_day(self) -> date | None:
        """Return the first day that began after all of them counted; None: not all do."""
        since = [each.counts_since for each in (*self.integrations, *self.archived)]
        known = [each for each in since if each is not None]
        if len(known) < len(since):
            return None
        return find_whole_day(max(known), self.zone)


def find_whole_day(since: datetime, zone: ZoneInfo) -> date:
    """Return the first day of a zone that lies after an instant from its beginning on."""
    day = since.astimezone(zone).date()
    begins = datetime.combine(day, time(), zone)
    return day if begins >= since else day + timedelta(days=1)


def find_reconciling_accounts() -> list[ReconcilingAccount]:
    """Return every account that is compared: one query, and little of it where none is."""
    found = _find_integrations().order_by("account_id", "pk")
    groups = groupby(found, key=lambda each: each.account_id)
    gathered = (_gather(list(mine)) for _, mine in groups)
    return [each for each in gathered if each is not None]


def read_reconciling_account(account_id: int) -> ReconcilingAccount | None:
    """Return one account; None where nothing of it is compared any more."""
    return _gather(list(_find_integrations().filter(account=account_id).order_by("pk")))


def _find_integrations() -> QuerySet[Integration]:
    found = Integration.objects.filter(reconciles=True)
    return found.select_related("account", "app")


def _gather(mine: list[Integration]) -> ReconcilingAccount | None:
    """Return the account of these integrations; None where none of them is at work."""
    active = [each for each in mine if each.archived_at is None]
    archived = [each for each in mine if each.archived_at is not None]
    return ReconcilingAccount(active[0].account, active, archived) if active else None
