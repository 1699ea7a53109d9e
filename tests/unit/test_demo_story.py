"""The Demo Shop's events: every kind of event and of trouble, and only made-up people."""

import ipaddress
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

import pytest

from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappingSettings,
    Unmappable,
    map_event,
)
from integration_project.demo import feeder
from integration_project.demo.story import (
    DISCARDED_NAME,
    ODD_EVERY,
    ODDITIES,
    Carrier,
    tell_story,
)
from referrals.schema import EventProblem, build_event, check_object, list_warnings
from referrals.vocabulary import REFERRAL_TYPES

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
#: So many that every oddity came at least twice.
MANY = ODD_EVERY * len(ODDITIES) * 2
SETTINGS = MappingSettings(identity_provider="email")


def seeded(number):
    return Random(number)


@pytest.fixture(params=range(5))
def bodies(request):
    return [
        {"id": f"e{n}", **body}
        for n, body in enumerate(islice(tell_story(seeded(request.param)), MANY))
    ]


def accepted(bodies):
    """Return the events that the log would keep."""
    for body in bodies:
        event = check_object(body, now=NOW)
        if not isinstance(event, EventProblem):
            yield build_event(event, received_at=NOW, hash_signal=str)


def test_every_type_of_referral_happens(bodies):
    missing = set(REFERRAL_TYPES) - {event.type for event in accepted(bodies)}

    assert not missing, (
        f"Nothing in the demo is of type {', '.join(missing)}: give it a place in a journey "
        "of integration_project/demo/story.py."
    )


def test_only_the_one_that_is_no_referral_is_rejected(bodies):
    problems = [check_object(body, now=NOW) for body in bodies]

    pointers = Counter(p.pointer for p in problems if isinstance(p, EventProblem))

    assert pointers == {"/referrer": 2}


def test_dead_letters_have_several_reasons(bodies):
    outcomes = [o for e in accepted(bodies) for o in map_event(e, SETTINGS)]

    reasons = {o.reason for o in outcomes if isinstance(o, Unmappable)}
    names = {o.name for o in outcomes if isinstance(o, EventRecord)}

    assert reasons == {
        "no_identity",
        "identity_forbidden",
        "event_name_characters",
        "property_clash",
    }
    assert DISCARDED_NAME in names
    assert {"Referred Subscription Started", "Generated Link Click"} <= names


def test_most_records_are_good(bodies):
    outcomes = [o for e in accepted(bodies) for o in map_event(e, SETTINGS)]

    good = sum(isinstance(o, EventRecord) for o in outcomes)

    assert good > 0.85 * len(outcomes)


def test_one_channel_is_doubted(bodies):
    events = [check_object(body, now=NOW) for body in bodies]

    doubted = [
        e for e in events if not isinstance(e, EventProblem) and list_warnings(e)
    ]

    assert {e.channel for e in doubted} == {"carrier-pigeon"}


def test_people_and_addresses_are_nobodys(bodies):
    people = [p for body in bodies for p in map(body.get, ("user", "referrer")) if p]
    emails = {p["identities"]["email"] for p in people if "email" in p["identities"]}
    addresses = [ipaddress.ip_address(p["ip"]) for p in people if "ip" in p]

    hosts = {email.partition("@")[2] for email in emails - {"null"}}
    assert hosts == {"example.com", "example.org"}
    assert addresses
    documentation = ipaddress.ip_network("2001:db8::/32")
    assert all(address in documentation for address in addresses)


def test_the_history_lies_in_the_past_days_in_order():
    events = feeder.make_history(seeded(1), NOW)

    times = [datetime.fromisoformat(event["occurred_at"]) for event in events]
    assert len(events) == 60
    assert times == sorted(times)
    assert NOW - timedelta(days=3) <= times[0]
    assert times[-1] <= NOW
    assert [event["id"] for event in events[:2]] == ["demo-history-1", "demo-history-2"]


def test_life_has_duplicates_and_conflicts():
    told = list(islice(feeder.make_live_events(seeded(1)), 100))
    events = [event for event, _ in told]
    sent = Counter(event["id"] for event in events)
    first = {event["id"]: event for event in reversed(events)}

    assert sum(count - 1 for count in sent.values()) == 8
    assert sum(event != first[event["id"]] for event in events) == 2
    # A platform says a repeated event in other words, so that it is no conflict.
    again = {carrier for event, carrier in told if sent[event["id"]] > 1}
    assert again == {Carrier.API}
