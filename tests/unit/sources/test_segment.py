"""Segment's tracking API: the method in the address, the key, the batch."""

import pytest

from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.schema import IncomingEvent, check_object
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import Reason
from referrals.sources.presets import load_mapping
from referrals.sources.segment import (
    MAX_ITEMS,
    METHODS,
    count_items,
    read_segment_call,
    take_write_key,
    translate_segment_call,
)
from tests.platforms import KEY, NOW, a_call, choices_of

TRACK = {
    "event": "Signed Up",
    "messageId": "m-1",
    "userId": "u-50",
    "timestamp": "2026-11-28T08:00:00.000Z",
    "properties": {"referrer_id": "u-7", "plan": "gold"},
}


def outcomes(method, body, **choices):
    document = read_segment_call(method, a_call(body))
    return translate_segment_call(
        document, load_mapping("segment"), choices_of("segment", **choices), key=KEY
    )


def test_a_single_call_has_the_type_of_its_address():
    (event,) = outcomes("track", TRACK)

    assert event == {
        "id": "seg.m-1",
        "type": "web_sign_up",
        "occurred_at": "2026-11-28T08:00:00Z",
        "user": {"identities": {"custom_id": "u-50"}},
        "referrer": {"identities": {"custom_id": "u-7"}},
        "via": "smart_invite",
    }


@pytest.mark.parametrize(
    "method", [each for each in METHODS if each not in ("track", "batch", "identify")]
)
def test_other_methods_are_ignored(method):
    assert outcomes(method, {**TRACK, "type": "track"}) == [Ignored(Reason.NO_EVENT)]


def test_a_batch_holds_many_calls_each_of_its_own_type():
    item = {**TRACK, "type": "track"}
    batch = [
        item,
        {**item, "type": "page"},
        {**item, "messageId": "m-2", "timestamp": None},
    ]

    first, page, late = outcomes(
        "batch", {"batch": batch, "sentAt": "2026-11-28T09:00:00Z"}
    )

    assert (first["id"], late["id"]) == ("seg.m-1", "seg.m-2")
    assert page == Ignored(Reason.NO_EVENT)
    assert late["occurred_at"] == "2026-11-28T09:00:00Z"


def test_a_batch_has_at_most_2_500_items():
    batch = [{"type": "page"}] * (MAX_ITEMS + 1)

    found = outcomes("batch", {"batch": batch})

    assert len(found) == 2_501
    assert found[-1].code is Code.TOO_MANY_EVENTS


def test_a_full_batch_of_an_sdk_is_not_too_many_values():
    context = {f"key{number}": number for number in range(50)}
    item = {**TRACK, "type": "track", "context": context}

    document = read_segment_call("batch", a_call({"batch": [item] * MAX_ITEMS}))

    assert len(document.body["batch"]) == 2_500


def test_custom_names_come_from_the_sources_list():
    body = {**TRACK, "event": "Plan Bought"}

    assert outcomes("track", body) == [Ignored(Reason.NOT_CHOSEN, "Plan Bought")]
    (event,) = outcomes("track", body, chosen=frozenset({"plan bought"}))
    assert (event["name"], event["event_data"]) == ("Plan Bought", {"plan": "gold"})


def test_an_anonymous_id_is_kept_in_clear():
    (event,) = outcomes("track", {**TRACK, "userId": None, "anonymousId": "anon-3"})

    assert event["user"]["identities"] == {"anonymous_id": "anon-3"}


IDENTIFY = {
    "messageId": "m-9",
    "userId": "u-50",
    "anonymousId": "anon-3",
    "timestamp": "2026-11-28T08:00:00.000Z",
    "traits": {"email": "ann@example.com", "plan": "gold"},
    "context": {"ip": "203.0.113.7", "device": {"id": "D-1"}},
}


def identify(body=IDENTIFY, **choices):
    (outcome,) = outcomes("identify", body, **{"learns_people": True, **choices})
    return outcome


def test_an_identify_call_says_who_somebody_is():
    event = identify()

    assert event == {
        "id": event["id"],
        "type": "identify",
        "user": {
            "identities": {
                "custom_id": "u-50",
                "email": "ann@example.com",
                "anonymous_id": "anon-3",
            }
        },
    }
    assert event["id"].startswith("seg.")
    assert isinstance(check_object(event, now=NOW), IncomingEvent)


def test_an_identify_call_counts_once_an_hour():
    first = identify()

    again = {**IDENTIFY, "messageId": "m-10", "timestamp": "2026-11-28T08:59:59Z"}
    assert identify(again) == first
    others = [
        identify({**IDENTIFY, "timestamp": "2026-11-28T09:00:00Z"}),
        identify({**IDENTIFY, "userId": "u-51"}),
        identify({**IDENTIFY, "anonymousId": "anon-4"}),
        identify(is_test=True),
    ]
    assert len({each["id"] for each in (first, *others)}) == 5
    assert others[-1]["test"] is True


@pytest.mark.parametrize(
    ("changes", "choices"),
    [
        ({}, {"learns_people": False}),
        ({"anonymousId": None, "traits": None}, {}),
        ({"userId": None, "traits": {}}, {}),
        ({"userId": "null", "traits": {"email": ""}}, {}),
    ],
)
def test_an_identify_call_that_ties_nothing_is_ignored(changes, choices):
    outcome = identify({**IDENTIFY, **changes}, **choices)

    assert outcome == Ignored(Reason.NO_LINK, "identify call")


def test_identify_calls_can_be_left_out():
    outcome = identify(left_out=frozenset({"identify call"}))

    assert outcome == Ignored(Reason.NOT_CHOSEN, "identify call")


def test_a_referrer_that_is_an_address_is_no_person():
    body = {**TRACK, "properties": {"referrer": "https://example.com/"}}

    assert outcomes("track", body) == [Ignored(Reason.NO_REFERRER, "Signed Up")]


def test_without_a_message_id_the_content_tells():
    bare = {**TRACK, "messageId": None}
    other = {**bare, "properties": {"referrer_id": "u-7", "plan": "silver"}}

    (one,), (again,), (two,) = (outcomes("track", each) for each in (bare, bare, other))

    assert one["id"] == again["id"] != two["id"]
    assert one["id"].startswith("seg.")


@pytest.mark.parametrize(
    ("body", "key", "rest"),
    [
        ({"writeKey": "rk_demo", "batch": []}, "rk_demo", {"batch": []}),
        ({"writeKey": 5}, "", {}),
        ({"writeKey": ""}, "", {}),
        ({"batch": []}, "", {"batch": []}),
        ([], "", []),
    ],
    ids=repr,
)
def test_the_write_key_is_taken_out_of_the_body(body, key, rest):
    found, document = take_write_key(read_segment_call("batch", a_call(body)))

    assert (found, document.body) == (key, rest)


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"batch": [{}, {}]}, 2),
        ([{}, {}, {}], 3),
        ({"batch": []}, 0),
        ({"batch": "x"}, 1),
        ({}, 1),
        (7, 1),
    ],
    ids=repr,
)
def test_the_calls_in_a_batch_are_counted(body, number):
    assert count_items(read_segment_call("batch", a_call(body))) == number


def test_a_body_that_is_no_json_is_refused():
    with pytest.raises(BrokenRuleError) as raised:
        read_segment_call("track", a_call(b"{"))

    assert raised.value.code is Code.NOT_JSON
