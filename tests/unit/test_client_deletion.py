"""Asking CleverTap to delete people, and what it may say to that."""

import json
import logging

import pytest

from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    MalformedResponseError,
    RequestRejectedError,
    ServerError,
    TooManyRequestsError,
)
from tests.wire import CANARY, ScriptedServer, a_client

ANN = "ann-the-1st"


@pytest.fixture
def clevertap():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def client(clevertap):
    return a_client(clevertap.url)


@pytest.mark.parametrize(("object_ids", "key"), [(False, "identity"), (True, "guid")])
def test_the_order_names_people_by_one_kind_of_id(client, clevertap, object_ids, key):
    clevertap.answers(200, {"status": "success"})

    client.delete_profiles([ANN, "ö"], object_ids=object_ids)

    [request] = clevertap.requests
    assert (request.method, request.target) == ("POST", "/1/delete/profiles.json")
    assert request.headers["X-CleverTap-Passcode"] == CANARY
    assert json.loads(request.body) == {key: [ANN, "ö"]}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"status": "fail", "error": "x"}, RequestRejectedError),
        (401, {"error": "Invalid Credentials"}, AuthenticationError),
        (429, {}, TooManyRequestsError),
        (503, b"", ServerError),
        (200, {"status": "fail", "error": "x", "code": 401}, AuthenticationError),
        (200, {"status": "fail", "error": "x"}, MalformedResponseError),
        (200, {}, MalformedResponseError),
        (200, [], MalformedResponseError),
        (200, b"<html>", MalformedResponseError),
    ],
    ids=str,
)
def test_all_but_a_success_is_an_error(client, clevertap, status, body, error):
    clevertap.answers(status, body)

    with pytest.raises(error):
        client.delete_profiles([ANN])


def test_nobody_who_was_to_be_deleted_is_in_an_error_or_in_a_log(
    client, clevertap, caplog
):
    caplog.set_level(logging.DEBUG)
    clevertap.answers(400, {"error": f"no such user: {ANN.upper()}"})

    with pytest.raises(CleverTapError, match="no such user") as caught:
        client.delete_profiles([ANN])

    assert ANN not in str(caught.value).casefold()
    assert caplog.records == []
