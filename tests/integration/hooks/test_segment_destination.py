"""Segment's webhook destination: a hook whose calls are signed with SHA-1."""

import json

import pytest

from referrals import source_setup
from referrals.models import Source
from referrals.secret import Secret
from tests import builders
from tests.integration.hooks.calling import (
    SEGMENT_INSTALL as INSTALL,
    call_hook,
    ids_of,
    sample_of,
    signed,
)
from tests.platforms import OLD_SECRET, SECRET, a_call

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(app):
    return builders.a_source(app, "segment")


def test_a_signed_sample_is_stored(client, app, source):
    answer = call_hook(client, source, sample_of(source))

    assert (answer.status_code, answer.content) == (200, b"")
    assert ids_of(app) == ["seg.api-9f2e-0001"]


def test_a_list_may_be_signed_whole(client, app, source):
    call = signed(source, [INSTALL, {**INSTALL, "messageId": "m-2"}])

    assert call_hook(client, source, call).status_code == 200
    assert ids_of(app) == ["seg.m-1", "seg.m-2"]


def test_a_list_may_be_signed_by_its_first_event_alone(client, app, source):
    first = signed(source, json.dumps(INSTALL, separators=(",", ":")).encode())
    signature = dict(first.headers)["x-signature"]
    batch = a_call(
        [INSTALL, {**INSTALL, "messageId": "m-2"}],
        headers=[("X-Signature", signature)],
    )

    assert call_hook(client, source, batch).status_code == 200
    assert ids_of(app) == ["seg.m-1", "seg.m-2"]


@pytest.mark.parametrize("signature", ["", "0" * 40, "x" * 5_000])
def test_another_signature_is_refused(client, app, source, signature):
    call = a_call(INSTALL, headers=[("X-Signature", signature)])

    assert call_hook(client, source, call).status_code == 401
    assert ids_of(app) == []


def test_a_source_without_a_secret_takes_calls_of_sdks_alone(client, app):
    source = Source(app=app, platform="segment")
    source_setup.create_source("a test", source)

    assert call_hook(client, source, sample_of(source)).status_code == 401
    assert ids_of(app) == []


def test_both_secrets_count_while_they_are_rotated(client, app, source):
    source_setup.set_secret("ann", source, Secret(OLD_SECRET))

    for number, secret in enumerate((SECRET, OLD_SECRET)):
        call = signed(source, {**INSTALL, "messageId": f"m-{number}"}, secret=secret)
        assert call_hook(client, source, call).status_code == 200

    assert ids_of(app) == ["seg.m-0", "seg.m-1"]


def test_the_destination_and_an_sdk_feed_one_source_without_doubles(
    client, app, source
):
    key = builders.an_api_key(app)

    call_hook(client, source, signed(source, INSTALL))
    client.post(
        "/v1/segment/v1/track",
        INSTALL,
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )

    assert ids_of(app) == ["seg.m-1"]
