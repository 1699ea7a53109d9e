"""A user's profile, and the ways in which CleverTap says that there is none."""

import logging

import pytest

from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    MalformedResponseError,
    ServerError,
    WrongAddressError,
)
from tests.wire import CANARY, ScriptedServer, a_client

PROFILE = {"identity": "ann@example.com", "events": {"App Launched": {"count": 10}}}


@pytest.fixture
def clevertap():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def client(clevertap):
    return a_client(clevertap.url)


def test_a_known_user_is_returned(client, clevertap):
    clevertap.answers(200, {"status": "success", "record": PROFILE})

    assert client.fetch_profile("ann+1@example.com") == PROFILE
    [request] = clevertap.requests
    assert request.method == "GET"
    assert request.target == "/1/profile.json?identity=ann%2B1%40example.com"
    assert request.headers["X-CleverTap-Passcode"] == CANARY
    assert "Content-Type" not in request.headers


def test_a_user_is_asked_for_by_object_id(client, clevertap):
    clevertap.answers(200, {"status": "success", "record": PROFILE})

    client.fetch_profile("__abc", object_id=True)

    assert clevertap.requests[0].target == "/1/profile.json?objectId=__abc"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"status": "fail", "error": "x", "code": 404}),
        (404, b""),
        (200, {"status": "success", "record": None}),
        (200, {"status": "fail", "error": "Profile not found"}),
        (200, {"status": "fail", "error": "User does not exist", "code": 1}),
        (200, {"status": "fail", "error": "x", "code": 404}),
    ],
    ids=str,
)
def test_an_unknown_user_is_none(client, clevertap, status, body):
    clevertap.answers(status, body)

    assert client.fetch_profile("ann@example.com") is None


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b"<html>no such page</html>", WrongAddressError),
        (401, {"error": "Invalid Credentials"}, AuthenticationError),
        (200, {"status": "fail", "error": "x", "code": 401}, AuthenticationError),
        (500, b"", ServerError),
        (200, b"<html>", MalformedResponseError),
        (200, {"status": "fail", "error": "x", "code": [404]}, MalformedResponseError),
        (200, {"record": "ann"}, MalformedResponseError),
        (200, [], MalformedResponseError),
    ],
    ids=str,
)
def test_anything_else_is_an_error(client, clevertap, status, body, error):
    clevertap.answers(status, body)

    with pytest.raises(error):
        client.fetch_profile("ann@example.com")


def test_the_identity_that_was_asked_for_is_in_no_error_and_in_no_log(
    client, clevertap, caplog
):
    caplog.set_level(logging.DEBUG)
    clevertap.answers(400, {"error": "ann-the-1st is no identity"})

    with pytest.raises(Exception, match="is no identity") as caught:
        client.fetch_profile("ann-the-1st")

    assert "ann-the-1st" not in str(caught.value)
    assert caplog.records == []


def test_an_identity_that_cannot_be_sent_is_an_error_that_does_not_show_it(client):
    with pytest.raises(Exception, match="nothing was sent") as caught:
        client.fetch_profile("ann\ud800")

    assert "ann\ud800" not in str(caught.value)
