"""What refuses a call of the API before a view does: a problem document all the same."""

import functools
import json

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse, HttpResponseRedirect
from django.test import Client

from referrals.models import ReferralEvent
from tests import builders
from tests.builders import a_sent_event

pytestmark = pytest.mark.django_db

ALMOST = [
    "/v1",
    "//v1/events",
    "///v1/events/e-1",
    "/v1/events/",
    "/v1//events",
    "/v1/",
]
#: Each fails as a middleware could, above or below those that a call passes.
FAULTS = {
    "suspicious": (SuspiciousOperation("secret"), 400, "/docs#problem-bad-request"),
    "denied": (PermissionDenied("secret"), 403, "about:blank"),
    "a database": (OperationalError("secret"), 500, "/docs#problem-internal"),
    "a bug": (ZeroDivisionError("secret"), 500, "/docs#problem-internal"),
    "busy": (HttpResponse("<p>", status=429), 429, "about:blank"),
    "away": (HttpResponse("<p>", status=503), 503, "/docs#problem-unavailable"),
    "large": (HttpResponse("<p>", status=413), 413, "/docs#problem-too-large"),
    "nobody's": (HttpResponse("<p>", status=499), 400, "/docs#problem-bad-request"),
    "elsewhere": (HttpResponseRedirect("/there"), 302, "about:blank"),
}


class Faulty:
    """A middleware that refuses whatever comes."""

    fault: HttpResponse | Exception

    def __init__(self, _get_response):
        pass

    def __call__(self, _request):
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.fault


def assert_problem(answer, status, kind):
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert problem["type"] == kind
    assert problem["title"]
    assert problem["detail"]
    assert ReferralEvent.objects.count() == 0
    return problem


@pytest.fixture
def send():
    """Return a function that sends a good event to an address."""
    key = builders.an_api_key(builders.an_app("shop"))
    return functools.partial(post, key)


def post(key, path="/v1/events", **headers):
    return Client(raise_request_exception=False).post(
        "/",
        json.dumps(a_sent_event()),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}", **headers},
        # As it came: the client would take what follows two slashes for a host.
        PATH_INFO=path,
    )


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("path", ALMOST)
def test_an_address_that_is_nearly_right_is_a_problem(send, settings, path, debug):
    settings.DEBUG = debug

    problem = assert_problem(send(path), 404, "/docs#problem-not-found")

    assert "POST /v1/events, without a slash at the end" in problem["detail"]


@pytest.mark.parametrize("debug", [False, True])
def test_a_host_that_is_not_allowed_is_named_with_the_setting(
    send, settings, caplog, debug
):
    settings.ALLOWED_HOSTS = ["events.example.com"]
    settings.DEBUG = debug

    answer = send(Host="other.example.com:8000")

    problem = assert_problem(answer, 400, "/docs#problem-unknown-host")
    assert problem["detail"] == (
        'This server does not answer to the host name "other.example.com:8000". Whoever '
        "runs it adds the name, without a port, to the setting ALLOWED_HOSTS."
    )
    assert "A call was refused: its host is not in ALLOWED_HOSTS" in caplog.text
    assert "other.example.com" not in caplog.text


@pytest.mark.parametrize("host", ["<script>", 'a"b', "a b", "x" * 101, "\x07", "é"])
def test_a_host_that_is_no_name_is_not_repeated(send, host):
    problem = assert_problem(send(Host=host), 400, "/docs#problem-unknown-host")

    assert "does not answer to that host name." in problem["detail"]


def test_plain_http_is_refused_where_https_is_due_and_not_redirected(send, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^v1(/|$)"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    problem = assert_problem(send(), 403, "/docs#problem-https-required")

    assert "to the same address by HTTPS" in problem["detail"]
    assert send(**{"X-Forwarded-Proto": "https"}).status_code == 202


@pytest.fixture(params=[("edge", 1, False), ("api_shortcut", 0, True)], ids=str)
def faulty(request, settings, monkeypatch):
    """Return a function that puts a faulty middleware in, high up or far down."""
    neighbour, offset, settings.DEBUG = request.param
    (place,) = [n for n, name in enumerate(settings.MIDDLEWARE) if neighbour in name]
    settings.MIDDLEWARE = list(settings.MIDDLEWARE)
    settings.MIDDLEWARE.insert(place + offset, f"{__name__}.{Faulty.__name__}")
    return lambda fault: monkeypatch.setattr(Faulty, "fault", fault, raising=False)


@pytest.mark.parametrize(("fault", "status", "kind"), FAULTS.values(), ids=FAULTS)
def test_whatever_a_middleware_refuses_is_a_problem(send, faulty, fault, status, kind):
    faulty(fault)

    answer = send()

    assert_problem(answer, status, kind)
    assert "secret" not in answer.text
    assert answer.headers.get("Location") == ("/there" if status == 302 else None)
    assert answer.headers.get("Retry-After") == ("5" if status == 503 else None)


def test_only_what_is_a_call_of_the_api_is_answered_so(client):
    for path in ("/v1events", "/v2/", "/admin/v1/", "/nothing", "/docs/v1/"):
        answer = client.get(path, follow=True)

        assert answer.headers["Content-Type"].startswith("text/html")


def test_the_middleware_that_sees_to_it_stands_above_all_that_could_refuse(settings):
    assert settings.MIDDLEWARE[:2] == [
        "referrals.api.request_id.RequestIdMiddleware",
        "referrals.api.edge.ProblemsMiddleware",
    ]
