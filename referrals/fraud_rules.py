"""The rules by which an app judges fraud: windows and limits, as values.

Pure. `None` as a limit switches the rule off; `None` as a window is as long as sightings
are kept.
"""

from datetime import timedelta
from typing import Final, NamedTuple

#: As many sightings as are kept of one device, or of one IP address with a referrer. A
#: limit cannot be larger; a farm cannot make a look-up longer.
MOST_KEPT: Final = 20
LONGEST_DAYS: Final = 365


class Limit(NamedTuple):
    """How many of something are normal within a window."""

    most: int | None
    days: int | None = None

    @property
    def window(self) -> timedelta:
        """Return the window as a duration."""
        return timedelta.max if self.days is None else timedelta(days=self.days)


class FraudRules(NamedTuple):
    """What makes an event of one app suspicious, beside a shared device or identity."""

    same_ip: bool
    installs: Limit
    advertising_ids: Limit


#: As each app judged before it could choose: the second one is suspicious.
FIRST_RULES: Final = FraudRules(
    same_ip=True, installs=Limit(1), advertising_ids=Limit(1)
)
#: Of a new app. `docs/fraud.md` has what they find in a made-up month, and what others do.
DEFAULT_RULES: Final = FraudRules(
    same_ip=False, installs=Limit(4, 30), advertising_ids=Limit(2, 30)
)
