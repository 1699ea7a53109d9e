"""Counting durations: by bucket and labels, bounded, without a database."""

import threading

import pytest

from clevertap_sync.process.durations import (
    METRICS,
    DurationCounter,
    DurationMetric,
)

METRIC = DurationMetric(
    "m_seconds", "Of tests.", labels=("route", "status"), ends=(0.1, 1, 10), most=3
)
OTHER_METRIC = DurationMetric("n_seconds", "", labels=("app",), ends=(1,), most=3)
OK = ("/a", "2xx")


@pytest.fixture
def counter():
    return DurationCounter()


def counts(taken):
    return {
        (metric.name, *labels): buckets.counts
        for (metric, labels), buckets in taken.items()
    }


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, [1, 0, 0, 0]),
        (0.1, [1, 0, 0, 0]),
        (0.1001, [0, 1, 0, 0]),
        (10, [0, 0, 1, 0]),
        (10.5, [0, 0, 0, 1]),
        (float("inf"), [0, 0, 0, 1]),
    ],
)
def test_a_duration_counts_in_the_first_bucket_that_reaches_it(
    counter, seconds, expected
):
    counter.add(METRIC, OK, seconds)

    assert counts(counter.take()) == {("m_seconds", *OK): expected}


def test_a_bucket_knows_the_sum_of_its_durations_alone(counter):
    for seconds in (0.5, 0.25, 4, 20, 22):
        counter.add(METRIC, OK, seconds)

    (buckets,) = counter.take().values()
    assert buckets.counts == [0, 2, 1, 2]
    assert buckets.seconds == [0.0, 0.75, 4.0, 42.0]


def test_labels_and_metrics_are_counted_apart(counter):
    counter.add(METRIC, OK, 1)
    counter.add(METRIC, ("/a", "5xx"), 1)
    counter.add(OTHER_METRIC, ("shop",), 1)

    assert counts(counter.take()) == {
        ("m_seconds", "/a", "2xx"): [0, 1, 0, 0],
        ("m_seconds", "/a", "5xx"): [0, 1, 0, 0],
        ("n_seconds", "shop"): [1, 0],
    }


def test_what_was_taken_is_counted_no_more(counter):
    counter.add(METRIC, OK, 1)
    counter.take()
    assert counter.take() == {}

    counter.add(METRIC, OK, 20)

    assert counts(counter.take()) == {("m_seconds", *OK): [0, 0, 0, 1]}


def test_what_could_not_be_written_is_added_to_what_came_since(counter):
    counter.add(METRIC, OK, 0.5)
    counter.add(METRIC, ("/b", "2xx"), 0.5)
    taken = counter.take()
    counter.add(METRIC, OK, 0.25)
    counter.add(METRIC, OK, 20)

    counter.put_back(taken)

    found = counter.take()
    assert counts(found) == {
        ("m_seconds", "/a", "2xx"): [0, 2, 0, 1],
        ("m_seconds", "/b", "2xx"): [0, 1, 0, 0],
    }
    assert found[METRIC, OK].seconds == [0.0, 0.75, 0.0, 20.0]


def test_labels_beyond_the_bound_are_one_route_for_each_class(counter):
    for number in range(6):
        counter.add(METRIC, (f"/{number}", "2xx"), 1)
    counter.add(METRIC, ("/7", "5xx"), 1)
    counter.add(METRIC, ("/0", "2xx"), 1)
    counter.add(OTHER_METRIC, ("shop",), 1)

    taken = counter.take()
    assert {name: sum(each) for name, each in counts(taken).items()} == {
        ("m_seconds", "/0", "2xx"): 2,
        ("m_seconds", "/1", "2xx"): 1,
        ("m_seconds", "/2", "2xx"): 1,
        ("m_seconds", "other", "2xx"): 3,
        ("m_seconds", "other", "5xx"): 1,
        ("n_seconds", "shop"): 1,
    }

    # What is known stays so: a flush gives nobody else's labels room.
    counter.put_back(taken)
    counter.take()
    counter.add(METRIC, ("/8", "2xx"), 1)
    counter.add(METRIC, ("/0", "2xx"), 1)
    assert set(counts(counter.take())) == {
        ("m_seconds", "other", "2xx"),
        ("m_seconds", "/0", "2xx"),
    }


def test_nothing_is_lost_between_threads_and_the_one_that_takes(counter):
    begins, taken = threading.Barrier(5), []

    def count():
        begins.wait()
        for _ in range(2_000):
            counter.add(METRIC, OK, 0.5)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    begins.wait()
    while any(each.is_alive() for each in threads):
        taken.append(counter.take())
    taken.append(counter.take())

    found = [buckets for each in taken for buckets in each.values()]
    assert sum(buckets.counts[1] for buckets in found) == 8_000
    assert sum(buckets.seconds[1] for buckets in found) == 4_000


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_has_ascending_ends_that_fit_their_column(metric):
    assert list(metric.ends) == sorted(set(metric.ends))
    assert all(float(f"{end:g}") == end for end in metric.ends)
    assert max(len(f"{end:g}") for end in metric.ends) <= 10
    assert len(metric.name) <= 60
