"""What was delivered is counted by name and time, exact to the record, whatever happened."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.db.models import F

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS
from clevertap_sync.delivery import lifecycle, replay
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.unknown_outcomes import MOST_UNKNOWN_OUTCOMES
from clevertap_sync.delivery.upkeep import delivered_counts, retention, tallies
from clevertap_sync.insight.delivered_counts import (
    find_newest_settled,
    read_delivered,
)
from clevertap_sync.models import DeadLetter, DeliveredCount, Integration, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Fault, Poison
from referrals import log
from referrals.models import ErasureRequest
from tests.builders import BOB, a_sent_event, an_integration
from tests.integration.delivery.conftest import age_events, begun, status_of
from tests.integration.delivery.erasing import by_canary, erase
from tests.integration.delivery.waiting import install, let_wait, link
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db

REFERRED, GENERATED = "Referred App Install", "Generated App Install"
#: A minute into a quarter-hour of yesterday: counts are kept for days, so not of any day.
AT = int(datetime.now(UTC).timestamp()) // QUARTER_SECONDS * QUARTER_SECONDS - 86_340
QUARTER = AT // QUARTER_SECONDS
UNANSWERED = Fault(ending="reset_after_storing", only="uploads")


@pytest.fixture
def integration(db):
    """An integration that is compared with CleverTap."""
    return an_integration(reconciles=True)


def an_event(seconds=0, **changes):
    """Return an install that happened so many seconds after AT."""
    occurred_at = datetime.fromtimestamp(AT + seconds, UTC).isoformat()
    return a_sent_event(occurred_at=occurred_at, **changes)


def counts_of(*integrations):
    """Return all counts of the integrations, by name and by quarter-hours since AT's."""
    found = read_delivered([each.pk for each in integrations], 0, 2 * QUARTER)
    return {
        (name, quarter - QUARTER): tuple(numbers)
        for name, quarters in found.items()
        for quarter, numbers in quarters.items()
    }


def add_up():
    tallies.add_up_tallies(worthwhile=1)


def assert_agrees(engine, integration):
    """CleverTap stored what the counts allow, and they say what the books say."""
    counts = counts_of(integration)
    stored = Counter(
        (record["evtName"], record["ts"] // QUARTER_SECONDS - QUARTER)
        for record in engine.records()
    )
    assert stored.keys() <= counts.keys()
    for key, (delivered, more, fewer) in counts.items():
        assert delivered - fewer <= stored[key] <= delivered + more, key
    booked = sum(Upload.objects.leaves().values_list("delivered", flat=True))
    unnamed = DeadLetter.objects.filter(reason="unidentified").count()
    assert sum(each[0] for each in counts.values()) == booked + unnamed


def test_each_name_is_counted_in_the_quarter_hour_of_its_ts(
    engine, integration, append
):
    append(an_event(), an_event(839), an_event(840), an_event(-86_400 * 30))

    deliver(integration.pk)

    assert counts_of(integration) == {
        (name, quarter): (count, 0, 0)
        for name in (REFERRED, GENERATED)
        for quarter, count in {0: 2, 1: 1, -96 * 30: 1}.items()
    }
    assert_agrees(engine, integration)


def test_an_upload_of_one_quarter_hour_keeps_one_entry_a_name(
    engine, integration, append
):
    append(*(an_event(n) for n in range(20)))

    deliver(integration.pk)

    assert sorted(Upload.objects.get().counts) == [
        [GENERATED, QUARTER, 20, 0, 0],
        [REFERRED, QUARTER, 20, 0, 0],
    ]


def test_without_the_comparison_nothing_is_counted(engine, integration, append):
    Integration.objects.update(reconciles=False)
    append(an_event())

    deliver(integration.pk)
    add_up()

    assert Upload.objects.get().counts is None
    assert not DeliveredCount.objects.exists()


def test_what_is_too_old_to_be_compared_is_not_counted(engine, integration, append):
    append(an_event(), an_event(-41 * 86_400))

    deliver(integration.pk)

    assert counts_of(integration) == {
        (REFERRED, 0): (1, 0, 0),
        (GENERATED, 0): (1, 0, 0),
    }


def test_a_refused_record_is_not_counted(engine, integration, append):
    engine.switch(poison=(Poison(identity=BOB, code=513),))
    append(an_event(), an_event(user={"identities": {"custom_id": "7"}}))

    deliver(integration.pk)

    assert counts_of(integration) == {(REFERRED, 0): (1, 0, 0)}
    assert_agrees(engine, integration)


def test_a_record_that_goes_again_for_its_555_is_counted_by_the_part_that_brings_it(
    engine, integration, append, finish
):
    engine.switch(
        faults=(UNANSWERED,), poison=(Poison(identity=BOB, code=555, times=2),)
    )
    append(an_event())

    finish()

    # The first request had no answer, so it may have brought both.
    assert counts_of(integration) == {
        (REFERRED, 0): (1, 1, 0),
        (GENERATED, 0): (1, 1, 0),
    }
    assert_agrees(engine, integration)


def test_halves_of_a_bisect_are_counted_each(engine, integration, append, finish):
    engine.switch(faults=(UNANSWERED,), poison=(Poison(identity="poison@"),))
    append(
        *(an_event(n * 900) for n in range(3)),
        an_event(user={"identities": {"email": "poison@x.example"}}),
    )

    finish()

    assert counts_of(integration) == {
        (REFERRED, 0): (1, 2, 0),
        (GENERATED, 0): (2, 2, 0),
        **{(name, n): (1, 1, 0) for name in (REFERRED, GENERATED) for n in (1, 2)},
    }
    assert_agrees(engine, integration)


def test_a_refusal_that_names_no_record_may_be_any_of_them(engine, integration, append):
    engine.switch(
        faults=(Fault(tamper=("without_numbers", "without_records")),),
        poison=(Poison(identity="bad@", code=513),),
    )
    append(
        an_event(user={"identities": {"email": "bad@example.com"}}),
        *(an_event(seconds) for seconds in (0, 900)),
    )

    deliver(integration.pk)

    assert counts_of(integration) == {
        (name, quarter): (count, 0, 1)
        for name in (REFERRED, GENERATED)
        for quarter, count in {0: 2, 1: 1}.items()
    }
    assert_agrees(engine, integration)


def test_where_clevertaps_own_count_is_wrong_any_record_may_be_missing(
    engine, integration, append
):
    engine.switch(
        faults=(Fault(tamper=("missing_entries",)),),
        poison=(Poison(identity=BOB, code=513),),
    )
    append(an_event(), an_event())

    deliver(integration.pk)

    assert counts_of(integration)[REFERRED, 0] == (2, 0, 2)
    assert_agrees(engine, integration)


def test_every_unanswered_request_may_have_brought_each_record(
    engine, integration, append, finish
):
    engine.switch(
        faults=(
            UNANSWERED,
            Fault(ending="reset_before_storing", only="uploads"),
            UNANSWERED,
        )
    )
    append(an_event(), an_event(900))

    finish()

    assert set(counts_of(integration).values()) == {(1, 3, 0)}
    assert len(engine.records()) == 3 * 4
    assert_agrees(engine, integration)


def test_what_is_given_up_may_have_arrived_as_often_as_it_was_sent(
    engine, integration, append, finish
):
    engine.switch(
        faults=(Fault(ending="reset_after_storing", only="uploads", times=None),)
    )
    append(an_event())

    finish()

    assert counts_of(integration) == {
        (REFERRED, 0): (0, 8, 0),
        (GENERATED, 0): (0, 8, 0),
    }
    assert_agrees(engine, integration)


def test_what_is_refused_after_an_unanswered_request_may_have_arrived_by_it(
    engine, integration, append, finish
):
    engine.switch(faults=(UNANSWERED,))
    append(an_event())
    deliver(integration.pk)
    engine.switch(poison=(Poison(identity=BOB, code=513),))

    finish()

    assert counts_of(integration) == {
        (REFERRED, 0): (1, 1, 0),
        (GENERATED, 0): (0, 1, 0),
    }
    assert_agrees(engine, integration)


def test_a_lone_record_that_is_refused_as_a_request_may_have_arrived_before(
    engine, integration, append, finish
):
    engine.switch(faults=(UNANSWERED,))
    append(an_event(referrer=None, via="smart_link"))
    deliver(integration.pk)
    engine.switch(poison=(Poison(event_name=REFERRED),))

    finish()

    assert counts_of(integration) == {(REFERRED, 0): (0, 1, 0)}
    assert_agrees(engine, integration)


def test_a_replay_is_counted_once_more(engine, integration, append, finish):
    append(an_event(), an_event(900))
    finish()
    add_up()
    replay.replay_range(integration, first=1, last=1)
    finish()

    assert counts_of(integration)[REFERRED, 0] == (2, 0, 0)
    assert counts_of(integration)[REFERRED, 1] == (1, 0, 0)
    assert_agrees(engine, integration)


def test_a_revival_is_counted_at_the_ts_under_which_it_goes(
    engine, integration, finish
):
    let_wait(integration)
    install(integration, "A", occurred_at=datetime.fromtimestamp(AT, UTC).isoformat())
    assert counts_of(integration) == {}
    Integration.objects.update(late_time="known")
    integration.refresh_from_db()

    link(integration)
    finish()

    (record,) = engine.records()
    assert record["ts"] > AT + 80_000
    quarter = record["ts"] // QUARTER_SECONDS - QUARTER
    assert counts_of(integration) == {(REFERRED, quarter): (1, 0, 0)}


def test_an_erasure_between_delivery_and_tally_takes_nothing_back(
    engine, integration, append, finish
):
    append(by_canary(occurred_at=datetime.fromtimestamp(AT, UTC).isoformat()))
    deliver(integration.pk)
    erase(integration)
    finish()

    add_up()

    assert counts_of(integration)[REFERRED, 0] == (1, 0, 0)
    assert_agrees(engine, integration)


def test_who_is_taken_out_of_an_upload_under_way_may_have_arrived(
    engine, integration, append, finish
):
    engine.switch(faults=(UNANSWERED,))
    append(by_canary(occurred_at=datetime.fromtimestamp(AT, UTC).isoformat()))
    deliver(integration.pk)
    order = erase(integration)
    ErasureRequest.objects.update(requested_at=F("requested_at") - timedelta(days=2))
    order.refresh_from_db()
    assert erasure_orders.advance_erasure(order).state == "done"

    finish()

    assert counts_of(integration) == {
        (REFERRED, 0): (0, 1, 0),
        (GENERATED, 0): (1, 1, 0),
    }
    assert_agrees(engine, integration)


def test_who_is_erased_after_the_last_unanswered_request_may_have_arrived(
    engine, integration, append, finish
):
    append(
        by_canary(
            occurred_at=datetime.fromtimestamp(AT, UTC).isoformat(),
            referrer=None,
            via="smart_link",
        )
    )
    engine.switch(faults=(UNANSWERED,))
    deliver(integration.pk)
    Upload.objects.update(unknown_outcomes=MOST_UNKNOWN_OUTCOMES)
    assert erase(integration).state == "done"

    finish()

    assert Upload.objects.get().dead == 1
    assert counts_of(integration) == {(REFERRED, 0): (0, 8, 0)}


def test_tallies_add_each_upload_once_and_readers_see_no_difference(
    engine, integration, append
):
    append(an_event())
    deliver(integration.pk)
    log.append(integration.app, [an_event(), an_event(900)])
    deliver(integration.pk)
    before = counts_of(integration)

    add_up()
    add_up()
    after = counts_of(integration)
    log.append(integration.app, [an_event()])
    deliver(integration.pk)
    add_up()

    assert after == before
    assert before[REFERRED, 0] == (2, 0, 0)
    assert counts_of(integration)[REFERRED, 0] == (3, 0, 0)
    assert DeliveredCount.objects.count() == 4
    assert_agrees(engine, integration)


def test_what_settles_behind_an_open_upload_is_read_before_it_is_tallied(
    engine, integration, append
):
    append(an_event())
    first = claim_next(integration.pk)
    begun(integration, first)
    log.append(integration.app, [an_event(900) for _ in range(500)])
    deliver(integration.pk)

    add_up()

    assert not DeliveredCount.objects.exists()
    assert counts_of(integration) == {
        (REFERRED, 1): (500, 0, 0),
        (GENERATED, 1): (500, 0, 0),
    }


def test_retention_before_the_tally_loses_nothing_and_doubles_nothing(
    engine, integration, append
):
    append(an_event(), an_event())
    deliver(integration.pk)
    add_up()
    log.append(integration.app, [an_event()])
    deliver(integration.pk)
    log.append(integration.app, [an_event(900)])
    deliver(integration.pk)
    before = counts_of(integration)
    age_events(3)

    assert retention.carry_out_retention() == 3
    kept = counts_of(integration)
    add_up()

    assert Upload.objects.count() == 1
    assert kept == counts_of(integration) == before
    assert before[REFERRED, 0] == (3, 0, 0)


def test_old_counts_go_a_chunk_at_a_time_and_new_ones_stay(integration):
    now = clock.read_now()
    old = int((now - timedelta(days=41)).timestamp()) // QUARTER_SECONDS
    DeliveredCount.objects.bulk_create(
        DeliveredCount(
            integration=integration, name=REFERRED, quarter=quarter, settled_at=now
        )
        for quarter in (old, old + 1, old + 2, QUARTER)
    )

    chunks = [delivered_counts.trim_delivered_counts(now, limit=2) for _ in range(3)]

    assert chunks == [True, True, False]
    assert DeliveredCount.objects.get().quarter == QUARTER


def test_retention_trims_old_counts(integration):
    DeliveredCount.objects.create(
        integration=integration, name=REFERRED, quarter=1, settled_at=clock.read_now()
    )

    retention.carry_out_retention()

    assert not DeliveredCount.objects.exists()


def test_several_integrations_are_read_as_one_and_others_left_out(
    engine, integration, append
):
    other = an_integration(reconciles=True)
    append(an_event())
    deliver(integration.pk)
    add_up()
    log.append(other.app, [an_event()])
    deliver(other.pk)

    assert counts_of(integration)[REFERRED, 0] == (1, 0, 0)
    assert counts_of(integration, other)[REFERRED, 0] == (2, 0, 0)
    assert read_delivered([], 0, QUARTER) == {}
    assert read_delivered([integration.pk], QUARTER + 1, QUARTER + 9) == {}


def test_the_newest_upload_of_a_day_is_found_tallied_or_not(
    engine, integration, append
):
    zone = ZoneInfo("Asia/Kolkata")
    append(an_event())
    deliver(integration.pk)
    day = datetime.fromtimestamp(AT, zone).date()

    def newest():
        return find_newest_settled([integration.pk], QUARTER - 96, QUARTER, zone)

    first = Upload.objects.get().settled_at.timestamp()
    assert newest() == {day: first}
    add_up()
    Upload.objects.update(settled_at=F("settled_at") + timedelta(hours=1))
    assert newest() == {day: first}
    log.append(integration.app, [an_event(), an_event(86_400)])
    deliver(integration.pk)
    second = Upload.objects.latest("pk").settled_at.timestamp()
    assert newest() == {day: second}
    add_up()
    assert newest() == {day: second}
    assert find_newest_settled([integration.pk], QUARTER + 1, QUARTER + 9, zone) == {}


def test_a_restored_backup_begins_to_count_anew(engine, integration, append):
    long_ago = clock.read_now() - timedelta(days=20)
    Integration.objects.update(counts_since=long_ago)
    append(an_event())
    deliver(integration.pk)

    assert lifecycle.pause_restored_backup(integration.pk, 9)

    integration.refresh_from_db()
    assert integration.counts_since > clock.read_now() - timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
def test_two_tallies_at_once_add_each_upload_once(engine, integration, append):
    for _ in range(3):
        append(an_event())
        deliver(integration.pk)
    with transaction.atomic():
        lock_account(integration.pk)
        workers = [Worker(add_up) for _ in range(2)]
        for worker in workers:
            worker.wait_for_its_lock()
    for worker in workers:
        worker.finish()

    assert counts_of(integration)[REFERRED, 0] == (3, 0, 0)
    assert status_of(integration).delivered == 6
