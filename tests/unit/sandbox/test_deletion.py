"""Deleting people in the sandbox, as one does in CleverTap."""

import pytest
import requests

from tests.harness.process import PATIENCE_SECONDS

DELETE = "/1/delete/profiles.json"


def delete(caller, order, headers=None):
    return requests.post(
        caller.base + DELETE,
        json=order,
        headers=headers or caller.headers,
        timeout=PATIENCE_SECONDS,
    )


def is_known(caller, **who):
    return caller.get("/1/profile.json", **who).status_code == 200


@pytest.mark.parametrize(
    "order", ["ann@example.com", ["x", "ann@example.com"]], ids=str
)
def test_a_person_is_forgotten_by_identity_with_their_events(caller, a_record, order):
    caller.upload(a_record(), a_record(identity="bob@example.com"))

    answer = delete(caller, {"identity": order})

    assert (answer.status_code, answer.text) == (200, '{ "status" : "success"}')
    assert not is_known(caller, identity="ann@example.com")
    assert is_known(caller, identity="bob@example.com")


def test_a_person_is_forgotten_by_object_id(caller, a_record):
    caller.upload(a_record(identity=..., objectId="__h7"), a_record(identity="__h7"))

    delete(caller, {"guid": "__h7"})

    assert not is_known(caller, objectId="__h7")
    assert is_known(caller, identity="__h7")


def test_a_later_event_makes_the_profile_anew(caller, a_record):
    caller.upload(a_record(), a_record())
    delete(caller, {"identity": "ann@example.com"})

    caller.upload(a_record())

    record = caller.get("/1/profile.json", identity="ann@example.com").json()["record"]
    assert record["events"]["Referred App Install"]["count"] == 1


@pytest.mark.parametrize(
    "order",
    [
        {},
        [],
        {"identity": []},
        {"identity": ["x"] * 101},
        {"identity": "x", "guid": "y"},
        {"identity": 42},
        {"email": "ann@example.com"},
    ],
    ids=str,
)
def test_any_other_order_is_refused_and_nobody_is_forgotten(caller, a_record, order):
    caller.upload(a_record())

    assert delete(caller, order).status_code == 400
    assert is_known(caller, identity="ann@example.com")


def test_a_hundred_are_forgotten_at_once(caller):
    assert delete(caller, {"identity": ["x"] * 100}).status_code == 200


def test_only_the_right_credentials_may_delete(caller, a_record):
    caller.upload(a_record())
    wrong = {**caller.headers, "X-CleverTap-Passcode": "wrong"}

    answer = delete(caller, {"identity": "ann@example.com"}, wrong)

    assert answer.status_code == 401
    assert is_known(caller, identity="ann@example.com")
