"""The address that platforms call: what it answers, and what is then in the log."""

import pytest

from referrals.sources.presets import PLATFORMS
from tests import builders
from tests.integration.hooks.calling import call_hook, events_of, sample_of, signed
from tests.platforms import OLD_SECRET, SECRET

pytestmark = pytest.mark.django_db

CALLED = [each for each in PLATFORMS if each != "segment"]


@pytest.mark.parametrize("platform", CALLED)
def test_a_sample_is_stored_once_however_often_it_comes(client, app, platform):
    source = builders.a_source(app, platform)

    answers = [call_hook(client, source, sample_of(source)) for _ in range(3)]

    assert [(each.status_code, each.content) for each in answers] == [(200, b"")] * 3
    assert len(events_of(app)) == 1


def test_an_install_becomes_an_event_with_both_people(client, app):
    source = builders.a_source(app, "branch")

    call_hook(client, source, sample_of(source))

    (event,) = events_of(app)
    assert event.type == "app_install"
    assert event.user.identities["custom_id"] == "u-42"
    assert event.referrer.identities == {"custom_id": "u-7"}
    assert event.channel == "whatsapp"


def test_a_call_with_another_secret_is_refused_without_a_word(client, app):
    source = builders.a_source(app, "branch")

    answer = call_hook(client, source, sample_of(source, secret="another"))

    assert (answer.status_code, answer.content) == (401, b"")
    assert "WWW-Authenticate" not in answer.headers
    assert events_of(app) == []


def test_both_secrets_are_accepted_while_they_are_rotated(client, app):
    source = builders.a_source(app, "branch", previous_secret=OLD_SECRET)

    answers = [
        call_hook(client, source, sample_of(source, secret=each)).status_code
        for each in (SECRET, OLD_SECRET)
    ]

    assert answers == [200, 200]


def test_no_source_has_that_address(client):
    answer = client.post("/v1/hooks/0123456789", b"{}", content_type="application/json")

    assert (answer.status_code, answer.content) == (404, b"")


def test_another_method_than_the_platforms(client, app):
    source = builders.a_source(app, "branch")

    answers = [
        getattr(client, method)(f"/v1/hooks/{source.public_id}")
        for method in ("get", "head", "put", "delete", "options")
    ]

    assert [each.status_code for each in answers] == [405] * 5
    assert {each.headers["Allow"] for each in answers} == {"POST"}


def test_a_body_over_the_limit(client, app):
    source = builders.a_source(app, "branch")
    call = signed(source, {"name": "INSTALL", "more": "x" * 1024 * 1024})

    assert call_hook(client, source, call).status_code == 413


def test_what_the_log_refuses_is_answered_like_anything_else(client, app):
    source = builders.a_source(app, "standard_webhooks")
    call = signed(source, {"type": "x", "data": {"type": "no such type"}})

    answer = call_hook(client, source, call)

    assert (answer.status_code, events_of(app)) == (200, [])
