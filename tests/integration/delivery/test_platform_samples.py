"""A platform's samples, signed as it signs them, posted to the hook: the bytes at CleverTap.

`records/` holds what all samples of a platform come to, a record a line, byte for byte; a call
without a time is of its receipt. Whoever changes a preset or the mapping sees there what
people's campaigns will get.
"""

import hashlib
import json
from pathlib import Path

import pytest

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter
from clevertap_sync.models.accounts import EventKinds
from referrals import log
from tests import builders
from tests.integration.delivery.conftest import status_of
from tests.integration.hooks.calling import call_hook, sample_of

pytestmark = pytest.mark.django_db

RECORDS = Path(__file__).parent / "records"
#: By which identity a profile is found, what a person chose, and who has no such identity.
PLATFORMS = {
    "branch": ("custom_id", ["Subscription Started"], []),
    # Its re-attribution names no user of ours: only the referrer gets a record.
    "appsflyer": ("custom_id", ["level_reached"], [(2, "referred", "no_identity")]),
    # Its event is one of the sandbox: a test event.
    "adjust": ("custom_id", ["Subscription Started"], []),
    "getsocial": ("getsocial_id", [], []),
    "growsurf": ("email", [], []),
    "friendbuy": ("email", [], []),
}


def body_of(platform, app):
    """Return the request that the samples of a platform come to."""
    *_, last = log.read_range(app.pk, 1, 100)
    received = str(int(last.received_at.timestamp()))
    lines = (RECORDS / f"{platform}.jsonl").read_text().replace("RECEIVED", received)
    return '{"d":[' + ",".join(lines.splitlines()) + "]}"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_signed_samples_become_exactly_these_bytes(client, engine, platform):
    provider, chosen, unmappable = PLATFORMS[platform]
    source = builders.a_source(
        builders.an_app(), platform, identity="", chosen_events=chosen
    )
    integration = builders.an_integration(
        source.app, identity_provider=provider, event_kinds=EventKinds.BOTH
    )

    for number in range(len(source.preset.samples)):
        assert call_hook(client, source, sample_of(source, number)).status_code == 200
    deliver(integration.pk)

    expected = body_of(platform, source.app)
    assert engine.records() == json.loads(expected)["d"]
    (request,) = engine.requests()
    assert request.sha256 == hashlib.sha256(expected.encode()).hexdigest()
    letters = DeadLetter.objects.values_list("position", "side", "reason")
    assert list(letters) == unmappable
    assert status_of(integration).balanced
