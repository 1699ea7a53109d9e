"""Counting what comes in: by hour and cause, bounded, without a database."""

import threading
from datetime import timedelta

import pytest

from referrals.ingest import counter as counting
from referrals.ingest.counter import (
    MOST_UNKNOWN_KEYS,
    NO_APP,
    SAMPLES_PER_CAUSE,
    CountKey,
    HourlyKey,
    IngestCounter,
    IngestCounts,
    IngestOutcome,
    RefusalSample,
    WayIn,
    redact_pointer,
)
from referrals.refusals import Code
from tests.builders import NOON

HOUR = timedelta(hours=1)
TAKEN = CountKey(1, "rk_abcdefghi", IngestOutcome.ACCEPTED)
REFUSED = CountKey(1, "rk_abcdefghi", IngestOutcome.REJECTED, Code.MILLISECONDS)


@pytest.fixture
def counter():
    return IngestCounter()


def a_stranger(number):
    return CountKey(
        NO_APP, f"rk_{number:09}", IngestOutcome.UNAUTHORISED, Code.UNKNOWN_KEY
    )


def numbers(counts):
    return {(each.hour, each.count_key): count.number for each, count in counts.items()}


def test_what_is_alike_is_one_count(counter):
    for minutes, number in ((0, 2), (59, 3)):
        counter.add(TAKEN, number, NOON + timedelta(minutes=minutes))
    counter.add(REFUSED, 1, NOON)

    taken = counter.take()
    assert numbers(taken) == {(NOON, TAKEN): 5, (NOON, REFUSED): 1}
    assert taken[HourlyKey(NOON, TAKEN)].last_at == NOON + timedelta(minutes=59)
    assert counter.take() == {}


def test_each_hour_has_a_count_of_its_own(counter):
    counter.add(TAKEN, 1, NOON - timedelta(microseconds=1))
    counter.add(TAKEN, 1, NOON)

    assert numbers(counter.take()) == {(NOON - HOUR, TAKEN): 1, (NOON, TAKEN): 1}


def test_only_what_the_hour_has_not_had_is_new(counter):
    assert counter.add(TAKEN, 1, NOON) is True
    assert counter.add(TAKEN, 1, NOON) is False
    counter.take()
    assert counter.add(TAKEN, 1, NOON) is False
    assert counter.add(REFUSED, 1, NOON) is True
    assert counter.add(TAKEN, 1, NOON + HOUR) is True


def test_the_newest_samples_are_kept(counter):
    samples = [
        RefusalSample(NOON, detail=f"no. {n}") for n in range(SAMPLES_PER_CAUSE + 2)
    ]
    for sample in samples:
        counter.add(REFUSED, 1, NOON, sample)

    (count,) = counter.take().values()
    assert count.number == SAMPLES_PER_CAUSE + 2
    assert list(count.samples) == samples[2:]


def test_what_could_not_be_written_is_counted_later_without_its_samples(counter):
    counter.add(REFUSED, 3, NOON, RefusalSample(NOON, detail="first"))
    taken = counter.take()
    second = RefusalSample(NOON, detail="second")
    counter.add(REFUSED, 1, NOON, second)

    counter.put_back(taken)

    assert counter.take() == {
        HourlyKey(NOON, REFUSED): IngestCounts(NOON, 4, _of(second))
    }


def _of(*samples):
    count = IngestCounts(NOON)
    for sample in samples:
        count.add(0, NOON, sample)
    return count.samples


def test_unknown_keys_beyond_fifty_are_one(counter):
    for number in range(MOST_UNKNOWN_KEYS + 7):
        counter.add(a_stranger(number), 1, NOON)
    counter.add(a_stranger(3), 1, NOON)

    counted = numbers(counter.take())
    others = a_stranger(0)._replace(way=WayIn.OTHER)
    assert len(counted) == MOST_UNKNOWN_KEYS + 1
    assert counted[NOON, a_stranger(3)] == 2
    assert counted[NOON, others] == 7


def test_a_new_hour_tells_other_unknown_keys_apart(counter):
    for number in range(MOST_UNKNOWN_KEYS + 1):
        counter.add(a_stranger(number), 1, NOON)

    counter.add(a_stranger(999), 1, NOON + HOUR)

    assert (NOON + HOUR, a_stranger(999)) in numbers(counter.take())


def test_more_causes_than_there_is_room_for_lose_their_way_and_no_count(
    counter, monkeypatch
):
    monkeypatch.setattr(counting, "MOST_WAITING", 3)

    for number in range(6):
        counter.add(TAKEN._replace(way=f"rk_{number}"), 1, NOON)
    counter.add(TAKEN._replace(way="rk_0"), 1, NOON)

    counted = numbers(counter.take())
    assert len(counted) == 4
    assert counted[NOON, TAKEN._replace(way="rk_0")] == 2
    assert counted[NOON, TAKEN._replace(way=WayIn.OTHER)] == 3


def test_threads_lose_no_count(counter):
    start = threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(500):
            counter.add(TAKEN, 1, NOON)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert numbers(counter.take()) == {(NOON, TAKEN): 2000}


@pytest.mark.parametrize(
    ("pointer", "shown"),
    [
        ("", ""),
        ("/occurred_at", "/occurred_at"),
        ("/user/identities/custom_id", "/user/identities/custom_id"),
        ("/event_data/items/12", "/event_data/items/12"),
        ("/user/identities/ann@example.com", "/user/identities/…"),
        ("/user/identities/+4915112345678", "/user/identities/…"),
        ("/metadata/4915112345678", "/metadata/…"),
        ("/metadata/Ann Lee", "/metadata/…"),
        ("/metadata/Ünal", "/metadata/…"),
        ("/metadata/" + "x" * 41, "/metadata/…"),
        ("/a~1b", "/…"),
        ("ann@example.com", "…"),
        ("/a\0", "/…"),
    ],
)
def test_a_pointer_shows_names_of_fields_and_nothing_else(pointer, shown):
    assert redact_pointer(pointer) == shown


def test_a_pointer_is_cut_where_the_column_ends():
    assert len(redact_pointer("/a_field" * 100)) == 255
