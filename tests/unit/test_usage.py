"""What each switch would send: records and people among the newest events."""

from datetime import timedelta

from clevertap_sync.insight.coverage import measure_coverage
from clevertap_sync.insight.usage import SideUsage, measure_usage
from referrals.log import LoggedEvent
from referrals.schema import Person
from referrals.vocabulary import EventType
from tests.builders import BOB, NOON, a_link_click, a_person, an_event


def logged(*events, received_at=NOON, first=1):
    return [
        LoggedEvent(first + n, received_at, event) for n, event in enumerate(events)
    ]


def test_each_side_counts_its_records_and_its_people_once():
    newest = logged(an_event(), an_event(user=a_person("eve@example.com")), an_event())

    usage = measure_usage(newest, NOON)

    assert usage.by_key == {
        "app_install:referred": SideUsage(3, 2),
        "app_install:generated": SideUsage(3, 1),
    }
    assert (usage.events, usage.is_partial) == (3, False)


def test_a_link_click_has_no_triggering_user_even_where_it_names_one():
    newest = logged(a_link_click(user=a_person()))

    assert measure_usage(newest, NOON).by_key == {
        "link_click:generated": SideUsage(1, 1)
    }


def test_test_events_and_those_older_than_thirty_days_are_left_out():
    old = logged(an_event(), received_at=NOON - timedelta(days=30, seconds=1))
    newest = [*old, *logged(an_event(test=True), an_event(), first=2)]

    usage = measure_usage(newest, NOON)

    assert usage.by_key["app_install:referred"] == SideUsage(1, 1)
    assert (usage.events, usage.is_partial) == (2, False)


def test_it_is_a_sample_where_older_events_of_these_days_were_not_read():
    assert measure_usage(logged(an_event(), first=7), NOON).is_partial
    assert not measure_usage(logged(an_event(), first=1), NOON).is_partial
    assert not measure_usage([], NOON).is_partial


def test_coverage_counts_people_by_what_they_carry_and_records_by_what_can_be_sent():
    only_id = Person(identities={"custom_id": "7"})
    placeholder = Person(identities={"email": "null", "custom_id": "8"})
    newest = logged(
        an_event(user=only_id, referrer=a_person(BOB, Custom_ID="9")),
        an_event(type=EventType.WEB_OPEN, user=placeholder, referrer=None),
        an_event(user=Person(identities={}, erased=True), referrer=None),
    )

    coverage = measure_coverage(newest, chosen="Email")

    by_name = {p.name: (p.people, p.percent, p.lost) for p in coverage.providers}
    assert by_name == {"custom_id": (3, 100, 0), "email": (2, 66, 2)}
    assert (coverage.people, coverage.records) == (3, 3)
    assert coverage.chosen == coverage.providers[1]
    assert coverage.suggestion == coverage.providers[0]


def test_a_chosen_provider_that_nobody_carries_is_shown_with_its_loss():
    coverage = measure_coverage(logged(an_event()), chosen="phone")

    assert [(p.name, p.people, p.lost) for p in coverage.providers] == [
        ("email", 2, 0),
        ("phone", 0, 2),
    ]


def test_without_events_nothing_is_suggested():
    coverage = measure_coverage([], chosen="email")

    assert (coverage.providers, coverage.chosen, coverage.suggestion) == (
        (),
        None,
        None,
    )
