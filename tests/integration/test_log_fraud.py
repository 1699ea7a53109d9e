"""Fraud status as append decides it: in log order, by hashes, unless it was sent."""

from datetime import timedelta
from itertools import permutations

import pytest
from django.db import connection

from referrals import log
from referrals.fraud_rules import FIRST_RULES, MOST_KEPT
from referrals.models import App, ReferralEvent, Sighting
from tests.builders import BOB, FIRST_FRAUD_RULES, NOON, a_sent_event, an_app

pytestmark = pytest.mark.django_db

PUBLIC = "203.0.113.7"


@pytest.fixture
def app():
    return an_app(**FIRST_FRAUD_RULES)


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


def test_installs_of_one_request_are_judged_by_time_whatever_their_order():
    """Those of one instant, and those without a time of their own, go by id."""
    named = [
        install(name, id=name, ip=PUBLIC, occurred_at=time)
        for name, time in (
            ("ann", (NOON - timedelta(days=1)).isoformat()),
            ("b-1", NOON.isoformat()),
            ("b-2", NOON.isoformat()),
            ("now", None),
        )
    ]
    suspicious = ("suspicious", "installs_from_same_ip")
    expected = {
        "ann": ("valid",),
        "b-1": ("valid",),
        "b-2": suspicious,
        "now": suspicious,
    }

    for events in permutations(named):
        app = an_app(**{**FIRST_FRAUD_RULES, "fraud_installs": 2})
        log.append(app, events)

        found = dict(zip([each["id"] for each in events], logged(app), strict=True))
        assert found == expected


def test_requests_cut_in_any_way_along_time_have_the_same_verdicts():
    events = [
        install(
            f"{n}",
            ip=PUBLIC,
            device_id="d",
            advertising_id=f"ad-{n // 2}",
            occurred_at=(NOON + timedelta(hours=n)).isoformat(),
        )
        for n in range(6)
    ]
    whole = an_app()
    log.append(whole, events)

    for size in (1, 2, 4):
        app = an_app()
        for start in range(0, len(events), size):
            log.append(app, events[start : start + size])
        assert logged(app) == logged(whole)
    assert logged(whole) == [
        *[("valid",)] * 4,
        *[("suspicious", "advertising_id_reset", "installs_from_same_ip")] * 2,
    ]


def test_a_farm_keeps_no_more_than_the_newest_sightings(app):
    events = [
        install(
            f"{n}",
            id=f"e-{n:02}",
            ip=PUBLIC,
            occurred_at=(NOON + timedelta(hours=n)).isoformat(),
        )
        for n in range(MOST_KEPT + 10)
    ]

    verdicts(app, *events[:5])
    log.append(app, events[5:])

    kept = Sighting.objects.order_by("seen_at").values_list("seen_at", flat=True)
    assert len(kept) == MOST_KEPT
    assert kept[0] == NOON + timedelta(hours=10)
    assert [status for status, *_ in logged(app)].count("suspicious") == len(events) - 1


def test_a_sighting_of_the_release_before_counts_once(app):
    """It stands for all installs at its mark, and has the mark for its value."""
    sent = install("ann", ip=PUBLIC)
    verdicts(app, sent)
    row = Sighting.objects.get()
    Sighting.objects.filter(pk=row.pk).delete()
    Sighting.objects.create(app=app, mark=row.mark, value=row.mark, seen_at=row.seen_at)

    assert verdicts(app, install("carl", ip=PUBLIC))[1:] == [
        ("suspicious", "installs_from_same_ip")
    ]


def test_a_new_app_lets_a_household_be():
    home = {"identities": {"email": BOB}, "ip": PUBLIC}
    events = [install(f"{n}", ip=PUBLIC, referrer=home) for n in range(5)]

    assert verdicts(an_app(), *events) == [
        *[("valid",)] * 4,
        ("suspicious", "installs_from_same_ip"),
    ]


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
    verdicts(an_app(**FIRST_FRAUD_RULES), install("ann", ip=PUBLIC))

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


def test_an_app_that_the_release_before_makes_judges_as_it_did():
    """What it leaves out the database fills in, as for the apps that were there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO referrals_app (slug, name, created_at, ignored_networks)"
            " VALUES ('old', 'Old', CURRENT_TIMESTAMP, '')"
        )

    assert App.objects.get(slug="old").fraud_rules == FIRST_RULES
