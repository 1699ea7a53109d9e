"""What a hook answers before its view does, and what it makes of its address."""

import logging
from time import monotonic

import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory

from integration_project.observability.formatters import JsonFormatter
from referrals import log
from referrals.hooks.deadline import ANSWER_SECONDS, ARRIVED_AT, find_seconds_left
from referrals.models import ReferralEvent
from referrals.sources.verifiers import Check, Verified
from tests import builders
from tests.integration.hooks.calling import call_hook, sample_of, signed
from tests.integration.hooks.wire import call_by_wsgi, signed_lines, verify_by_wsgi

pytestmark = pytest.mark.django_db

CANARY = "canary-7f31"


@pytest.fixture
def logged(caplog):
    """Return a function that returns every line so far, as machines read them."""
    caplog.set_level(logging.INFO)

    def read():
        return "\n".join(JsonFormatter().format(record) for record in caplog.records)

    return read


class TestAddresses:
    @pytest.mark.parametrize("platform", ["branch", "growsurf"])
    def test_an_unknown_host_is_busy_so_that_calls_wait_for_the_setting(
        self, client, app, settings, platform, logged
    ):
        source = builders.a_source(app, platform)
        call_hook(client, source, sample_of(source), Host="testserver")
        settings.ALLOWED_HOSTS = ["events.example.com"]

        answer = call_hook(client, source, sample_of(source), Host=f"{CANARY}.com")

        assert (answer.status_code, answer.content) == (source.preset.busy, b"")
        assert answer.headers["Retry-After"] == "30"
        assert "A hook was called by a wrong address: unknown-host" in logged()
        assert CANARY not in logged()

    def test_plain_http_is_busy_and_nobody_is_redirected(self, client, app, settings):
        settings.SECURE_SSL_REDIRECT = True
        settings.SECURE_REDIRECT_EXEMPT = [r"^v1(/|$)"]
        source = builders.a_source(app, "branch")

        answer = call_hook(client, source, sample_of(source))

        assert (answer.status_code, answer.content) == (503, b"")
        assert "Location" not in answer.headers
        assert not ReferralEvent.objects.exists()

    @pytest.mark.parametrize(
        "path",
        [
            *("/v1/hooks", "/v1/hooks/", "/v1/hooks/a/b/c", "/v1/hooks/a/b/"),
            *("/v1/hooks//", "/v1/hooks/a//b", "/v1/hooks/a%2Fb%2Fc", "/v1/hooks/%00"),
            *("/v1/hooks/a%0Ab", "/v1/hooks/%ff", f"/v1/hooks/{'a' * 4_000}"),
            *("/v1/hooks/%E2%80%AE", "/v1/hooks/'", "/v1/hooks/../../admin"),
        ],
    )
    def test_an_address_that_no_source_can_have_asks_no_database(
        self, path, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            status, headers, text = call_by_wsgi("POST", path.encode(), body=b"{}")

        assert (status, text) == (404, b"")
        assert "Location" not in headers

    def test_an_address_is_never_mended_by_a_redirect(self, client, app):
        source = builders.a_source(app, "branch")

        answer = client.post(f"/v1/hooks/{source.public_id}/", b"{}", "text/plain")

        assert (answer.status_code, answer.content) == (404, b"")

    def test_a_line_of_a_call_has_the_route_alone(self, client, app, logged):
        source = builders.a_source(app, "adjust")

        client.get(
            f"/v1/hooks/{source.public_id}/{CANARY}?x={CANARY}",
            headers={"X-Request-Id": CANARY, "Referer": CANARY},
        )

        assert "/v1/hooks/<str:public_id>/<str:path_secret>" in logged()
        assert CANARY not in logged()
        assert source.public_id not in logged()


class TestRequestIds:
    @pytest.mark.parametrize("path", ["/v1/hooks/a", "//v1//hooks/a/b", "/v1/hooks"])
    def test_a_hook_takes_no_name_from_its_caller(self, path):
        _, headers, _ = call_by_wsgi("POST", path.encode(), [("X-Request-Id", CANARY)])

        assert headers["X-Request-Id"] != CANARY
        assert len(headers["X-Request-Id"]) == 16

    def test_other_addresses_do(self, client):
        answer = client.get("/v1/hooksx", headers={"X-Request-Id": CANARY})

        assert answer.headers["X-Request-Id"] == CANARY


class TestHeadersThatCameTwice:
    @pytest.mark.parametrize(
        "platform",
        [
            *("branch", "appsflyer", "getsocial", "growsurf", "friendbuy", "dub"),
            *("voucherify", "standard_webhooks", "impact_advocate", "talkable"),
        ],
    )
    @pytest.mark.parametrize("other", ["", "another", None])
    def test_a_good_one_beside_it_lets_no_call_pass(self, app, platform, other):
        source = builders.a_source(app, platform)
        call = sample_of(source)
        secret = {source.preset.header.lower(), "svix-signature"}
        lines = signed_lines(call)
        ((name, value), *_) = [each for each in lines if each[0].lower() in secret]
        twice = [*lines, (name, value if other is None else other)]

        once, *both = [
            verify_by_wsgi(source, each, call.body)
            for each in (lines, twice, twice[::-1])
        ]

        assert once == Verified(0)
        assert [each.check for each in both] == [Check.HEADER_REPEATED] * 2

    def test_a_secret_that_a_proxy_joined_is_another(self, client, app):
        source = builders.a_source(app, "branch")
        call = sample_of(source)
        (secret,) = call.find_headers("x-webhook-secret")

        answer = call_hook(
            client, source, call, **{"X-Webhook-Secret": f"{secret}, {secret}"}
        )

        assert answer.status_code == 401


class TestBodies:
    def test_one_that_was_cut_off_is_asked_for_again(self, app):
        source = builders.a_source(app, "growsurf")
        call = sample_of(source)

        status, headers, text = call_by_wsgi(
            "POST",
            f"/v1/hooks/{source.public_id}".encode(),
            signed_lines(call),
            call.body,
            is_whole=False,
        )

        assert (status, headers["Retry-After"], text) == (503, "30", b"")
        assert not ReferralEvent.objects.exists()

    def test_a_get_is_served_whatever_body_it_brings(self, app):
        source = builders.a_source(app, "adjust")
        call = sample_of(source)
        query = "&".join(f"{name}={value}" for name, value in call.query)

        status, _, _ = call_by_wsgi(
            "GET",
            f"/v1/hooks/{source.public_id}/{call.path_secret}".encode(),
            [],
            b"thrown away",
            query=query.encode(),
            is_whole=False,
        )

        assert status == 200


class TestTheTimeThatIsLeft:
    def test_a_call_that_comes_from_elsewhere_has_all_of_it(self):
        assert find_seconds_left(RequestFactory().get("/"), 1.0) == 1.0

    @pytest.mark.parametrize(
        ("waited", "least", "most"),
        [(0.0, 0.0, 1.0), (1.0, 0.0, ANSWER_SECONDS - 1.0), (9.0, 0.0, 0.0)],
    )
    def test_it_runs_from_when_the_call_was_whole(self, waited, least, most):
        request = RequestFactory().get("/", **{ARRIVED_AT: monotonic() - waited})

        assert least <= find_seconds_left(request, 1.0) <= most


@pytest.mark.django_db(transaction=True)
class TestLateCalls:
    def test_one_that_waited_too_long_is_not_begun(self, app):
        source = builders.a_source(app, "growsurf")
        call = signed(source, sample_of(source).body)

        answer = call_by_wsgi(
            "POST",
            f"/v1/hooks/{source.public_id}".encode(),
            signed_lines(call),
            call.body,
            **{ARRIVED_AT: monotonic() - 60},
        )

        assert (answer[0], answer[2]) == (503, b"")
        assert not ReferralEvent.objects.exists()


class _ProgramLimitError(Exception):
    """What PostgreSQL raises for what is larger than it can ever store."""

    sqlstate = "54000"


@pytest.mark.parametrize("platform", ["branch", "growsurf"])
def test_what_the_database_can_never_hold_is_not_asked_for_again(client, app, platform):
    source = builders.a_source(app, platform)

    def refuse(execute, sql, *rest):
        if "referrals_referralevent" in sql:
            raise OperationalError from _ProgramLimitError()
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        answer = call_hook(client, source, sample_of(source))

    assert (answer.status_code, log.read_head(app.pk)) == (200, 0)
