"""Which API keys will expire while somebody uses them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q

from clevertap_sync.insight.facts import ExpiringKey
from referrals.models import ApiKey

#: No alert asks about what is further away.
FURTHEST: Final = timedelta(days=365)
#: A key that was not used for so long is missed by nobody when it expires.
IN_USE: Final = timedelta(days=30)


def read_expiring_keys(now: datetime) -> Mapping[int, Sequence[ExpiringKey]]:
    """Return the keys that expire and are in use, by app, the first to expire first.

    A key that is revoked before it expires has been replaced on purpose. It takes one
    statement.
    """
    keys = ApiKey.objects.filter(
        Q(revoked_at=None) | Q(revoked_at__gt=F("expires_at")),
        expires_at__gt=now,
        expires_at__lte=now + FURTHEST,
        last_used_at__gt=now - IN_USE,
        app__archived_at=None,
    )
    found: defaultdict[int, list[ExpiringKey]] = defaultdict(list)
    columns = ("app", "prefix", "label", "expires_at")
    for app, prefix, label, expires_at in keys.order_by("expires_at", "pk").values_list(
        *columns
    ):
        found[app].append(ExpiringKey(prefix, label, expires_at))
    return found
