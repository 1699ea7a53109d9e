"""What every page tells the browser that it may not do."""

from wsgiref.util import setup_testing_defaults

import pytest
from django.contrib.staticfiles import finders
from django.core.wsgi import get_wsgi_application

from integration_project.api_entry import ApiEntry

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/login/", "/metrics", "/nothing"])
def test_a_page_may_use_what_comes_from_here_and_nothing_else(client, path):
    answer = client.get(path)

    assert answer["Content-Security-Policy"] == POLICY
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


@pytest.mark.django_db
def test_the_login_page_keeps_to_its_policy(client):
    page = client.get("/admin/login/").content.decode()

    assert "<style" not in page
    assert "style=" not in page
    assert "<script>" not in page
    assert "javascript:" not in page
    assert finders.find("admin/css/base.css")


def test_the_root_leads_to_the_admin(client):
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_behind_a_proxy_plain_http_is_sent_to_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS = 60

    plain = client.get("/missing")
    secure = client.get("/missing", headers={"X-Forwarded-Proto": "https"})

    assert plain.status_code == 301
    assert plain["Location"] == "https://testserver/missing"
    assert secure.status_code == 404
    assert secure["Strict-Transport-Security"] == "max-age=60"


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_of_the_api_has_what_django_would_give_it(settings, scheme):
    settings.SECURE_HSTS_SECONDS = 60
    django = get_wsgi_application()

    given = list_headers(ApiEntry(django), scheme)

    assert given == list_headers(django, scheme)
    assert ("Strict-Transport-Security" in given) is (scheme == "https")
    assert given["X-Content-Type-Options"] == "nosniff"
    assert given["Content-Security-Policy"] == POLICY


def list_headers(application, scheme):
    """Return the headers of the answer to a request of the API that no view has."""
    environ = {"PATH_INFO": "/v1/nowhere", "HTTP_X_REQUEST_ID": "one"}
    setup_testing_defaults(environ)
    given = {}
    answer = application(
        {**environ, "wsgi.url_scheme": scheme},
        lambda _status, headers: given.update(headers),
    )
    if close := getattr(answer, "close", None):
        close()
    return given
