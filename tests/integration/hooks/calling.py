"""Calls of platforms to hooks, through Django's test client."""

from datetime import UTC, datetime

from referrals.hooks.calling import write_path
from referrals.sources.samples import sign_sample
from referrals.sources.signing import sign_call
from tests.platforms import SECRET, a_call


def call_hook(client, source, call, **headers):
    """Send a call as its platform would, and return the answer."""
    sent = {name: value for name, value in call.headers if name != "content-type"}
    return client.generic(
        call.method,
        write_path(source.public_id, call),
        call.body,
        content_type=call.media_type or "application/json",
        headers={**sent, **headers},
    )


def sample_of(source, number=0, *, secret=SECRET):
    """Return a sample of the source's platform, signed now."""
    return sign_sample(source.preset, secret, now=datetime.now(UTC), number=number)


def signed(source, body=None, *, secret=SECRET, **parts):
    """Return a call with `body`, signed as the source's platform signs it now."""
    verifier = source.preset.verifier
    call = a_call(body, **parts)
    return sign_call(verifier, call, secret, now=datetime.now(UTC))
