"""A platform's sample calls, signed as it would sign them. Pure."""

from datetime import datetime
from urllib.parse import urlencode

import msgspec

from referrals.sources.call import Call, make_call
from referrals.sources.presets import Preset
from referrals.sources.signing import sign_call


def sign_sample(preset: Preset, secret: str, *, now: datetime, number: int = 0) -> Call:
    """Return the sample `number` of a preset as the platform would call with it at `now`.

    Raises `IndexError` where there is no such sample, and `ValueError` for a secret that
    the platform could not have.
    """
    return sign_call(preset.verifier, make_sample(preset, number), secret, now=now)


def make_sample(preset: Preset, number: int) -> Call:
    """Return the sample `number` without a signature. Raises `IndexError`."""
    sample = preset.samples[number]
    has_body = sample.body is not None
    headers = dict(sample.headers)
    if has_body:
        headers.setdefault("content-type", "application/json")
    return make_call(
        "POST" if has_body else preset.methods[0],
        headers=headers.items(),
        query_string=urlencode(sample.query),
        body=msgspec.json.encode(sample.body) if has_body else b"",
    )
