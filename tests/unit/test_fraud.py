"""Signs of fraud, each on its own."""

from datetime import timedelta

import pytest

from referrals.fraud import (
    MEANINGS,
    FraudReason,
    SightingKey,
    SightingMemory,
    find_sightings,
    judge_fraud,
)
from referrals.fraud_rules import FIRST_RULES, MOST_KEPT, FraudRules, Limit
from referrals.schema import Person
from referrals.vocabulary import EventType, FraudStatus
from tests.builders import NOON, an_event

CLEAN = (FraudStatus.VALID, ())


def hashed(text):
    return f"<{text}>"


def ann(**signals):
    return Person({"email": "ann@example.com"}, **signals)


def bob(**signals):
    return Person({"email": "bob@example.com"}, **signals)


def remembered(*before):
    """Return what the installs `before` left."""
    memory = SightingMemory()
    for past in before:
        for sighting in find_sightings(past, hashed):
            memory.add(sighting, past.occurred_at)
    return memory


def verdict(event, *before, rules=FIRST_RULES):
    """Judge `event` as the log does, after the installs `before`."""
    return judge_fraud(event, rules, find_sightings(event, hashed), remembered(*before))


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
    assert find_sightings(an_event(id="e-1", user=signals, referrer=bob()), hashed) == (
        SightingKey("<production device:d>", "x", FraudReason.ADVERTISING_ID_RESET),
        SightingKey(
            "<production install:a:email:bob@example.com>",
            "<production event:e-1>",
            FraudReason.INSTALLS_FROM_SAME_IP,
        ),
    )


def test_every_reason_has_a_meaning_for_people():
    assert set(MEANINGS) == set(FraudReason)
    assert all(text.endswith(".") for text in MEANINGS.values())


OFF = Limit(None)


def rules(*, same_ip=False, installs=OFF, advertising_ids=OFF):
    return FraudRules(same_ip, installs, advertising_ids)


def at(days, **changes):
    """Return an install from one address for Bob, so many days after noon."""
    return an_event(
        occurred_at=NOON + timedelta(days=days),
        **{"user": ann(ip="a"), "referrer": bob(), **changes},
    )


def test_a_rule_that_is_off_finds_nothing():
    same = Person({"email": "a@b.c"}, ip="a")
    before = an_event(user=ann(ip="a", device_id="d", advertising_id="old"))
    event = an_event(user=ann(ip="a", device_id="d", advertising_id="new"))

    assert verdict(event, before, rules=rules()) == CLEAN
    assert (
        verdict(an_event(user=ann(ip="a"), referrer=bob(ip="a")), rules=rules())
        == CLEAN
    )
    assert verdict(an_event(user=same, referrer=same), rules=rules()) == suspicious(
        FraudReason.SAME_IDENTITY
    )


@pytest.mark.parametrize(("before", "is_found"), [(2, False), (3, True), (4, True)])
def test_installs_beyond_the_limit_are_suspicious(before, is_found):
    found = verdict(
        at(1), *(at(0) for _ in range(before)), rules=rules(installs=Limit(3))
    )

    expected = suspicious(FraudReason.INSTALLS_FROM_SAME_IP)
    assert found == (expected if is_found else CLEAN)


@pytest.mark.parametrize(
    ("days", "is_found"),
    [(-7.1, False), (-7, True), (0, True), (7, True), (7.1, False)],
)
def test_only_installs_within_the_window_count_on_either_side(days, is_found):
    found = verdict(at(days), at(0), rules=rules(installs=Limit(1, 7)))

    expected = suspicious(FraudReason.INSTALLS_FROM_SAME_IP)
    assert found == (expected if is_found else CLEAN)


def test_an_install_that_is_sent_again_is_no_second_one():
    assert verdict(at(1, id="e"), at(0, id="e"), rules=FIRST_RULES) == CLEAN


@pytest.mark.parametrize(("before", "is_found"), [("x", False), ("xy", True)])
def test_advertising_ids_beyond_the_limit_are_suspicious(before, is_found):
    def reset(advertising_id):
        return an_event(user=ann(device_id="d", advertising_id=advertising_id))

    found = verdict(
        reset("z"), *map(reset, before), rules=rules(advertising_ids=Limit(2))
    )

    expected = suspicious(FraudReason.ADVERTISING_ID_RESET)
    assert found == (expected if is_found else CLEAN)


def test_an_advertising_id_counts_from_when_it_was_last_seen():
    def seen(days, advertising_id):
        user = ann(device_id="d", advertising_id=advertising_id)
        return at(days, user=user, referrer=None)

    strict = rules(advertising_ids=Limit(1, 7))

    assert verdict(seen(20, "y"), seen(0, "x"), rules=strict) == CLEAN
    assert verdict(
        seen(20, "y"), seen(0, "x"), seen(15, "x"), seen(1, "x"), rules=strict
    ) == suspicious(FraudReason.ADVERTISING_ID_RESET)


def test_a_mark_keeps_its_newest_sightings():
    memory = SightingMemory()
    stored = [at(days, id=f"e-{days}") for days in range(MOST_KEPT)]
    for event in stored:
        (key,) = find_sightings(event, hashed)
        memory.load(key.mark, key.value, event.occurred_at)
    new, late = at(100, id="new"), at(-1, id="late")

    for event in (new, late):
        for key in find_sightings(event, hashed):
            memory.add(key, event.occurred_at)

    ((mark, value, seen_at),) = memory.list_changes().seen
    assert (value, seen_at) == ("<production event:new>", new.occurred_at)
    assert memory.list_changes().removed == [(mark, "<production event:e-0>")]


def test_what_is_known_already_changes_nothing():
    memory = SightingMemory()
    (key,) = find_sightings(at(1), hashed)
    memory.load(key.mark, key.value, NOON + timedelta(days=1))

    memory.add(key, NOON)

    assert memory.list_changes() == ([], [])
