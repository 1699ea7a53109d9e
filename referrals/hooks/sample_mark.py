"""The mark of a sample that we send ourselves: only the server can make it.

A call with it is served like any other of its source, but its events are test events, and
it is not the platform's first call.
"""

import secrets
from datetime import datetime
from typing import Final

from django.utils.crypto import constant_time_compare, salted_hmac

HEADER: Final = "X-Referrals-Sample"
#: A mark is of no use to whoever finds it later.
SECONDS: Final = 300
_SALT: Final = "referrals.sample"
_NONCE_BYTES: Final = 6


def make_sample_mark(public_id: str, now: datetime) -> str:
    """Return a new mark for one sample to the source of that ID."""
    nonce, at = secrets.token_hex(_NONCE_BYTES), str(int(now.timestamp()))
    return f"{nonce}.{at}.{_sign(public_id, nonce, at)}"


def read_sample_mark(mark: str, public_id: str, now: datetime) -> str:
    """Return the text that makes the sample's ids its own; empty for no mark of ours."""
    nonce, _, rest = mark.partition(".")
    at, _, signature = rest.partition(".")
    if not constant_time_compare(signature, _sign(public_id, nonce, at)):
        return ""
    return nonce if abs(now.timestamp() - int(at)) <= SECONDS else ""


def _sign(public_id: str, nonce: str, at: str) -> str:
    return salted_hmac(
        _SALT, f"{public_id} {nonce} {at}", algorithm="sha256"
    ).hexdigest()
