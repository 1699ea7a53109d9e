"""When a user passcode expires, in words. CleverTap gives no warning before it does."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clevertap_sync.models import Integration

#: So many days before a passcode expires, it is a finding.
REMIND_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Expiry:
    """A passcode that is about to expire, or has."""

    on: date
    days: int

    @property
    def is_over(self) -> bool:
        """Whether its last day has passed."""
        return self.days < 0

    @property
    def sentence(self) -> str:
        """Return in one sentence when the passcode expires, and what follows."""
        day = f"{self.on.day} {self.on:%B %Y}"
        if self.is_over:
            return f"The passcode expired on {day}: CleverTap refuses it from then on."
        if not self.days:
            return "The passcode expires today. CleverTap refuses it from tomorrow on."
        days = "1 day" if self.days == 1 else f"{self.days} days"
        return (
            f"The passcode expires in {days}, after {day}. Then CleverTap refuses it."
        )

    @property
    def remedy(self) -> str:
        """Return in one sentence how a person replaces the passcode."""
        return (
            "Make a new one in CleverTap under Settings → Passcode, enter it in the "
            "integration's settings, and note its last day there."
        )


def find_expiry(
    integration: Integration, now: datetime, *, remind_days: int = REMIND_DAYS
) -> Expiry | None:
    """Return the expiry, if the passcode's last day is at most `remind_days` away, else None."""
    last = integration.passcode_expires_on
    if last is None or integration.archived_at:
        return None
    days = (last - now.astimezone(find_time_zone(integration)).date()).days
    return Expiry(last, days) if days <= remind_days else None


def find_time_zone(integration: Integration) -> ZoneInfo:
    """Return the time zone of the CleverTap project; UTC where this machine lacks it."""
    try:
        return ZoneInfo(integration.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
