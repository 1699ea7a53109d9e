"""What retention costs those beside it: few rows in a statement, and a rest after each chunk."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import folding, pace, retention
from clevertap_sync.models import DeadLetter, Upload
from clevertap_sync.process import clock, stopping
from clevertap_sync.sandbox.faults import Poison
from referrals import failpoints, log
from referrals.failpoints import FailpointError
from tests.builders import a_sent_event
from tests.integration.delivery.conftest import age, positions, status_of

pytestmark = pytest.mark.django_db
#: Of a chunk of uploads of one hour that lost no record; in a transaction of its own.
STATEMENTS_OF_FOLD = 15
#: As it is without what the tests of this folder have in its place.
FIND_REST = pace.find_rest


@pytest.fixture
def rests(monkeypatch):
    """How long retention rested, each time; it rests no time here."""
    rests = []

    def rest(seconds):
        rests.append(seconds)
        return False

    monkeypatch.setattr(pace, "find_rest", FIND_REST)
    monkeypatch.setattr(stopping, "wait_for_stop", rest)
    return rests


@pytest.fixture
def old_uploads(engine, integration, append):
    """Deliver four uploads of two events each, long ago, and one event that stays."""
    for _ in range(4):
        append(a_sent_event(), a_sent_event())
        deliver(integration.pk)
    append(a_sent_event())
    deliver(integration.pk)
    age(8)
    return integration


def count_statements(what):
    with CaptureQueriesContext(connection) as captured:
        what()
    return [
        each["sql"]
        for each in captured
        if not each["sql"].startswith(("SAVEPOINT", "RELEASE"))
    ]


def test_events_go_by_ranges_with_both_ends_of_so_many_positions(
    old_uploads, rests, monkeypatch
):
    """Without a beginning, a database passes all that is removed and not vacuumed yet."""
    trimmed = []
    trim_log = log.trim_log

    def note(app_id, before, *, first, limit):
        trimmed.append((first, before, limit))
        return trim_log(app_id, before, first=first, limit=limit)

    monkeypatch.setattr(log, "trim_log", note)
    monkeypatch.setattr(retention, "EVENTS_PER_CHUNK", 3)

    assert retention.carry_out_retention() == 8

    assert trimmed == [(1, 4, 3), (4, 7, 3), (7, 9, 2)]


def test_a_chunk_of_events_takes_two_statements(integration, append):
    append(count=4)

    statements = count_statements(
        lambda: log.trim_log(integration.app_id, 4, first=1, limit=3)
    )

    assert [each.split()[0] for each in statements] == ["SELECT", "DELETE"]
    assert ">= 1 " in statements[1]
    assert positions() == [4]


def test_a_chunk_of_uploads_takes_as_many_statements_however_many_they_are(
    old_uploads, monkeypatch
):
    cutoff = clock.read_now() - timedelta(days=90)
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 1)

    one = count_statements(lambda: folding.fold_oldest(old_uploads, 8, cutoff))
    monkeypatch.undo()
    three = count_statements(lambda: folding.fold_oldest(old_uploads, 8, cutoff))

    assert Upload.objects.count() == 1
    assert len(one) == len(three) <= STATEMENTS_OF_FOLD


def test_uploads_with_many_dead_letters_go_one_by_one(
    engine, integration, append, monkeypatch
):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    for _ in range(3):
        append(a_sent_event(), a_sent_event())
        deliver(integration.pk)
    monkeypatch.setattr(folding, "LETTERS_PER_CHUNK", 4)
    cutoff = clock.read_now()

    assert folding.fold_oldest(integration, 6, cutoff)
    assert list(Upload.objects.order_by("first").values_list("first", flat=True)) == [5]
    monkeypatch.setattr(folding, "LETTERS_PER_CHUNK", 1)
    assert folding.fold_oldest(integration, 6, cutoff)

    assert not Upload.objects.exists()
    assert not DeadLetter.objects.exists()
    assert integration.removed_dead == 6


def test_each_chunk_is_followed_by_a_rest(old_uploads, rests, monkeypatch):
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 2)
    monkeypatch.setattr(retention, "EVENTS_PER_CHUNK", 2)

    assert retention.carry_out_retention() == 8

    # Two of uploads, two of events after each of these, and the app.
    assert len(rests) == 7
    assert min(rests) >= pace.LEAST_REST_SECONDS


def test_events_go_no_faster_than_so_many_a_second(old_uploads, rests, monkeypatch):
    monkeypatch.setattr(retention, "EVENTS_PER_SECOND", 0.1)
    monkeypatch.setattr(retention, "EVENTS_PER_CHUNK", 6)

    assert retention.carry_out_retention() == 8

    assert [each for each in rests if each > 10] == [60, 20]


def test_a_process_that_ends_removes_a_chunk_at_most(old_uploads, rests, monkeypatch):
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 2)
    monkeypatch.setattr(retention, "EVENTS_PER_CHUNK", 2)
    monkeypatch.setattr(stopping, "is_stopping", lambda: True)

    assert retention.carry_out_retention() == 2

    assert (positions(), rests) == ([3, 4, 5, 6, 7, 8, 9], [])


@pytest.mark.parametrize("place", ["retention.folded", "retention.trimmed"])
@pytest.mark.parametrize("number", [1, 2])
def test_who_dies_between_two_chunks_leaves_the_rest_to_the_next_call(
    old_uploads, rests, monkeypatch, place, number
):
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 2)
    monkeypatch.setattr(retention, "EVENTS_PER_CHUNK", 2)
    before = status_of(old_uploads)
    failpoints.arm_failpoints(failpoints.parse_failpoints([f"{place}=raise@{number}"]))

    with pytest.raises(FailpointError):
        retention.carry_out_retention()

    assert status_of(old_uploads).balanced
    retention.carry_out_retention()
    assert retention.carry_out_retention() == 0
    after = status_of(old_uploads)
    assert positions() == [9]
    assert (after.delivered, after.balanced) == (before.delivered, True)
    assert list(Upload.objects.values_list("first", flat=True)) == [9]
