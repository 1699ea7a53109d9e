"""One line per request, by its route, with what the view adds and nothing of its caller."""

import json
import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path

from integration_project.observability.formatters import JsonFormatter
from integration_project.observability.request_log import logger
from tests import builders

CANARY = "canary-7f31"


def counting(request: HttpRequest, key: str) -> HttpResponse:
    fields = {"app": "shop", "accepted": 2, "message": "x", "passcode": key}
    request.log_fields = fields  # type: ignore[attr-defined] # as views do it
    return HttpResponse()


def failing(request: HttpRequest) -> HttpResponse:
    raise ValueError(CANARY)


urlpatterns = [path("counting/<str:key>", counting), path("failing", failing)]


@pytest.fixture
def lines(caplog):
    """Return the lines of the requests so far, as machines read them."""
    caplog.set_level(logging.INFO)

    def read():
        records = [record for record in caplog.records if record.name == logger.name]
        return [json.loads(JsonFormatter().format(record)) for record in records]

    return read


@pytest.mark.urls(__name__)
def test_a_line_has_the_route_and_the_fields_of_the_view(client, lines):
    client.get(f"/counting/{CANARY}?q={CANARY}", headers={"Cookie": CANARY})

    (line,) = lines()
    assert line.pop("time")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "level": "info",
        "logger": "integration_project.request",
        "message": "request",
        "method": "GET",
        "path": "/counting/<str:key>",
        "status": 200,
        "app": "shop",
        "accepted": 2,
    }


@pytest.mark.urls(__name__)
def test_a_request_that_fails_has_a_line_too(client, lines):
    client.raise_request_exception = False
    client.get("/failing")

    (line,) = lines()
    assert (line["level"], line["status"]) == ("warning", 500)


def test_an_address_that_nobody_answers_is_not_repeated(client, lines):
    client.get(f"/{CANARY}")
    client.get(f"/static/{CANARY}.css")

    assert [line["path"] for line in lines()] == ["(no route)", "/static/<file>"]


@pytest.mark.django_db
def test_a_request_with_events_says_whose_and_what_became_of_them(client, lines):
    key = builders.an_api_key(builders.an_app(slug="shop"))
    event = builders.a_sent_event()

    client.post(
        "/v1/events",
        data={"events": [event, event, {"type": "bad"}]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}", "X-Request-Id": "r-1"},
    )

    (line,) = lines()
    expected = {
        "path": "/v1/events",
        "status": 202,
        "app": "shop",
        "accepted": 1,
        "duplicate": 1,
        "rejected": 1,
    }
    assert {name: line.get(name) for name in expected} == expected
