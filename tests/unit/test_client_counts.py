"""Asking CleverTap for counts and its schema, and every form of what it answers."""

import json
from datetime import date

import pytest

from clevertap_sync.clevertap.causes.week import SchemaEvent
from clevertap_sync.clevertap.client import (
    Condition,
    EventCount,
    PendingCount,
    is_reading_forbidden,
)
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    MalformedResponseError,
    RequestRejectedError,
    ServerError,
    TooManyRequestsError,
    WrongAddressError,
)
from clevertap_sync.clevertap.stored_schema import pack_schema, unpack_schema
from tests.wire import CANARY, ScriptedServer, a_client

NAME = "Referred App Install"
FIRST, LAST = date(2026, 1, 9), date(2026, 1, 15)
PAGE = b"<html><body>Sign in</body></html>"


@pytest.fixture
def clevertap():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def client(clevertap):
    return a_client(clevertap.url)


def failed(error, code):
    return {"status": "fail", "error": error, "code": code}


def test_a_count_is_asked_by_name_and_whole_days(client, clevertap):
    clevertap.answers(200, {"status": "success", "count": 1234})

    assert client.count_events(NAME, FIRST, LAST) == EventCount(1234)
    [request] = clevertap.requests
    assert (request.method, request.target) == ("POST", "/1/counts/events.json")
    assert request.headers["X-CleverTap-Passcode"] == CANARY
    assert json.loads(request.body) == {
        "event_name": NAME,
        "from": 20260109,
        "to": 20260115,
    }


@pytest.mark.parametrize(
    ("condition", "spelled"),
    [
        (
            Condition("Channel", "equals", "sms"),
            {"name": "Channel", "operator": "equals", "value": "sms"},
        ),
        (
            Condition("Is New", "equals", value=True),
            {"name": "Is New", "operator": "equals", "value": "True"},
        ),
        (Condition("Content", "exists"), {"name": "Content", "operator": "exists"}),
    ],
    ids=["text", "truth", "exists"],
)
def test_a_condition_is_spelled_as_the_query_has_it(
    client, clevertap, condition, spelled
):
    clevertap.answers(200, {"status": "success", "count": 0})

    client.count_events(NAME, FIRST, FIRST, [condition])

    assert json.loads(clevertap.requests[0].body)["event_properties"] == [spelled]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"status": "success", "count": "7"}, EventCount(7)),
        ({"status": "partial", "req_id": 384649162721}, PendingCount("384649162721")),
        ({"status": "partial", "req_id": "a-b"}, PendingCount("a-b")),
        (failed("Request still in progress, please retry later", 2), PendingCount()),
        (failed(f"Invalid event : {NAME}", 400), EventCount(0, is_unknown_name=True)),
        (failed("invalid event: ", 400), EventCount(0, is_unknown_name=True)),
    ],
    ids=["text", "partial", "partial text", "code 2", "unknown", "unknown, unnamed"],
)
def test_each_known_form_of_an_answer_is_read(client, clevertap, body, answer):
    clevertap.answers(200, body)

    assert client.count_events(NAME, FIRST, LAST) == answer


def test_a_name_that_is_unknown_may_be_a_plain_400(client, clevertap):
    clevertap.answers(400, failed(f"Invalid event : {NAME}", 400))

    assert client.count_events(NAME, FIRST, LAST) == EventCount(0, is_unknown_name=True)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, failed("Incorrect Usage", 3), RequestRejectedError),
        (401, {"error": "Invalid Credentials"}, AuthenticationError),
        (403, {"error": "Forbidden"}, AuthenticationError),
        (404, PAGE, WrongAddressError),
        (429, {"error": "Too many concurrent requests"}, TooManyRequestsError),
        (503, PAGE, ServerError),
        (200, PAGE, MalformedResponseError),
        (200, b"", MalformedResponseError),
        (200, [], MalformedResponseError),
        (200, {"status": "success"}, MalformedResponseError),
        (200, {"status": "success", "count": -1}, MalformedResponseError),
        (200, {"status": "success", "count": True}, MalformedResponseError),
        (200, {"status": "success", "count": 12.0}, MalformedResponseError),
        (200, {"status": "success", "count": 10**16}, MalformedResponseError),
        (200, failed("To date cannot be in the future", 4002), RequestRejectedError),
        (200, failed("Invalid event : Other", 400), RequestRejectedError),
        (200, failed("Invalid event properties", 400), RequestRejectedError),
        (200, failed("Invalid Credentials", 401), AuthenticationError),
    ],
    ids=str,
)
def test_all_else_is_an_error_and_never_a_zero(client, clevertap, status, body, error):
    clevertap.answers(status, body)

    with pytest.raises(CleverTapError) as caught:
        client.count_events(NAME, FIRST, LAST)

    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("status", "body", "is_forbidden"),
    [
        (403, PAGE, True),
        (200, failed("Not permitted", 403), True),
        (401, {"error": "Invalid Credentials"}, False),
        (200, failed("Invalid Credentials", 401), False),
        (500, b"", False),
    ],
    ids=str,
)
def test_a_passcode_that_may_not_read_is_told_from_a_wrong_one(
    client, clevertap, status, body, is_forbidden
):
    clevertap.answers(status, body)

    with pytest.raises(CleverTapError) as caught:
        client.count_events(NAME, FIRST, LAST)

    assert is_reading_forbidden(caught.value) is is_forbidden


def test_an_error_shows_neither_passcode_nor_what_was_asked_for(client, clevertap):
    clevertap.answers(400, failed(f"{CANARY} asked for ann@example.com, spring-7", 3))

    with pytest.raises(RequestRejectedError) as caught:
        client.count_events(
            NAME, FIRST, LAST, [Condition("Content", "equals", "spring-7")]
        )

    assert caught.value.detail == "•••• asked for ••••, ••••"


def test_a_pending_count_is_asked_for_by_its_request_id(client, clevertap):
    clevertap.answers(200, {"status": "success", "count": 5})

    assert client.fetch_count("38/4") == EventCount(5)
    [request] = clevertap.requests
    assert (request.method, request.target) == (
        "GET",
        "/1/counts/events.json?req_id=38%2F4",
    )


@pytest.mark.parametrize(
    "request_id",
    ["a\nb", "\ud800", "\N{LATIN SMALL LETTER E WITH ACUTE}", "x" * 201, True, 1.5, ""],
    ids=ascii,
)
def test_a_request_id_that_no_address_can_hold_is_none(client, clevertap, request_id):
    clevertap.answers(200, {"status": "partial", "req_id": request_id})

    assert client.count_events(NAME, FIRST, LAST) == PendingCount(None)


@pytest.mark.parametrize("status", [200, 400])
def test_a_request_that_clevertap_has_forgotten_is_no_error(client, clevertap, status):
    clevertap.answers(status, failed("Invalid request id", 400))

    assert client.fetch_count("384") is None


def test_the_schema_lists_event_types_by_what_they_are(client, clevertap):
    entries = [
        {"name": "App Launched", "status": "Active", "type": "Defined"},
        {"name": "Referred Sale", "status": "Discarded", "type": "Undefined"},
        {"name": "New Words", "status": "Archived"},
        {"status": "Active"},
        "odd",
    ]
    clevertap.answers(200, {"status": "success", "events": entries})

    schema = client.fetch_event_schema()

    assert schema.events == {
        "applaunched": SchemaEvent("App Launched", "active", is_defined=True),
        "referredsale": SchemaEvent("Referred Sale", "discarded", is_defined=False),
        "newwords": SchemaEvent("New Words", "active", is_defined=True),
    }
    assert not schema.is_full
    assert clevertap.requests[0].target == "/getSchema?type=events"
    assert unpack_schema(json.loads(json.dumps(pack_schema(schema)))) == schema


def test_a_schema_may_be_long(client, clevertap):
    entries = [{"name": f"Event {n}", "meta": "x" * 2_500} for n in range(512)]
    clevertap.answers(200, {"status": "success", "events": entries})

    assert client.fetch_event_schema().is_full


def test_what_can_be_no_event_name_is_left_out_of_a_schema(client, clevertap):
    odd = ["", "a\0b", "a\ud800b", "x" * 2_000, None, 7, ["Sale"]]
    entries = [{"name": name} for name in [*odd, "Sale"]]
    clevertap.answers(200, {"events": entries})

    assert list(client.fetch_event_schema().events) == ["sale"]


def test_a_schema_that_would_fill_the_memory_is_not_read(client, clevertap):
    clevertap.answers(200, b'{"events": [' + b"[]," * 1_000_000 + b"[]]}")

    with pytest.raises(MalformedResponseError, match="too many parts"):
        client.fetch_event_schema()


def test_a_schema_of_more_events_than_any_account_has_is_none(client, clevertap):
    clevertap.answers(200, {"events": [{"name": str(n)} for n in range(20_001)]})

    with pytest.raises(MalformedResponseError):
        client.fetch_event_schema()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, failed("Not permitted", 403), AuthenticationError),
        (200, {"status": "success"}, MalformedResponseError),
        (200, PAGE, MalformedResponseError),
        (429, b"", TooManyRequestsError),
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_read_is_an_error(
    client, clevertap, status, body, error
):
    clevertap.answers(status, body)

    with pytest.raises(CleverTapError) as caught:
        client.fetch_event_schema()

    assert type(caught.value) is error
