"""Calls of platforms to hooks, through Django's test client, and what the log has of them."""

from datetime import UTC, datetime

from referrals import log
from referrals.hooks.calling import write_path
from referrals.sources.samples import sign_sample
from referrals.sources.signing import sign_call
from tests.platforms import SECRET, a_call

#: An install as Segment tells it, and each SDK of its kind.
SEGMENT_INSTALL = {
    "type": "track",
    "messageId": "m-1",
    "event": "Install Attributed",
    "userId": "u-42",
    "timestamp": "2026-11-23T12:00:00Z",
    "properties": {"referrer_id": "u-7"},
}


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


def events_of(app):
    """Return the events that the app's log has, in order."""
    return [logged.event for logged in log.read_range(app.pk, 1, 10_000)]


def ids_of(app):
    return [event.id for event in events_of(app)]
