"""What the log says of what was delivered of a name, and what CleverTap says with a condition."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from clevertap_sync.clevertap.causes.week import EITHER, LogScan
from clevertap_sync.delivery import replay
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.models import Attempt, Upload
from clevertap_sync.reconciliation import evidence, reader
from clevertap_sync.reconciliation.evidence import AccountEvidence
from clevertap_sync.reconciliation.reconciling_account import (
    read_reconciling_account,
)
from referrals import log
from referrals.identity import Identity
from referrals.models import ReferralEvent
from tests.builders import ANN, a_sent_custom_event, a_sent_event, an_integration
from tests.integration.delivery.erasing import erase
from tests.integration.delivery.waiting import install, let_wait, link

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEGINS = int(TODAY.timestamp())
ENDS = BEGINS + 86_400
INSTALL = "Referred App Install"
NOTHING = Counter()
BEN, CAT = ({"identities": {"email": f"{who}@example.com"}} for who in ("ben", "cat"))


@pytest.fixture
def integration(sandbox):
    return an_integration(reconciles=True, counts_since=TODAY - timedelta(days=9))


def event(user=None, *, at=TODAY, **changes):
    made = a_sent_event(occurred_at=at.isoformat(), **changes)
    return {**made, "user": user} if user else made


def custom(event_data, name="Coupon Used"):
    return a_sent_custom_event(
        name=name, event_data=event_data, occurred_at=TODAY.isoformat()
    )


def send(integration, *events):
    log.append(integration.app, list(events))
    deliver(integration.pk)


def scan(integration, name=INSTALL, begins=BEGINS, ends=ENDS):
    found = read_reconciling_account(integration.account_id)
    return AccountEvidence(found, None).scan_log(name, begins, ends)


def test_records_people_and_what_they_lack_are_counted_within_the_span(integration):
    send(
        integration,
        event(),
        event(channel=None),
        event(BEN, channel=None, content=None),
        event(CAT, at=TODAY - timedelta(seconds=1)),
    )

    found = scan(integration)

    lacking = Counter({"Channel": 2, "Content": 1, EITHER: 2})
    assert found == LogScan(3, 2, lacking, {}, 0)
    assert scan(integration, "referred APPinstall") == found
    assert scan(integration, begins=BEGINS - 86_400, ends=BEGINS).records == 1
    assert scan(integration, "Referred App Open") == LogScan(0, 0, NOTHING, {}, 0)


def test_types_are_counted_by_property_of_the_event_data(integration):
    integration.send_event_id = True
    integration.save()
    send(
        integration,
        custom({"amount": 7, "plan": "gold"}),
        custom({"amount": "7", "paid": True}),
    )

    found = scan(integration, "Referred Coupon Used")

    assert found.types == {
        "Event Data amount": Counter(number=1, text=1),
        "Event Data plan": Counter(text=1),
        "Event Data paid": Counter(truth=1),
    }
    assert found.lacking == NOTHING


def test_what_fell_out_is_not_among_what_was_delivered_until_a_replay_delivers_it(
    sandbox, integration
):
    sandbox.switch(discarded_names=("Referred Coupon Used",))
    nobody = {"identities": {"custom_id": "7"}}
    send(integration, custom({"plan": "gold"}), event(), event(nobody))
    fallen = scan(integration, "Referred Coupon Used")

    sandbox.switch(discarded_names=())
    replay.replay_letters(integration)
    deliver(integration.pk)

    assert fallen.records == 0
    assert scan(integration, "Referred Coupon Used").records == 1
    assert scan(integration).records == 1


def test_a_part_counts_its_own_records_alone_without_those_that_fell_out(
    sandbox, integration
):
    sandbox.poison(event_name="Referred", identity="ben", code=528)
    sandbox.poison(event_name="Referred", identity="cat", code=555, times=1)
    send(integration, event(), event(BEN), event(CAT))
    Upload.objects.open().update(due_at=TODAY)
    deliver(integration.pk)

    assert Upload.objects.leaves().count() == 2
    assert scan(integration) == LogScan(2, 2, NOTHING, {}, 0)
    assert scan(integration, "Generated App Install").records == 3


def test_what_waited_counts_as_it_went_out(integration):
    let_wait(integration)
    install(integration, "A")
    link(integration)
    deliver(integration.pk)
    found = read_reconciling_account(integration.account_id)
    upload = Upload.objects.get(replay__isnull=False)
    ((name, quarter, delivered, *_),) = upload.counts

    begins = quarter * 900
    scanned = AccountEvidence(found, None).scan_log(name, begins, begins + 900)

    assert (scanned.records, scanned.people, delivered) == (1, 1, 1)


def test_the_records_of_an_erased_person_are_counted_and_tell_nothing_more(integration):
    send(integration, event(channel=None), event(BEN, channel=None))
    erase(integration, [Identity("email", ANN)])

    found = scan(integration)

    assert (found.records, found.people, found.erased, found.unknown) == (2, 1, 1, 1)
    assert found.lacking == Counter({"Channel": 1, EITHER: 1})
    inviters = scan(integration, "Generated App Install")
    assert (inviters.records, inviters.people, inviters.erased) == (2, 1, 0)
    assert inviters.unknown == 1, "what was known of the event went with the other side"
    assert inviters.lacking == found.lacking


def test_there_is_no_scan_where_the_log_has_lost_what_was_delivered(integration):
    send(integration, event(), event())
    tallies.add_up_tallies(worthwhile=1)

    ReferralEvent.objects.filter(position=1).delete()

    assert scan(integration) is None


def test_there_is_no_scan_of_too_many_events(integration, monkeypatch):
    send(integration, event(), event(), event())

    monkeypatch.setattr(evidence, "SCAN_EVENTS", 2)

    assert scan(integration) is None
    monkeypatch.setattr(evidence, "SCAN_EVENTS", 3)
    assert scan(integration).records == 3


def test_a_budget_for_all_scans_is_spent_once_for_each_upload(integration, monkeypatch):
    monkeypatch.setattr(evidence, "ALL_EVENTS", 2)
    send(integration, event(), event())
    found = AccountEvidence(read_reconciling_account(integration.account_id), None)

    first = found.scan_log(INSTALL, BEGINS, ENDS)
    again = found.scan_log("Generated App Install", BEGINS, ENDS)
    send(integration, event())
    anew = AccountEvidence(read_reconciling_account(integration.account_id), None)

    assert (first.records, again.records) == (2, 2)
    assert anew.scan_log(INSTALL, BEGINS, ENDS) is None


def test_what_is_kept_of_many_values_is_read_anew(integration, monkeypatch):
    monkeypatch.setattr(evidence, "KEPT_VALUES", 10)
    send(integration, custom({f"p{n}": n for n in range(20)}))
    send(integration, event())
    found = AccountEvidence(read_reconciling_account(integration.account_id), None)

    scans = [found.scan_log("Referred Coupon Used", BEGINS, ENDS) for _ in range(2)]
    other = found.scan_log(INSTALL, BEGINS, ENDS)
    again = found.scan_log("Referred Coupon Used", BEGINS, ENDS)

    assert [each.records for each in (*scans, other, again)] == [1, 1, 1, 1]
    assert len(found._kept) == 1


def test_an_upload_that_was_removed_meanwhile_leaves_no_scan(integration):
    send(integration, event())
    send(integration, custom({"plan": "gold"}))
    found = AccountEvidence(read_reconciling_account(integration.account_id), None)
    found.scan_log(INSTALL, BEGINS, ENDS)

    tallies.add_up_tallies(worthwhile=1)
    Attempt.objects.all().delete()
    Upload.objects.all().delete()

    assert found.scan_log("Referred Coupon Used", BEGINS, ENDS) is None


def test_clevertap_counts_with_a_condition(sandbox, integration):
    sandbox.switch(counts_visible_after=0, visible_jitter=0)
    send(integration, event(), event(channel=None))
    found = read_reconciling_account(integration.account_id)
    day = TODAY.date()

    with reader.open_reader(found.account, seconds=30) as reading:
        asked = AccountEvidence(found, reading)
        with_channel = asked.count_filtered(INSTALL, day, "Channel", "exists")
        sandbox.answer(503)
        refused = asked.count_filtered(INSTALL, day, "Content", "exists")

    assert (with_channel, refused) == (1, None)
    assert AccountEvidence(found, None).count_filtered(INSTALL, day, "C", "x") is None
