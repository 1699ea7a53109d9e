"""`/docs`, `/openapi.json`, and the name that every request has."""

import re

import pytest
from django.contrib.staticfiles import finders

from referrals.api import openapi, problems
from referrals.models import ApiKey
from referrals.templatetags.api_docs import with_code


def test_the_docs_explain_every_field_and_every_problem(client):
    page = client.get("/docs")

    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for name in (*openapi.EVENT_FIELDS, *openapi.PERSON_FIELDS):
        assert f"<code>{name}</code>" in page.text
    assert "`" not in page.text
    for kind in problems.PROBLEM_KINDS:
        assert f'id="problem-{kind.slug}"' in page.text


def test_the_docs_mark_code_and_escape_everything_else():
    assert with_code("<b> is `a < b` & c") == (
        "&lt;b&gt; is <code>a &lt; b</code> &amp; c"
    )


def test_the_docs_need_no_script_and_no_style_of_their_own(client):
    page = client.get("/docs")

    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    assert not re.search(
        r"<script|<style|style=|\son\w+=|https?://(?!testserver)", page.text
    )
    (stylesheet,) = re.findall(r'href="/static/([^"]+\.css)"', page.text)
    assert finders.find(stylesheet) is not None


def test_the_docs_name_the_server_that_shows_them(client):
    page = client.get("/docs", headers={"Host": "127.0.0.1:8000"})

    assert "curl http://127.0.0.1:8000/v1/events" in page.text


def test_the_openapi_document_is_served(client):
    answer = client.get("/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == openapi.encode_document()
    assert answer.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_a_document_needs_no_key_and_no_database(client, path):
    # Without the database mark, a query would fail.
    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405


def test_the_callers_request_id_comes_back(client):
    answer = client.get("/docs", headers={"X-Request-Id": "import-42/7"})

    assert answer.headers["X-Request-Id"] == "import-42/7"


@pytest.mark.parametrize("sent", [None, "", "a b", "a\tb", "é", "x" * 129, "\x7f"])
def test_a_request_without_a_usable_id_gets_one(client, sent):
    headers = {} if sent is None else {"X-Request-Id": sent}

    names = {client.get("/docs", headers=headers).headers["X-Request-Id"] for _ in "ab"}

    assert len(names) == 2
    assert all(re.fullmatch(r"[a-z2-7]{16}", name) for name in names)


def test_an_id_of_128_characters_is_kept(client):
    answer = client.get("/docs", headers={"X-Request-Id": "~" * 128})

    assert answer.headers["X-Request-Id"] == "~" * 128


@pytest.mark.parametrize(
    "sent",
    [
        *("rk_" + "k" * 43, "trace-rk_" + "k" * 43 + "-1"),
        # Cut short, what is missing could be guessed.
        *("rk_" + "k" * 42, "rk_" + "k" * 10),
    ],
)
def test_an_api_key_is_no_name_of_a_request(client, sent):
    answer = client.get("/docs", headers={"X-Request-Id": sent})

    assert "kkk" not in answer.headers["X-Request-Id"]


def test_what_is_shown_of_a_key_may_name_a_request(client):
    answer = client.get("/docs", headers={"X-Request-Id": "rk_" + "k" * 9})

    assert answer.headers["X-Request-Id"] == "rk_" + "k" * 9


@pytest.mark.django_db
def test_a_problem_has_the_request_id_too(client):
    answer = client.post("/v1/events", headers={"X-Request-Id": "r-1"})

    assert answer.status_code == 401
    assert answer.headers["X-Request-Id"] == "r-1"
    assert ApiKey.objects.count() == 0
