"""Asking the sandbox what arrived, as one asks CleverTap."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from clevertap_sync.sandbox import Sandbox
from tests.harness.process import PATIENCE_SECONDS
from tests.unit.sandbox.conftest import Caller


def ask(caller, path, query):
    return requests.post(
        caller.base + path, json=query, headers=caller.headers, timeout=PATIENCE_SECONDS
    )


def test_a_profile_tells_how_often_and_when_each_event_came(caller, a_record):
    caller.upload(a_record(ts=200), a_record(ts=100), a_record(evtName="Other", ts=300))

    answer = caller.get("/1/profile.json", identity="ann@example.com")

    assert answer.text == (
        '{ "status" : "success" , "record" : { "identity" : "ann@example.com" ,'
        ' "profileData" : { } , "events" : { "Referred App Install" : { "count" : 2 ,'
        ' "first_seen" : 100 , "last_seen" : 200} , "Other" : { "count" : 1 ,'
        ' "first_seen" : 300 , "last_seen" : 300}} , "platformInfo" : [ ]}}'
    )


def test_an_event_without_a_time_gets_the_time_of_receipt(a_record):
    with Sandbox(clock=lambda: 1_800_000_000.9) as sandbox:
        caller = Caller(sandbox)
        caller.upload(a_record(ts=...))
        record = caller.get("/1/profile.json", identity="ann@example.com").json()

    seen = record["record"]["events"]["Referred App Install"]
    assert seen == {"count": 1, "first_seen": 1_800_000_000, "last_seen": 1_800_000_000}


def test_a_profile_is_found_by_email_and_by_object_id(caller, a_record):
    caller.upload(
        {
            "type": "profile",
            "identity": "42",
            "profileData": {"Email": "a@example.com"},
        },
        a_record(identity="42"),
        a_record(identity=..., objectId="__h7"),
    )

    by_email = caller.get("/1/profile.json", email="a@example.com").json()["record"]
    by_device = caller.get("/1/profile.json", objectId="__h7").json()["record"]

    assert by_email["identity"] == "42"
    assert by_email["email"] == "a@example.com"
    assert by_email["events"]["Referred App Install"]["count"] == 1
    assert by_device["objectId"] == "__h7"
    assert caller.get("/1/profile.json", identity="__h7").status_code == 404


@pytest.mark.parametrize(
    ("form", "status", "body"),
    [
        (
            "404",
            404,
            '{ "status" : "fail" , "error" : "Profile not found" , "code" : 404}',
        ),
        ("null", 200, '{ "status" : "success" , "record" : null}'),
        (
            "fail",
            200,
            '{ "status" : "fail" , "error" : "Profile not found" , "code" : 404}',
        ),
    ],
)
def test_an_unknown_profile_is_answered_in_the_chosen_form(
    sandbox, caller, form, status, body
):
    sandbox.switch(profile_not_found=form)

    answer = caller.get("/1/profile.json", identity="nobody")

    assert (answer.status_code, answer.text) == (status, body)


def test_a_profile_needs_one_identity_and_the_right_credentials(caller):
    assert caller.get("/1/profile.json").status_code == 400
    assert caller.get("/1/profile.json", identity="a", email="b").status_code == 400

    caller.headers["X-CleverTap-Passcode"] = "wrong"
    assert caller.get("/1/profile.json", identity="a").status_code == 401


def test_three_reads_are_in_flight_and_the_fourth_is_too_many(sandbox, caller):
    sandbox.fault(times=3, only="reads", hold="before_storing")

    with ThreadPoolExecutor(3) as pool:
        pending = [
            pool.submit(caller.get, "/1/profile.json", identity="x") for _ in range(3)
        ]
        sandbox.wait_for_requests(3)
        refused = caller.get("/1/profile.json", identity="x")
        sandbox.release()

        assert [each.result().status_code for each in pending] == [404] * 3
    assert refused.status_code == 429


def test_events_are_counted_by_day_and_property(caller, a_record):
    day = 1_700_000_000  # 2023-11-14
    caller.upload(
        a_record(ts=day),
        a_record(ts=day, evtData={"Channel": "sms"}),
        a_record(ts=day + 86_400),
    )
    query = {"event_name": "Referred App Install", "from": 20231114, "to": 20231114}
    sms = {"name": "Channel", "operator": "equals", "value": "sms"}

    assert ask(caller, "/1/counts/events.json", query).json() == {
        "status": "success",
        "count": 2,
    }
    query["event_properties"] = [sms]
    assert ask(caller, "/1/counts/events.json", query).json()["count"] == 1


def test_events_are_read_with_a_cursor(sandbox, caller, a_record):
    records = [a_record(identity=f"u{n}") for n in range(1_000)]
    for _ in range(6):
        caller.upload(*records)
    query = {"event_name": "Referred App Install", "from": 20231101, "to": 20231130}

    cursor = ask(caller, "/1/events.json", query).json()["cursor"]
    first = caller.get("/1/events.json", cursor=cursor).json()
    second = caller.get("/1/events.json", cursor=first["next_cursor"]).json()

    assert (len(first["records"]), len(second["records"])) == (5_000, 1_000)
    assert "next_cursor" not in second
    assert first["records"][0] == {
        "profile": {"identity": "u0"},
        "ts": 20231114221320,
        "event_props": {"Channel": "whatsapp", "Status": "valid"},
        "session_props": {},
    }


def test_wrong_questions_are_refused_within_a_success(caller, a_record):
    caller.upload(a_record())
    query = {"event_name": "referred app install", "from": 20231101, "to": 20231130}

    answer = ask(caller, "/1/events.json", query)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "fail",
        "error": "Invalid event : referred app install",
        "code": 400,
    }

    query.update(event_name="Referred App Install", to=29991231)
    assert ask(caller, "/1/events.json", query).json()["code"] == 4002
    assert caller.get("/1/events.json", cursor="%%%").status_code == 400
    assert ask(caller, "/1/events.json", json.dumps(query)).status_code == 400
