"""Signs of fraud, each on its own."""

import pytest

from referrals.fraud import (
    MEANINGS,
    FraudReason,
    SightingKey,
    find_sightings,
    judge_fraud,
)
from referrals.schema import Person
from referrals.vocabulary import EventType, FraudStatus
from tests.builders import an_event

CLEAN = (FraudStatus.VALID, ())


def hashed(text):
    return f"<{text}>"


def ann(**signals):
    return Person({"email": "ann@example.com"}, **signals)


def bob(**signals):
    return Person({"email": "bob@example.com"}, **signals)


def verdict(event, *before):
    """Judge `event` as the log does, after the installs `before`."""
    earlier = {}
    for past in before:
        for sighting in find_sightings(past, hashed):
            earlier.setdefault(sighting.mark, set()).add(sighting.value)
    return judge_fraud(event, find_sightings(event, hashed), earlier)


def suspicious(*reasons):
    return FraudStatus.SUSPICIOUS, reasons


def test_strangers_are_valid():
    assert verdict(an_event(user=ann(ip="a"), referrer=bob(ip="b"))) == CLEAN
    assert verdict(an_event(user=ann(), referrer=bob())) == CLEAN


@pytest.mark.parametrize("event_type", list(EventType))
@pytest.mark.parametrize(
    ("signals", "reason"),
    [
        ({"ip": "a"}, FraudReason.SAME_IP),
        ({"device_id": "d"}, FraudReason.SAME_DEVICE),
        ({"advertising_id": "x"}, FraudReason.SAME_DEVICE),
    ],
)
def test_the_same_signal_on_both_sides_is_suspicious(event_type, signals, reason):
    event = an_event(type=event_type, user=ann(**signals), referrer=bob(**signals))

    assert verdict(event) == suspicious(reason)


@pytest.mark.parametrize(
    ("user", "referrer", "same"),
    [
        ({"email": "a@b.c"}, {"email": "a@b.c"}, True),
        ({"email": "a@b.c", "custom_id": "1"}, {"custom_id": "1"}, True),
        ({"Facebook": "7"}, {"facebook": "7"}, True),
        ({"facebook": "7"}, {"custom_id": "7"}, False),
        ({"email": "a@b.c"}, {"email": "A@b.c"}, False),
        ({"email": ""}, {"email": ""}, False),
    ],
)
def test_the_same_identity_on_both_sides_is_suspicious(user, referrer, same):
    event = an_event(user=Person(user), referrer=Person(referrer))

    assert verdict(event) == (suspicious(FraudReason.SAME_IDENTITY) if same else CLEAN)


def test_an_event_with_one_side_has_nothing_to_compare():
    assert verdict(an_event(user=ann(ip="a"), referrer=None)) == CLEAN
    assert (
        verdict(an_event(type=EventType.LINK_CLICK, user=None, referrer=bob(ip="a")))
        == CLEAN
    )


def test_all_reasons_are_given_in_one_order():
    same = Person({"email": "a@b.c"}, ip="a", device_id="d", advertising_id="new")
    before = an_event(
        user=ann(ip="a", device_id="d", advertising_id="old"), referrer=same
    )

    assert verdict(an_event(user=same, referrer=same), before) == suspicious(
        *FraudReason
    )


@pytest.mark.parametrize("now", [EventType.APP_INSTALL, EventType.APP_REINSTALL])
@pytest.mark.parametrize("then", [EventType.APP_INSTALL, EventType.APP_REINSTALL])
def test_an_advertising_id_that_was_reset_between_installs_is_suspicious(then, now):
    before = an_event(type=then, user=ann(device_id="d", advertising_id="old"))
    event = an_event(type=now, user=ann(device_id="d", advertising_id="new"))

    assert verdict(event, before) == suspicious(FraudReason.ADVERTISING_ID_RESET)


def test_the_same_advertising_id_again_is_valid():
    event = an_event(user=ann(device_id="d", advertising_id="x"))

    assert verdict(event, event) == CLEAN


def test_another_device_or_no_install_resets_nothing():
    before = an_event(user=ann(device_id="d", advertising_id="old"))
    other = an_event(user=ann(device_id="e", advertising_id="new"))
    opened = an_event(
        type=EventType.APP_OPEN, user=ann(device_id="d", advertising_id="new")
    )

    assert verdict(other, before) == CLEAN
    assert verdict(opened, before) == CLEAN


def test_a_second_install_from_one_ip_for_one_referrer_is_suspicious():
    before = an_event(user=ann(ip="a"), referrer=bob())
    carl = Person({"email": "carl@example.com"}, ip="a")

    assert verdict(an_event(user=carl, referrer=bob()), before) == suspicious(
        FraudReason.INSTALLS_FROM_SAME_IP
    )


def test_a_referrer_is_recognised_by_any_identity():
    before = an_event(
        user=ann(ip="a"), referrer=Person({"custom_id": "7", "email": "x"})
    )
    event = an_event(user=ann(ip="a"), referrer=Person({"Custom_ID": "7"}))

    assert verdict(event, before) == suspicious(FraudReason.INSTALLS_FROM_SAME_IP)


@pytest.mark.parametrize(
    "changes",
    [
        {"referrer": Person({"email": "dora@example.com"})},
        {"user": ann(ip="b")},
        {"type": EventType.APP_REINSTALL},
        {"type": EventType.WEB_SIGN_UP},
        {"test": True},
    ],
)
def test_other_installs_do_not_count(changes):
    before = an_event(user=ann(ip="a"), referrer=bob())
    event = an_event(**{"user": ann(ip="a"), "referrer": bob(), **changes})

    assert verdict(event, before) == CLEAN


def test_only_installs_with_signals_leave_anything_behind():
    assert find_sightings(an_event(), hashed) == ()
    signals = ann(ip="a", device_id="d", advertising_id="x")
    assert find_sightings(an_event(type=EventType.APP_OPEN, user=signals), hashed) == ()
    assert find_sightings(an_event(user=signals, referrer=bob()), hashed) == (
        SightingKey("<production device:d>", "x"),
        SightingKey(*["<production install:a:email:bob@example.com>"] * 2),
    )


def test_every_reason_has_a_meaning_for_people():
    assert set(MEANINGS) == set(FraudReason)
    assert all(text.endswith(".") for text in MEANINGS.values())
