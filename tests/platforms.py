"""Calls of platforms for tests: the samples of their presets, signed, and what is asked of them."""

from datetime import UTC, datetime

import msgspec
import requests

from referrals.sources.call import Call, make_call
from referrals.sources.mapping.rules import Choices, Mapping
from referrals.sources.mapping.translate import translate_call
from referrals.sources.mapping.validate import validate_mapping
from referrals.sources.presets import load_mapping, load_preset
from tests.harness.process import PATIENCE_SECONDS

#: After every sample, and before any is a day old that a tolerance would mind.
NOW = datetime(2026, 11, 29, 7, 0, tzinfo=UTC)
KEY = b"the key of one app, never rotated"
#: Base64 of 24 bytes, so that Standard Webhooks takes it too.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def a_call(body=None, *, method="POST", **parts):
    """Return a call with `body` as JSON, or as it is where it is bytes."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return make_call(method, body=b"" if body is None else raw, **parts)


def send_call(url: str, call: Call, *, timeout: float = PATIENCE_SECONDS) -> int:
    """Send a call to `url` by HTTP, and return the status."""
    return requests.request(
        call.method,
        url,
        params=list(call.query),
        headers=dict(call.headers),
        data=call.body,
        timeout=timeout,
    ).status_code


def choices_of(platform, **changes):
    """Return what a new source of a platform has chosen."""
    preset = load_preset(platform)
    return msgspec.structs.replace(
        Choices(
            identity=preset.identity,
            takes_marketing_links=preset.takes_marketing_links,
        ),
        **changes,
    )


def translate(platform, body, *, chosen=(), **changes):
    """Return the outcomes of a call to a new source of `platform`.

    Where the platform calls by GET, `body` is what its query says.
    """
    if load_preset(platform).methods[0] == "GET":
        call = msgspec.structs.replace(
            a_call(method="GET"), query=tuple((body or {}).items())
        )
    else:
        call = a_call(body)
    choices = choices_of(platform, chosen=frozenset(chosen), **changes)
    return translate_call(call, load_mapping(platform), choices, key=KEY)


def translate_one(platform, body, **options):
    """Return the only outcome."""
    (outcome,) = translate(platform, body, **options)
    return outcome


def a_mapping(**parts):
    """Return a mapping, checked: a call has an id, a type and a referrer unless told."""
    checked = validate_mapping(
        {
            "kind": "type",
            "kinds": {"install": {"type": "app_install"}},
            "referrer": {"keys": ["referrer_id"]},
            **parts,
            "event": {"id": "id", "user.id": "user_id", **parts.get("event", {})},
        }
    )
    assert isinstance(checked, Mapping), checked
    return checked


def run_mapping(mapping, body, **choices):
    """Return the outcomes of a call with `body`."""
    return translate_call(a_call(body), mapping, Choices(**choices), key=KEY)


def run_rule(rule, body, target="content"):
    """Return what a rule makes of a body, as `target` of the event."""
    mapping = a_mapping(
        kind={"const": "install"},
        referrer={"keys": ["r"], "places": [{"query_of": "*", "const": "r=u-7"}]},
        event={target: rule, "id": {"const": "e-1"}},
    )
    (outcome,) = run_mapping(mapping, body)
    return outcome.get(target) if isinstance(outcome, dict) else outcome
