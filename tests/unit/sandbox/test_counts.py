"""Asking the sandbox how many events there are: when, how exactly, in whose days."""

import json

import pytest

from clevertap_sync.sandbox import Sandbox
from clevertap_sync.sandbox.counting import Counting, Tally
from tests.unit.sandbox.conftest import DAY, NOW, Caller

COUNTS = "/1/counts/events.json"
INSTALL = "Referred App Install"
TODAY = 20270115


def a_query(first=TODAY, last=TODAY, name=INSTALL, **more):
    return {"event_name": name, "from": first, "to": last, **more}


def a_condition(operator, value=..., name="Channel"):
    condition = {"name": name, "operator": operator, "value": value}
    return {key: each for key, each in condition.items() if each is not ...}


def count(caller, **query):
    return caller.ask(COUNTS, a_query(**query)).json()["count"]


def test_events_are_counted_by_name_and_day(account, a_record):
    account.upload(
        a_record(ts=int(NOW)),
        a_record(ts=...),
        a_record(ts=int(NOW) - DAY),
        a_record(ts=int(NOW), evtName="Other"),
    )

    answer = account.ask(COUNTS, a_query())

    assert answer.text == '{ "status" : "success" , "count" : 2}'
    assert count(account, first=TODAY - 1) == 3
    assert count(account, first=TODAY, last=TODAY - 1) == 0


def test_days_are_the_accounts_own(account, a_record):
    account.upload(a_record(ts=1_799_953_199), a_record(ts=1_799_953_200))

    assert (count(account, first=TODAY - 1), count(account)) == (2, 0)
    account.sandbox.switch(time_zone="Asia/Kolkata")
    # 00:30 there on the 15th is 19:00 of the 14th in UTC.
    assert (count(account, first=TODAY - 1), count(account)) == (2, 2)
    account.sandbox.switch(time_zone="America/New_York")
    assert count(account, first=TODAY - 1, last=TODAY - 1) == 2


def test_a_day_begins_at_the_second_in_zones_with_quarter_hours(account, a_record):
    midnight = 1_799_950_500  # 00:00 in Kathmandu, +05:45
    account.upload(a_record(ts=midnight - 1), a_record(ts=midnight))
    account.sandbox.switch(time_zone="Asia/Kathmandu")

    assert count(account) == 1
    assert count(account, first=TODAY - 1, last=TODAY - 1) == 1


def test_an_upload_shows_late_and_its_name_is_unknown_until_then(
    account, clock, a_record
):
    account.sandbox.switch(counts_visible_after=60, visible_jitter=0)
    account.upload(a_record(ts=int(NOW)))

    clock.now += 59
    assert account.ask(COUNTS, a_query()).json() == {
        "status": "fail",
        "error": f"Invalid event : {INSTALL}",
        "code": 400,
    }
    clock.now += 1
    assert count(account) == 1
    account.sandbox.switch(counts_visible_after=None)
    assert "count" not in account.ask(COUNTS, a_query()).json()


def test_each_upload_has_its_own_share_of_the_jitter(account, clock, a_record):
    account.sandbox.switch(counts_visible_after=60, visible_jitter=60)
    account.upload(a_record(ts=1, evtName="First"))
    fill_singly = [a_record(ts=int(NOW), identity=f"u{n}") for n in range(20)]
    for record in fill_singly:
        account.upload(record)

    seen = []
    for seconds in (59, 75, 90, 105, 120):
        clock.now = NOW + seconds
        seen.append(account.ask(COUNTS, a_query()).json().get("count", 0))

    assert seen[0] == 0
    assert seen[-1] == 20
    assert seen == sorted(seen)
    assert len(set(seen)) >= 4


def test_by_default_nothing_shows_at_once_and_everything_soon(clock, a_record):
    with Sandbox(clock=clock) as sandbox:
        caller = Caller(sandbox)
        caller.upload(a_record(ts=int(NOW)))
        at_once = caller.ask(COUNTS, a_query()).json()
        clock.now += 5
        soon = count(caller)

    assert at_once["status"] == "fail"
    assert soon == 1


def test_names_are_exact_though_they_are_folded_when_written(account, a_record):
    account.upload(
        a_record(ts=int(NOW)), a_record(ts=int(NOW), evtName="referredAPPinstall")
    )

    assert count(account) == 2
    other = a_query(name="referred app install")
    assert account.ask(COUNTS, other).json()["code"] == 400
    account.sandbox.switch(names_on_reading="folded")
    assert account.ask(COUNTS, other).json()["count"] == 2


def test_a_day_in_the_future_is_refused_in_the_accounts_days(account, clock, a_record):
    account.upload(a_record(ts=int(NOW)))
    tomorrow = a_query(last=TODAY + 1)

    assert account.ask(COUNTS, tomorrow).json()["code"] == 4002
    account.sandbox.switch(days_to_come="accept")
    assert account.ask(COUNTS, tomorrow).json()["count"] == 1
    account.sandbox.switch(days_to_come="refuse", time_zone="Pacific/Kiritimati")
    clock.now += DAY // 2
    assert account.ask(COUNTS, tomorrow).json()["count"] == 1


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (a_condition("equals", "sms"), 1),
        (a_condition("equals", "SMS"), 0),
        (a_condition("equals", ["sms", "email"]), 2),
        (a_condition("not_equals", "sms"), 1),
        (a_condition("not_equals", ["sms", "email"]), 0),
        (a_condition("contains", "m"), 2),
        (a_condition("contains", ["ail", "sm"]), 2),
        (a_condition("does_not_contain", "ail"), 1),
        (a_condition("exists"), 2),
        (a_condition("does_not_exist"), 2),
        (a_condition("equals", 5, "Value"), 1),
        (a_condition("greater_than", 4.5, "Value"), 1),
        (a_condition("greater_than", 5, "Value"), 0),
        (a_condition("greater_than_equals", 5, "Value"), 1),
        (a_condition("less_than", 5, "Value"), 0),
        (a_condition("less_than_equals", [4, 5], "Value"), 1),
        (a_condition("equals", "5", "Value"), 0),
        (a_condition("equals", "True", "Value"), 1),
        (a_condition("equals", 1, "Value"), 0),
    ],
    ids=str,
)
def test_conditions_look_into_the_data(account, a_record, condition, expected):
    account.upload(
        *(
            a_record(ts=int(NOW), evtData=data)
            for data in (
                {"Channel": "sms"},
                {"Channel": "email"},
                {"Value": 5},
                {"Value": True},
            )
        )
    )

    assert count(account, event_properties=[condition]) == expected


def test_several_conditions_all_hold(account, a_record):
    account.upload(a_record(ts=int(NOW)), a_record(ts=int(NOW), evtData={}))
    both = [a_condition("exists"), a_condition("equals", "valid", "Status")]

    assert count(account, event_properties=both) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"event_properties": [a_condition("equals", True)]},  # noqa: FBT003 # a value
        {"event_properties": [a_condition("equals")]},
        {"event_properties": [a_condition("equals", [])]},
        {"event_properties": [a_condition("like", "x")]},
        {"event_properties": [a_condition("contains", 5)]},
        {"from": 2027},
        {"to": 20271301},
        {"from": "20270115"},
        {"to": 99991231},
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_malformed(account, a_record, change):
    account.upload(a_record(ts=int(NOW)))

    assert account.ask(COUNTS, {**a_query(), **change}).status_code == 400


def test_a_count_can_be_rounded_to_two_digits(account, a_record):
    account.sandbox.switch(counts="rounded")
    record = a_record(ts=int(NOW))
    seen = []
    for more in (99, 26, 900):
        account.upload(*[record] * more)
        seen.append(count(account))

    assert seen == [99, 130, 1000]


def test_a_count_can_be_sampled_above_a_number(account, a_record):
    account.sandbox.switch(counts="sampled", sample_above=300)
    account.upload(*[a_record(ts=int(NOW))] * 300)
    exact = count(account)
    account.upload(*(a_record(ts=int(NOW) - 900 * n) for n in range(25)))

    assert exact == 300
    assert [count(account), count(account)] == [330, 330]


def test_a_count_can_be_of_users(account, a_record):
    account.sandbox.switch(counts="users", merged_identities={"ann": "42"})
    people = ["ann", "bob", "42", "bob"]
    account.upload(*(a_record(ts=int(NOW), identity=who) for who in people))

    assert count(account) == 2
    account.sandbox.switch(merged_identities={})
    assert count(account) == 3


def test_a_large_count_is_partial_several_times_before_it_comes(
    account, clock, a_record
):
    account.sandbox.switch(partial_above=1, partial_rounds=2, request_id_seconds=60)
    account.upload(a_record(ts=int(NOW)))
    assert count(account) == 1
    account.upload(a_record(ts=int(NOW)))

    first = account.ask(COUNTS, a_query()).json()
    answers = [account.get(COUNTS, req_id=first["req_id"]) for _ in range(3)]
    clock.now += 60
    expired = account.get(COUNTS, req_id=first["req_id"])

    assert first["status"] == "partial"
    assert answers[0].json() == first
    assert [each.json().get("count") for each in answers] == [None, 2, 2]
    assert (expired.status_code, expired.json()["error"]) == (200, "Invalid request id")
    assert "Invalid" in account.get(COUNTS, req_id="made up").json()["error"]


def test_a_passcode_may_upload_and_not_read(account, a_record):
    account.sandbox.switch(may_read=False)

    assert account.upload(a_record(ts=int(NOW))).status_code == 200
    assert account.ask(COUNTS, a_query()).status_code == 403
    assert account.get("/1/profile.json", identity="x").status_code == 403
    assert account.ask("/1/events.json", a_query()).status_code == 403
    assert account.get("/getSchema", type="events").status_code == 403
    deletion = account.ask("/1/delete/profiles.json", {"identity": "x"})
    assert deletion.status_code == 200


def test_beyond_the_plan_queries_stop_and_uploads_go_on(account, clock, a_record):
    account.sandbox.switch(locked_since=NOW + 10)
    account.upload(a_record(ts=int(NOW)))
    assert count(account) == 1
    clock.now += 10

    assert account.upload(a_record(ts=int(NOW))).status_code == 200
    refused = account.ask(COUNTS, a_query())
    account.sandbox.switch(locked_queries="zero")

    assert refused.status_code == 403
    assert refused.json()["error"] == "Account usage limit exceeded"
    assert count(account) == 1
    account.sandbox.switch(locked_since=None)
    assert count(account) == 2


def test_an_account_that_was_emptied_shows_what_came_after(account, clock, a_record):
    account.upload(a_record(ts=int(NOW)), a_record(ts=int(NOW), evtName="Before"))
    clock.now += 10
    account.sandbox.empty_account()
    account.upload(a_record(ts=int(NOW)))

    assert count(account) == 1
    assert account.ask(COUNTS, a_query(name="Before")).json()["code"] == 400
    profile = account.get("/1/profile.json", identity="ann@example.com").json()
    assert profile["record"]["events"][INSTALL]["count"] == 1


def test_days_beyond_the_retention_are_gone(account, a_record):
    account.sandbox.switch(retention_days=2)
    account.upload(*(a_record(ts=int(NOW) - n * DAY) for n in range(5)))

    assert count(account, first=20270101) == 3
    assert count(account, first=TODAY - 3, last=TODAY - 3) == 0


@pytest.mark.parametrize(("rule", "left"), [("gone", 1), ("kept", 3)])
def test_a_deletion_lowers_the_counts(account, a_record, rule, left):
    account.sandbox.switch(deleted_events=rule)
    account.upload(
        a_record(ts=int(NOW)),
        a_record(ts=int(NOW), evtName="referred app install"),
        a_record(ts=int(NOW), identity="bob"),
    )
    account.ask("/1/delete/profiles.json", {"identity": ["ann@example.com", "nobody"]})

    assert count(account) == left
    assert count(account, event_properties=[a_condition("exists")]) == left
    account.upload(a_record(ts=int(NOW)))
    account.ask("/1/delete/profiles.json", {"identity": "ann@example.com"})
    assert count(account) == (left if rule == "gone" else 4)


def test_counts_are_complete_when_records_are_no_longer_kept(clock, a_record):
    with Sandbox(clock=clock, keep=2) as sandbox:
        sandbox.show_at_once()
        caller = Caller(sandbox)
        for _ in range(3):
            caller.upload(a_record(ts=int(NOW)), a_record(ts=int(NOW) - DAY))
        caller.upload(a_record(ts=int(NOW), evtName="Kept"))
        query = a_query(event_properties=[a_condition("exists")])

        counted = count(caller, first=TODAY - 1)
        refused = caller.ask(COUNTS, query)
        kept = caller.ask(COUNTS, {**query, "event_name": "Kept"})

    assert counted == 6
    assert refused.status_code == 500
    assert "give it a larger --keep" in refused.json()["error"]
    assert kept.json()["count"] == 1


def test_tallies_are_bounded_and_none_is_lost():
    counting = Counting(keep=2)
    for number in range(1, 6):
        counting.add(Tally(number, float(number), {("a", number % 2): 1}))

    tallies = list(counting)

    assert [(each.number, each.at) for each in tallies] == [
        (0, 3.0),
        (4, 4.0),
        (5, 5.0),
    ]
    assert tallies[0].counts == {("a", 1): 2, ("a", 0): 1}
    counting.take_out(1, "a", 900)
    assert next(iter(counting)).counts["a", 1] == 1


def test_the_body_may_be_text_that_is_no_query(account):
    assert account.ask(COUNTS, json.dumps(a_query())).status_code == 400
