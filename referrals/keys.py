"""API keys: made, recognised by their shape, and kept as a hash.

A key is 256 random bits, so a plain SHA-256 is all that its secrecy needs: there is
nothing to guess that a slow hash would protect.
"""

import hashlib
import re
import secrets
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from referrals.models import ApiKey, App, Source

KEY_START: Final = "rk_"
SECRET_BYTES: Final = 32
PREFIX_LENGTH: Final = 12
#: How long a key that expires works, at least and at most.
LONGEST_LIFE: Final = timedelta(days=3_650)
SHORTEST_LIFE: Final = timedelta(days=1)
# The shape of `token_urlsafe(32)`. A text of another shape is no key of ours, and is
# refused without a query.
KEY_SHAPE: Final = re.compile(r"rk_[A-Za-z0-9_-]{43}")
# More of a key than may be shown, however much of its end is missing.
MORE_THAN_PREFIX: Final = re.compile(
    rf"rk_[A-Za-z0-9_-]{{{PREFIX_LENGTH + 1 - len(KEY_START)},}}"
)


def create_key(
    app: App,
    label: str = "",
    *,
    tracking_source: Source | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for `app`. The text is returned here and can never be read again.

    With a `tracking_source`, one of the app's of the platform segment, the key may append
    to that source and nothing else. From `expires_at` on it works no more; nothing moves
    that instant later.
    """
    text = KEY_START + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey.objects.create(
        app=app,
        label=label,
        prefix=text[:PREFIX_LENGTH],
        digest=digest_key(text),
        tracking_source=tracking_source,
        expires_at=expires_at,
    )
    return key, text


def end_of_day(last: date) -> datetime:
    """Return the instant at which a key expires whose last day is `last`, by UTC."""
    return datetime.combine(last + timedelta(days=1), time.min, tzinfo=UTC)


def renew_expiry(old: ApiKey, now: datetime) -> datetime | None:
    """Return when the key expires that takes the place of `old`: it lives as long from `now` on."""
    if old.expires_at is None:
        return None
    return now + max(old.expires_at - old.created_at, SHORTEST_LIFE)


def has_key_shape(text: str) -> bool:
    """Return whether `text` could be one of our keys at all."""
    return KEY_SHAPE.fullmatch(text) is not None


def digest_key(text: str) -> str:
    """Return the SHA-256 of a key in hexadecimal, the only part that is kept."""
    return hashlib.sha256(text.encode()).hexdigest()
