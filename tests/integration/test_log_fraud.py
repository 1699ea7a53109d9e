"""Fraud status as append decides it: in log order, by hashes, unless it was sent."""

import pytest

from referrals import log
from referrals.models import ReferralEvent, Sighting
from tests.builders import BOB, a_sent_event, an_app

pytestmark = pytest.mark.django_db

PUBLIC = "203.0.113.7"


@pytest.fixture
def app():
    return an_app()


def install(name="ann", **changes):
    signals = {
        key: changes.pop(key)
        for key in ("ip", "device_id", "advertising_id")
        if key in changes
    }
    identities = {"email": f"{name}@example.com"}
    return a_sent_event(user={"identities": identities, **signals}, **changes)


def verdicts(app, *events):
    """Append each event by itself, and return what the log decided."""
    for event in events:
        log.append(app, [event])
    return logged(app)


def logged(app):
    return [
        (entry.event.status.value, *entry.event.reasons)
        for entry in log.read_range(app.pk, 1, 99)
    ]


def test_an_event_without_signals_is_valid(app):
    assert verdicts(app, a_sent_event()) == [("valid",)]


def test_the_same_address_on_both_sides_is_suspicious(app):
    referrer = {"identities": {"email": BOB}, "ip": PUBLIC}

    assert verdicts(app, install(ip=PUBLIC, referrer=referrer)) == [
        ("suspicious", "same_ip")
    ]
    assert ReferralEvent.objects.get(app=app).status == "suspicious"


@pytest.mark.parametrize("ip", ["10.0.0.7", "100.64.0.7", "127.0.0.1"])
def test_an_address_that_strangers_share_is_no_sign(app, ip):
    referrer = {"identities": {"email": BOB}, "ip": ip}

    assert verdicts(app, install(ip=ip, referrer=referrer)) == [("valid",)]
    assert not Sighting.objects.exists()


def test_an_ignored_network_is_no_sign(app):
    app.ignored_networks = "203.0.113.0/24"

    assert verdicts(app, install("ann", ip=PUBLIC), install("carl", ip=PUBLIC)) == [
        ("valid",),
        ("valid",),
    ]


def test_two_addresses_of_one_ipv6_household_are_the_same(app):
    first, second = (
        install(name, ip=f"2001:db8:1:2::{end}")
        for name, end in (("ann", 1), ("carl", 2))
    )

    assert verdicts(app, first, second)[1] == ("suspicious", "installs_from_same_ip")


def test_the_second_install_from_one_address_for_one_referrer_is_suspicious(app):
    events = [install(name, ip=PUBLIC) for name in ("ann", "carl", "dora")]

    assert verdicts(app, *events) == [
        ("valid",),
        ("suspicious", "installs_from_same_ip"),
        ("suspicious", "installs_from_same_ip"),
    ]


def test_installs_of_one_request_are_judged_in_their_order(app):
    log.append(app, [install(name, ip=PUBLIC) for name in ("ann", "carl")])

    assert logged(app) == [("valid",), ("suspicious", "installs_from_same_ip")]


def test_a_reset_advertising_id_is_suspicious(app):
    events = [
        install(device_id="d", advertising_id=advertising_id)
        for advertising_id in ("A", "a", "0000-0000", "b")
    ]

    assert verdicts(app, *events) == [
        ("valid",),
        ("valid",),
        ("valid",),
        ("suspicious", "advertising_id_reset"),
    ]


def test_a_sent_status_stands_and_its_signals_are_remembered(app):
    first = install("ann", ip=PUBLIC, status="rejected")
    second = install("carl", ip=PUBLIC, status="valid")

    assert verdicts(app, first, second, install("dora", ip=PUBLIC)) == [
        ("rejected",),
        ("valid",),
        ("suspicious", "installs_from_same_ip"),
    ]


def test_a_duplicate_is_no_second_install(app):
    sent = install(ip=PUBLIC)

    assert verdicts(app, sent, sent) == [("valid",)]
    assert Sighting.objects.count() == 1


def test_apps_know_nothing_of_each_other(app):
    verdicts(an_app(), install("ann", ip=PUBLIC))

    assert verdicts(app, install("carl", ip=PUBLIC)) == [("valid",)]


def test_signals_are_stored_only_as_keyed_hashes(app):
    """Invariant 7, as far as the log goes."""
    signals = {"ip": PUBLIC, "device_id": "device-1", "advertising_id": "advert-1"}
    other = an_app()
    sent = install(**signals)

    log.append(app, [sent])
    log.append(other, [sent])

    users = [log.read_range(pk, 1, 1)[0].event.user for pk in (app.pk, other.pk)]
    for row in ReferralEvent.objects.all():
        assert not any(value in row.body for value in signals.values())
    for hashed in (users[0].ip, users[0].device_id, users[0].advertising_id):
        assert len(bytes.fromhex(hashed)) == 16
    assert users[0].ip != users[1].ip
    marks = Sighting.objects.values_list("mark", "value")
    assert len({mark for mark, _ in marks}) == 4
