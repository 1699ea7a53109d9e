"""What is peculiar to a platform: its doubles, its traps, what it means by what it sends."""

import base64
import hashlib
import hmac
import json

import msgspec
import pytest

from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import Reason
from referrals.sources.presets import load_preset
from referrals.sources.verifiers import Verified, verify_call
from tests.platforms import KEY, NOW, SECRET, a_call, translate, translate_one


def sample(platform, number=0, **changes):
    """Return what a sample says, changed at the top."""
    found = load_preset(platform).samples[number]
    return {**(found.query if found.body is None else found.body), **changes}


def changed(body, path, value):
    """Return a copy of `body` with `value` at `a.b`; None takes it away."""
    copy = json.loads(json.dumps(body))
    *steps, last = path.split(".")
    within = copy
    for step in steps:
        within = within[int(step)] if step.isdigit() else within[step]
    if value is None:
        del within[last]
    else:
        within[last] = value
    return copy


def expected_hash(*texts):
    """Return a hash of an id as it is documented, made with the standard library alone."""
    content = json.dumps(["id", *texts]).encode()
    return hmac.new(KEY, content, hashlib.sha256).hexdigest()[:32]


# Branch


def test_branch_second_install_after_consent_is_the_same_event():
    first = sample("branch")
    second = changed(first, "timestamp", first["timestamp"] + 4_000)
    second = changed(second, "user_data.idfa", "7C3B0E4E-2222-4333-8444-555566667777")
    second = changed(second, "id", "another")

    one, two = translate_one("branch", first), translate_one("branch", second)

    assert one["id"] == two["id"]
    assert one["id"] == "branch." + expected_hash(
        "install", "6F0D1C1E-0000-4B7A-9A11-0A0A0A0A0A01"
    )
    assert one != two


def test_branch_installs_without_a_device_are_told_apart():
    body = changed(
        sample("branch"), "user_data.idfv", "00000000-0000-0000-0000-000000000000"
    )
    later = changed(body, "timestamp", body["timestamp"] + 4_000)

    assert translate_one("branch", body)["id"] != translate_one("branch", later)["id"]


def test_branch_id_in_the_address_is_the_events_own():
    body = {**sample("branch", 2), "id": "1184402211"}

    event = translate_one("branch", body, chosen={"subscription_started"})

    assert event["id"] == "branch.1184402211"


def test_branch_clicks_of_two_people_in_one_moment_are_two():
    click = sample("branch", 1)
    other = changed(click, "user_data.user_agent", "Mozilla/5.0 (iPhone)")
    third = changed(click, "user_data.ip", "198.51.100.21")

    ids = {translate_one("branch", each)["id"] for each in (click, other, third)}

    assert len(ids) == 3


@pytest.mark.parametrize(
    ("name", "changes", "became"),
    [
        ("install", {}, "app_install"),
        ("REINSTALL", {}, "app_reinstall"),
        ("OPEN", {}, Reason.NOT_CHOSEN),
        ("open", {"deep_linked": True}, "app_open"),
        ("open", {"deep_linked": "true"}, "app_open"),
        ("open", {"deep_linked": "false"}, Reason.NOT_CHOSEN),
        ("WEB_SESSION_START", {"deep_linked": "true"}, "web_open"),
        ("web session start", {}, Reason.NOT_CHOSEN),
        ("CLICK", {}, "link_click"),
        ("COMPLETE_REGISTRATION", {}, Reason.NOT_CHOSEN),
    ],
    ids=repr,
)
def test_branch_names_in_any_case(name, changes, became):
    outcome = translate_one("branch", sample("branch", name=name, **changes))

    assert (outcome["type"] if isinstance(outcome, dict) else outcome.reason) == became


def test_branch_opens_are_taken_where_they_are_chosen():
    outcome = translate_one("branch", sample("branch", name="OPEN"), chosen={"open"})

    assert outcome["type"] == "app_open"


def test_branch_without_a_touch_is_organic_and_without_a_referrer_ignored():
    organic = changed(sample("branch"), "last_attributed_touch_data", None)
    bare = changed(
        sample("branch"), "last_attributed_touch_data", {"~id": 1, "$identity_id": "9"}
    )

    assert translate_one("branch", organic) == Ignored(Reason.ORGANIC, "INSTALL")
    assert translate_one("branch", bare) == Ignored(Reason.NO_REFERRER, "INSTALL")


def test_branch_zero_advertising_id_is_dropped():
    event = translate_one(
        "branch", sample("branch", 2), chosen={"Subscription Started"}
    )

    assert event["user"] == {"identities": {"custom_id": "u-43"}}


# AppsFlyer


def test_appsflyer_id_is_the_hash_of_what_tells_the_event():
    event = translate_one("appsflyer", sample("appsflyer"))

    assert event["id"] == "af." + expected_hash(
        "id1200000001", "1795770842118-5550001", "install", "1795770842", None
    )


@pytest.mark.parametrize("nothing", [None, "", "None", "null", "undefined"], ids=repr)
def test_appsflyer_nulls_are_alike(nothing):
    body = {**sample("appsflyer"), "customer_user_id": nothing, "event_value": nothing}
    bare = {key: value for key, value in body.items() if value != nothing}

    assert translate_one("appsflyer", body) == translate_one("appsflyer", bare)


@pytest.mark.parametrize(
    ("changes", "became"),
    [
        ({"af_sub1": None, "media_source": "organic"}, Reason.ORGANIC),
        ({"af_sub1": None}, Reason.NO_REFERRER),
        ({"event_name": "organic-install", "media_source": "organic"}, "app_install"),
        ({"event_name": "re-engagement"}, "app_open"),
        ({"event_name": "af_invite"}, Reason.OWN_ACT),
        ({"event_name": "af_purchase"}, Reason.NOT_CHOSEN),
        ({"event_name": None}, Reason.NO_EVENT),
    ],
    ids=repr,
)
def test_appsflyer_events(changes, became):
    outcome = translate_one("appsflyer", {**sample("appsflyer"), **changes})

    assert (outcome["type"] if isinstance(outcome, dict) else outcome.reason) == became


@pytest.mark.parametrize(
    ("parts", "referrer"),
    [
        ({"af_sub1": "a", "original_url": "https://x/?af_referrer_customer_id=b"}, "a"),
        (
            {"original_url": "https://x/?deep_link_sub2=c&af_referrer_customer_id=b"},
            "b",
        ),
        ({"original_url": "https://x/?deep_link_sub2=c"}, "c"),
        ({"event_value": '{"af_param_1":"d"}'}, "d"),
    ],
    ids=repr,
)
def test_appsflyer_referrer_is_looked_for_in_order(parts, referrer):
    event = translate_one(
        "appsflyer", {**sample("appsflyer"), "af_sub1": None, **parts}
    )

    assert event["referrer"]["identities"] == {"custom_id": referrer}


def test_appsflyer_own_id_of_a_referrer_is_no_custom_id():
    body = {
        **sample("appsflyer"),
        "af_sub1": None,
        "original_url": "https://x/?af_referrer_uid=179-5",
    }

    event = translate_one("appsflyer", body)

    assert event["referrer"]["identities"] == {"appsflyer_id": "179-5"}


def test_appsflyer_event_value_that_is_no_json_is_kept_as_text():
    body = sample("appsflyer", 2, event_value="10", af_sub1="u-7")

    event = translate_one("appsflyer", body, chosen={"level_reached"})

    assert event["event_data"] == {"event_value": "10"}


# Adjust


def test_adjust_global_and_event_callback_are_one_event():
    call = sample("adjust", 2)
    event = {
        key: value for key, value in call.items() if key not in ("plan", "event_name")
    }
    event["campaign"] = "spring"

    one = translate_one("adjust", call, chosen={"Subscription Started", "k3y9xz"})
    two = translate_one("adjust", event, chosen={"Subscription Started", "k3y9xz"})

    assert (
        one["id"]
        == two["id"]
        == "adjust."
        + expected_hash(
            "abc123de45fg",
            "9f1c0d2e33aa44bb55cc66dd77ee8801",
            "event",
            "1795861000",
            "k3y9xz",
            "u-7",
        )
    )
    assert (one["name"], two["name"]) == ("Subscription Started", "k3y9xz")


@pytest.mark.parametrize(
    ("kind", "became"),
    [
        ("reattribution_reinstall", "app_reinstall"),
        ("reattribution reinstall", "app_reinstall"),
        ("click", "link_click"),
        ("session", Reason.NOT_CHOSEN),
        ("impression", Reason.NOT_CHOSEN),
        ("cost_updated", Reason.NOT_CHOSEN),
        ("event", Reason.NO_EVENT),
    ],
)
def test_adjust_kinds(kind, became):
    outcome = translate_one("adjust", sample("adjust", kind=kind))

    assert (outcome["type"] if isinstance(outcome, dict) else outcome.reason) == became


def test_adjust_clicks_of_two_addresses_in_one_second_are_two():
    click = {"kind": "click", "at": "1795770842", "label": "u-7", "ip": "203.0.113.7"}

    one = translate_one("adjust", click)
    two = translate_one("adjust", {**click, "ip": "203.0.113.8"})

    assert one["id"] != two["id"]
    assert "user" not in one


# GetSocial


@pytest.mark.parametrize(
    ("changes", "became"),
    [
        ({"event": "web_signup"}, "web_sign_up"),
        ({"event": "web_sign_up"}, "web_sign_up"),
        ({"reinstall": True}, "app_reinstall"),
        ({"link_params": {"$reinstall": "true"}}, "app_reinstall"),
        ({"event": "app_open"}, "app_open"),
        ({"event": "activity_react"}, Reason.NOT_CHOSEN),
    ],
    ids=repr,
)
def test_getsocial_events(changes, became):
    outcome = translate_one("getsocial", sample("getsocial", **changes))

    assert (outcome["type"] if isinstance(outcome, dict) else outcome.reason) == became


def test_getsocial_user_id_is_always_getsocial_id():
    event = translate_one("getsocial", sample("getsocial"), identity="custom_id")

    assert event["user"]["identities"] == {
        "custom_id": "u-42",
        "getsocial_id": "110236346280000042",
    }


def test_getsocial_signature_is_lower_hex_of_the_raw_body():
    body = b'{"event": "app_install"}'
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    call = a_call(body, headers=[("X-Getsocial-Signature", signature)])

    verdict = verify_call(load_preset("getsocial").verifier, call, [SECRET], now=NOW)

    assert verdict == Verified(0)


# Referral platforms


def goal(**reward):
    body = sample("growsurf", 1)
    return changed(body, "data.reward", {**body["data"]["reward"], **reward})


def test_growsurf_two_rewards_of_one_referral_are_one_event():
    pending = translate_one("growsurf", goal(approved=False))
    approved = translate_one("growsurf", goal())
    again = translate_one("growsurf", {**goal(), "createdAt": 1795863601000})
    of_referrer = translate_one("growsurf", goal(isReferrer=True))

    assert pending == Ignored(Reason.PENDING, "pending reward")
    assert of_referrer == Ignored(Reason.SAME_REFERRAL, "reward of the referrer")
    assert (
        approved["id"]
        == again["id"]
        == "gs." + expected_hash("PARTICIPANT_REACHED_A_GOAL", "p42", "rw-9")
    )


@pytest.mark.parametrize(
    ("level", "status"), [("LOW", None), ("MEDIUM", "suspicious"), ("HIGH", "rejected")]
)
def test_growsurf_risk_is_a_status_unless_it_is_low(level, status):
    body = changed(sample("growsurf"), "data.fraudRiskLevel", level)

    assert translate_one("growsurf", body).get("status") == status


def test_growsurf_participant_whom_nobody_invited_is_ignored():
    body = changed(sample("growsurf"), "data.referrer", None)
    body = changed(body, "data.referredBy", None)

    assert translate_one("growsurf", body).reason is Reason.NO_REFERRER


def test_friendbuy_items_are_events_by_themselves():
    body = sample("friendbuy")
    item = body["data"][0]
    other = {
        **item,
        "rewardId": "rw-6",
        "advocateEmailAddress": "",
        "advocateCustomerId": None,
    }

    first, second = translate("friendbuy", {**body, "data": [item, other]})
    reward = translate_one("friendbuy", {**body, "type": "advocateReward"})

    assert first["id"] == "fb.rw-5"
    assert second == Ignored(Reason.NO_REFERRER, "friendIncentive")
    assert reward == Ignored(Reason.SAME_REFERRAL, "advocateReward")


def test_impact_test_calls_and_tests_are_told_apart():
    body = sample("impact_advocate")

    assert translate_one("impact_advocate", {**body, "type": "test"}).reason is (
        Reason.NO_EVENT
    )
    assert translate_one("impact_advocate", {**body, "live": False})["test"] is True
    suspicious = changed(body, "data.fraudSignals", {"ip": True})
    assert translate_one("impact_advocate", suspicious)["status"] == "suspicious"
    assert "status" not in translate_one(
        "impact_advocate", changed(body, "data.fraudSignals", {})
    )


def test_voucherify_signature_is_over_the_body_without_blanks():
    spaced = json.dumps(sample("voucherify"), indent=2).encode()
    tight = json.dumps(sample("voucherify"), separators=(",", ":")).encode()
    signature = hmac.new(SECRET.encode(), tight, hashlib.sha256).hexdigest()
    call = a_call(spaced, headers=[("x-voucherify-signature", signature)])

    verdict = verify_call(load_preset("voucherify").verifier, call, [SECRET], now=NOW)

    assert verdict == Verified(0)


def test_talkable_signature_is_the_base64_of_the_hex():
    body = msgspec.json.encode(sample("talkable"))
    in_hex = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    call = a_call(
        body,
        headers=[("x-talkable-signature", base64.b64encode(in_hex.encode()).decode())],
    )

    verdict = verify_call(load_preset("talkable").verifier, call, [SECRET], now=NOW)

    assert verdict == Verified(0)


def test_a_time_of_another_unit_is_refused_with_its_id():
    refused = translate_one("getsocial", sample("getsocial", timestamp=1795860301000))

    assert (refused.code, refused.pointer, refused.id) == (
        "milliseconds",
        "/occurred_at",
        "gs1.ev-0001",
    )
