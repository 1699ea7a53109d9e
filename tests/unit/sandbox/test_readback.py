"""Asking the sandbox for a person, as one asks CleverTap."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clevertap_sync.sandbox import Sandbox
from tests.unit.sandbox.conftest import Caller


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


def test_three_reads_of_a_kind_are_in_flight_and_the_fourth_is_too_many(
    sandbox, caller
):
    sandbox.fault(times=3, only="reads", hold="before_storing")

    with ThreadPoolExecutor(3) as pool:
        pending = [
            pool.submit(caller.get, "/1/profile.json", identity="x") for _ in range(3)
        ]
        sandbox.wait_for_requests(3)
        refused = caller.get("/1/profile.json", identity="x")
        other = caller.get("/getSchema", type="events")
        sandbox.release()

        assert [each.result().status_code for each in pending] == [404] * 3
    assert (refused.status_code, other.status_code) == (429, 200)


def test_a_profile_can_show_later_than_it_arrived(a_record):
    now = [1_800_000_000.0]
    with Sandbox(clock=lambda: now[0]) as sandbox:
        sandbox.switch(profile_visible_after=60, visible_jitter=0)
        caller = Caller(sandbox)
        caller.upload(a_record(ts=100))
        now[0] += 60
        caller.upload(a_record(ts=200))

        (seen,) = read_events(caller).values()
        now[0] += 60
        (later,) = read_events(caller).values()
        sandbox.switch(profile_visible_after=None)
        never = caller.get("/1/profile.json", identity="ann@example.com")

    assert seen == {"count": 1, "first_seen": 100, "last_seen": 100}
    assert later == {"count": 2, "first_seen": 100, "last_seen": 200}
    assert never.status_code == 404


def read_events(caller):
    answer = caller.get("/1/profile.json", identity="ann@example.com")
    return answer.json()["record"]["events"]
