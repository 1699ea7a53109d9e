"""Names of properties that have no end: what they cost, and that the usual ones still count."""

from collections import Counter

from clevertap_sync.clevertap.causes.sized import list_predicted
from clevertap_sync.clevertap.causes.week import LogScan
from clevertap_sync.insight.delivered_records import DeliveredRecord
from clevertap_sync.reconciliation.evidence import MOST_PROPERTIES, sum_up


def test_of_very_many_properties_those_are_looked_at_that_most_records_have():
    types = {f"id {n}": Counter(text=1) for n in range(5_000)}
    types["plan"] = Counter(text=90, number=9)
    scan = LogScan(100, 50, Counter(), types, 0)

    predicted = [
        (each.low, each.policy) for each in list_predicted(scan, were_deleted=False)
    ]

    assert len(predicted) == 99 + 3
    assert (-9, "plan number") in predicted


def test_properties_beyond_the_most_are_not_counted_in_part():
    records = [
        DeliveredRecord(
            "Sale",
            0,
            is_custom=True,
            person="ann",
            properties={"plan": 1, f"id {n}": "x"},
        )
        for n in range(MOST_PROPERTIES + 5)
    ]

    types = sum_up(records).types

    assert len(types) == MOST_PROPERTIES
    assert types["plan"] == Counter(number=MOST_PROPERTIES + 5)
