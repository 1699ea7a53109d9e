"""What is read of a source's counts: sums that agree with their bars, by source."""

from datetime import timedelta

import pytest

from referrals.ingest import writing
from referrals.ingest.counter import CountKey, HourlyKey, IngestCounts, IngestOutcome
from referrals.ingest.source_health import DAYS, HOURS, SourceCounts, read_source_health
from referrals.models import IngestSample
from tests import builders
from tests.builders import NOON

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def came(source, outcome, code="", *, number=1, ago=timedelta(0)):
    key = CountKey(source.app_id, source.way, IngestOutcome(outcome), code)
    at = NOON - ago
    count = IngestCounts(at, number)
    writing.write_counts({HourlyKey(at.replace(minute=0), key): count})


def health_of(source):
    return read_source_health([source.pk], NOON)[source.pk]


def test_a_source_that_was_never_called(app):
    source = builders.a_source(app, "branch")

    health = health_of(source)

    assert health.day == health.month == SourceCounts()
    assert (len(health.hours), len(health.days)) == (HOURS, DAYS)
    assert (health.last_call_at, health.last_unverified) == (None, None)
    assert health.day.percent_unreferred is None


def test_what_calls_came_to_of_one_source_alone(app):
    source, other = (builders.a_source(app, each) for each in ("branch", "appsflyer"))
    came(source, "call", number=9)
    came(source, "accepted", number=4)
    came(source, "duplicate", number=2)
    came(source, "duplicate", "conflict")
    came(source, "ignored", "no_referrer", number=3)
    came(source, "ignored", "organic", number=5)
    came(source, "rejected", "in_future", number=2)
    came(source, "unauthorised", "secret", number=6)
    came(source, "identity", "custom_id", number=7)
    came(source, "identity", "none", number=1)
    came(source, "seen", "level_reached", number=8)
    came(source, "unreferred", number=2)
    came(other, "call", number=999)

    day = health_of(source).day

    assert day == SourceCounts(
        calls=9,
        accepted=4,
        duplicates=3,
        other_content=1,
        ignored={"organic": 5, "no_referrer": 3},
        refused={"in_future": 2},
        unverified={"secret": 6},
        identities={"custom_id": 7, "none": 1},
        seen={"level_reached": 8},
        unreferred=2,
    )
    assert list(day.ignored) == ["organic", "no_referrer"]
    assert (day.taken, day.items, day.percent_unreferred) == (7, 17, 50)
    assert health_of(source).month == day


def test_numbers_are_the_sums_of_their_bars(app):
    source = builders.a_source(app, "branch")
    for ago in (0, 1, 23, 24, 29 * 24 + 12, 29 * 24 + 13):
        came(source, "call", number=ago + 1, ago=ago * HOUR)

    health = health_of(source)

    assert [(NOON - bar.at, bar.calls) for bar in health.hours if bar.calls] == [
        (23 * HOUR, 24),
        (HOUR, 2),
        (0 * HOUR, 1),
    ]
    assert health.day.calls == sum(bar.calls for bar in health.hours) == 27
    # Midnight of the first day counts, an hour before it does not.
    assert [bar.calls for bar in health.days] == [709, *[0] * 27, 49, 3]
    assert health.month.calls == sum(bar.calls for bar in health.days)


def test_the_last_calls_are_known_after_their_hours_are_gone(app):
    source = builders.a_source(app, "branch")
    came(source, "call", ago=timedelta(days=90))
    for hour, detail in ((3, "Newest."), (5, "Older.")):
        IngestSample.objects.create(
            app_id=app.pk,
            way=source.way,
            outcome="unauthorised",
            code="secret",
            at=NOON - hour * HOUR,
            detail=detail,
        )

    health = health_of(source)

    assert health.last_call_at == NOON - timedelta(days=90)
    assert health.last_unverified == (NOON - 3 * HOUR, "secret", "Newest.")


def test_any_number_of_sources_takes_four_statements(app, django_assert_num_queries):
    sources = [builders.a_source(app, "branch", name=str(n)) for n in range(3)]

    with django_assert_num_queries(4):
        found = read_source_health([each.pk for each in sources], NOON)

    assert sorted(found) == sorted(each.pk for each in sources)
    with django_assert_num_queries(0):
        assert read_source_health([], NOON) == {}
