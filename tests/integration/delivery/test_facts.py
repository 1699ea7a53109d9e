"""Facts, read for all integrations at once, agree with what each one's status says."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from clevertap_sync import insight
from clevertap_sync.delivery import replay
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.insight import fact_queries
from clevertap_sync.insight.fact_queries import EVENTS, read_facts
from clevertap_sync.insight.facts import FLOW_EVENTS, NewestOutcomes
from clevertap_sync.insight.findings import judge_facts
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from referrals.ingest.counter import find_hour
from referrals.models import IngestCount, ReferralEvent
from tests.builders import (
    ANN,
    NOON,
    a_sent_custom_event,
    a_sent_event,
    a_sent_link_click,
    an_account,
    an_app,
    an_integration,
)

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


def facts_of(*integrations):
    rows = [insight.list_integrations_shown().get(pk=each.pk) for each in integrations]
    now = clock.read_now()
    return read_facts(rows, now, read_app_ingest(now))


def test_the_numbers_are_those_of_the_status(engine, integration, append, finish):
    engine.switch(poison=(Poison(event_name="Generated", code=513, times=3),))
    append(count=30)
    finish()
    append(a_sent_event(), a_sent_event())
    other = an_integration(account=an_account(account_id="TWO-TWO-TWOZ"))

    facts, empty = facts_of(integration, other)

    status = insight.read_status(facts.integration)
    assert (facts.head, facts.waiting.events) == (status.head, 2)
    assert {each.reason: each.count for each in facts.letters} == status.dead_letters
    assert facts.last_upload_accepted_at == insight.find_last_upload_accepted_at(
        facts.integration
    )
    assert facts.lag_seconds == pytest.approx(status.lag_seconds, abs=10)
    assert facts.newest_outcomes.delivered == status.delivered
    assert facts.imbalances == ()
    assert (empty.head, empty.waiting.events, list(empty.letters)) == (0, 0, [])
    assert empty.newest_outcomes == NewestOutcomes()


def test_parts_of_an_upload_count_with_it(engine, integration, append, finish):
    engine.switch(poison=(Poison(event_name="Generated", code=555, times=2),))
    append(count=5)
    finish()

    (facts,) = facts_of(integration)

    assert Upload.objects.filter(parent__isnull=False).exists()
    assert (facts.newest_outcomes.records, facts.newest_outcomes.delivered) == (10, 10)


def let_pass(time):
    """Let everything that was settled have been settled so long before."""
    Upload.objects.update(settled_at=F("settled_at") - time)
    Attempt.objects.update(ended_at=F("ended_at") - time)
    DeadLetter.objects.update(changed_at=F("changed_at") - time)


def codes_found():
    (facts,) = facts_of(Integration.objects.get())
    # No worker is at work in these tests, and their events are of one day.
    return {each.code for each in judge_facts(facts)} - {"no_worker", "stale_events"}


def with_a_provider_that_nobody_has(engine):
    Integration.objects.update(identity_provider="customer_number")


def with_records_that_clevertap_refuses(engine):
    engine.switch(poison=(Poison(event_name="", code=513, times=99),))


def with_settings_that_keep_all_back(engine):
    Integration.objects.update(
        not_sent=["app_install:referred", "app_install:generated"]
    )


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (with_a_provider_that_nobody_has, "identity_missing"),
        (with_records_that_clevertap_refuses, "nothing_delivered"),
        (with_settings_that_keep_all_back, "everything_kept_back"),
    ],
)
def test_that_nothing_was_delivered_stays_until_something_is(
    engine, append, finish, plant, code
):
    plant(engine)
    append(count=5)
    finish()

    assert code in codes_found()

    let_pass(25 * HOUR)

    assert code in codes_found()


@pytest.mark.parametrize(
    ("apart", "code"), [(26, "identity_missing"), (20, "dead_letters")]
)
def test_that_time_passes_makes_a_failure_neither_better_nor_worse(
    engine, append, finish, apart, code
):
    append(*(a_sent_event() for _ in range(5)))
    finish()
    let_pass(apart * HOUR)
    with_a_provider_that_nobody_has(engine)
    append(*(a_sent_event() for _ in range(5)))
    finish()

    assert codes_found() == {code}

    let_pass(10 * HOUR)
    assert codes_found() == {code}

    let_pass(30 * HOUR)
    assert codes_found() == {code}


def test_what_failed_last_is_old_once_something_was_delivered_since(
    engine, append, finish
):
    append(count=1)
    finish()
    engine.switch(poison=(Poison(event_name="Generated", code=513, times=1),))
    append(a_sent_event())
    finish()
    let_pass(25 * HOUR)

    assert codes_found() == {"dead_letters"}

    append(a_sent_event())
    finish()

    assert codes_found() == {"old_dead_letters"}


def test_when_something_was_delivered_is_known_however_much_failed_since(
    engine, append, finish, monkeypatch
):
    monkeypatch.setattr(fact_queries, "RECENT_UPLOADS", 1)
    append(count=1)
    finish()
    (settled_at,) = Upload.objects.values_list("settled_at", flat=True)
    (delivered,) = facts_of(Integration.objects.get())
    with_a_provider_that_nobody_has(engine)
    append(a_sent_event())
    finish()
    tallies.add_up_tallies(worthwhile=1)

    (facts,) = facts_of(Integration.objects.get())

    assert delivered.delivered_at == settled_at
    assert facts.delivered_at == settled_at.replace(minute=0, second=0, microsecond=0)


def test_what_a_replay_delivers_is_a_success_too(engine, integration, append, finish):
    with_a_provider_that_nobody_has(engine)
    append(count=2)
    finish()
    Integration.objects.update(identity_provider="email")
    replay.replay_letters(integration, reasons=["no_identity"])
    finish()

    (facts,) = facts_of(integration)

    assert facts.delivered_at == Upload.objects.get(replay__isnull=False).settled_at


def test_what_falls_out_of_a_replay_after_it_was_delivered_is_not_said_to_be_lost(
    engine, integration, append, finish
):
    with_a_provider_that_nobody_has(engine)
    append(count=2)
    finish()
    Integration.objects.update(identity_provider="email")
    replay.replay_letters(integration, reasons=["no_identity"])
    finish()
    with_a_provider_that_nobody_has(engine)
    replay.replay_range(integration, first=1, last=2)
    finish()

    assert codes_found() == {"dead_letters"}


def test_of_a_silent_app_it_is_known_when_something_last_came_by_this_time_a_week_ago(
    integration,
):
    log.append(integration.app, [a_sent_event()])
    now = clock.read_now()
    ReferralEvent.objects.update(received_at=now - 30 * HOUR)
    week = timedelta(days=7)
    last = now - week - 2 * HOUR
    for number, at in enumerate((now - week, last, last - 20 * HOUR, last - week)):
        IngestCount.objects.create(
            app_id=integration.app_id,
            way=f"rk_{number}",
            number=1,
            outcome="accepted",
            hour=find_hour(at),
            last_at=at,
        )
    # What was refused, and what another app took, is none of this one's events.
    IngestCount.objects.create(
        app_id=integration.app_id,
        way="rk_0",
        number=1,
        code="conflict",
        outcome="conflict",
        hour=find_hour(now - week),
        last_at=last + HOUR / 2,
    )

    (facts,) = facts_of(integration)

    assert facts.arrivals.week_ago_at == last


@pytest.mark.parametrize(
    ("mend", "is_mend"),
    [
        ({"event_kinds": "both"}, True),
        ({"not_sent": ["app_open:generated"]}, True),
        ({"send_suspicious": False}, True),
        ({"deliver_since": NOON}, True),
        ({"identity_provider": "custom_id", "send_event_id": True}, False),
    ],
)
def test_what_is_sent_counts_as_changed_until_an_upload_is_made_with_it(
    engine, integration, append, mend, is_mend
):
    append(a_sent_event(test=True))
    deliver(integration.pk)
    assert facts_of(integration)[0].sends_changed is False

    Integration.objects.update(**mend)
    (after,) = facts_of(integration)
    append(a_sent_event(test=True))
    (waiting,) = facts_of(integration)
    deliver(integration.pk)
    (met,) = facts_of(integration)

    assert (after.sends_changed, waiting.sends_changed) == (is_mend, is_mend)
    assert met.sends_changed is False


@pytest.mark.parametrize(("kind", "is_test"), [("test", False), ("production", True)])
def test_what_was_sent_before_its_kind_was_ruled_out_warns_of_nothing_yet(
    engine, append, finish, kind, is_test
):
    Integration.objects.update(event_kinds="both")
    append(a_sent_event(test=is_test))
    finish()
    Integration.objects.update(event_kinds=kind)

    assert codes_found() == {"settings_changed"}

    append(a_sent_event(test=is_test))
    finish()

    assert codes_found() == {
        "only_test_events" if is_test else "only_production_events"
    }


def test_settings_keep_back_what_they_are_to_where_they_let_something_through(
    engine, append, finish
):
    Integration.objects.update(not_sent=["app_open:generated", "app_open:referred"])
    append(a_sent_event())
    finish()
    let_pass(25 * HOUR)
    append(a_sent_event(type="app_open"))
    finish()

    assert codes_found() == set()

    let_pass(6 * 24 * HOUR)
    append(a_sent_event(type="app_open"))
    finish()

    assert codes_found() == {"everything_kept_back"}


def test_settings_that_let_through_what_they_do_no_more_are_told(
    engine, append, finish
):
    append(a_sent_event())
    finish()
    let_pass(25 * HOUR)
    with_settings_that_keep_all_back(engine)
    append(a_sent_event())
    finish()

    assert codes_found() == {"everything_kept_back"}


def test_what_fell_out_of_the_newest_upload_is_counted_by_reason(
    engine, integration, append, finish
):
    nobody = {"identities": {"custom_id": "7"}}
    append(*(a_sent_event(user=nobody, referrer=nobody) for _ in range(6)))
    finish()
    engine.switch(poison=(Poison(event_name="Generated", code=513),))
    append(*(a_sent_event(user=nobody) for _ in range(2)), a_sent_event())
    finish()

    (facts,) = facts_of(integration)

    assert [(each.reason, each.count, each.lately) for each in facts.letters] == [
        ("no_identity", 14, 2),
        ("clevertap_513", 3, 3),
    ]


def test_what_was_found_in_clevertap_is_in_nobodys_way(
    engine, integration, append, finish
):
    nobody = {"identities": {"custom_id": "7"}}
    append(*(a_sent_event(user=nobody, referrer=nobody) for _ in range(2)))
    finish()
    DeadLetter.objects.update(reason="outcome_unknown", found="found")
    one = DeadLetter.objects.first()
    DeadLetter.objects.filter(pk=one.pk).update(found="not_found")

    (facts,) = facts_of(integration)
    DeadLetter.objects.update(found="found")
    (later,) = facts_of(integration)

    assert [(each.reason, each.count) for each in facts.letters] == [
        ("outcome_unknown", 1)
    ]
    assert facts.letters[0].parked.sentence == (
        "By CleverTap's counts: 3 found in CleverTap, 1 not found, safe to replay."
    )
    assert list(later.letters) == []
    assert [each.code for each in judge_facts(later) if each.detail] == []


def test_letters_that_fall_out_of_a_replay_again_tell_nothing_of_now(
    engine, integration, append, finish
):
    nobody = {"identities": {"custom_id": "7"}}
    append(*(a_sent_event(user=nobody, referrer=nobody) for _ in range(6)))
    finish()
    engine.switch(
        poison=(Poison(event_name="Re", code=513), Poison(event_name="Ge", code=513))
    )
    append(count=2)
    finish()
    replay.replay_letters(integration, reasons=["no_identity"])
    finish()

    (facts,) = facts_of(integration)

    assert [(each.reason, each.count, each.lately) for each in facts.letters] == [
        ("no_identity", 12, 0),
        ("clevertap_513", 4, 4),
    ]


def test_only_the_newest_events_tell_what_arrives(integration):
    now = clock.read_now()
    old = [a_sent_event(test=True) for _ in range(5)]
    stale = [a_sent_event(occurred_at=str(NOON.date()) + "T00:00:00Z")]
    fresh = [a_sent_event(occurred_at=now.isoformat()) for _ in range(EVENTS - 4)]
    click = a_sent_link_click(occurred_at=now.isoformat())
    named = a_sent_custom_event(occurred_at=now.isoformat(), test=True)
    log.append(integration.app, [*old, *stale, *fresh, click, named])

    (facts,) = facts_of(integration)

    arrivals = facts.arrivals
    assert (arrivals.events, arrivals.test) == (EVENTS, 2)
    assert arrivals.late == 2
    assert arrivals.oldest > timedelta(hours=2)
    newest = ReferralEvent.objects.order_by("-position").first()
    assert arrivals.newest_at == newest.received_at
    assert facts.names.sent == 1


def test_older_events_of_a_silent_app_tell_whether_they_were_a_flow(integration):
    log.append(integration.app, [a_sent_event() for _ in range(EVENTS * 5)])
    now = clock.read_now()

    (busy,) = facts_of(integration)

    assert (busy.arrivals.instants, busy.arrivals.earlier) == (0, ())

    for event in ReferralEvent.objects.all():
        ago = (EVENTS * 5 + 1 - event.position) * HOUR
        rows = ReferralEvent.objects.filter(app=event.app_id, position=event.position)
        rows.update(received_at=now - ago)

    (silent,) = facts_of(integration)

    assert silent.arrivals.instants == FLOW_EVENTS
    assert silent.arrivals.earlier == (now - (EVENTS * 4 + 1) * HOUR,)

    # All at once.
    ReferralEvent.objects.update(received_at=now - 30 * HOUR)

    (imported,) = facts_of(integration)

    assert imported.arrivals.instants == 1


def test_each_event_goes_to_the_integration_of_its_kind_and_all_is_well(
    engine, integration, append, finish
):
    tests = an_integration(
        integration.app,
        name="tests",
        event_kinds="test",
        account=an_account(account_id="TWO-TWO-TWOZ"),
    )
    append(count=5)
    finish()
    deliver(tests.pk)

    production, beside = facts_of(integration, tests)

    assert production.others_send == {"test"}
    assert beside.others_send == {"production"}
    found = {each.code for facts in (production, beside) for each in judge_facts(facts)}
    assert found - {"no_worker", "stale_events"} == set()

    Integration.objects.filter(pk=integration.pk).update(archived_at=clock.read_now())

    (alone,) = facts_of(tests)

    assert "only_production_events" in {each.code for each in judge_facts(alone)}


@pytest.mark.parametrize(
    ("changes", "waiting"),
    [
        ({}, (3, 0, 0)),
        ({"leased_until": timedelta(minutes=1)}, (0, 0, 6)),
        ({"unknown_outcomes": 1}, (0, 0, 6)),
    ],
)
def test_what_is_not_under_way_waits_as_events(
    engine, integration, append, changes, waiting
):
    append(count=3)
    deliver(integration.pk)
    if "leased_until" in changes:
        changes = {"leased_until": clock.read_now() + changes["leased_until"]}
    Upload.objects.update(state="open", settled_at=None, **changes)

    (facts,) = facts_of(integration)

    found = facts.waiting
    assert (found.events, found.records, found.under_way) == waiting
    assert found.since == ReferralEvent.objects.get(position=1).received_at


def test_a_hundred_integrations_cost_no_query_more_than_one(integration):
    def queries(rows):
        with CaptureQueriesContext(connection) as captured:
            facts_of_rows = read_facts(rows, NOON, read_app_ingest(NOON))
        assert len(facts_of_rows) == len(rows)
        return len(captured.captured_queries)

    log.append(integration.app, [a_sent_event()])
    one = list(insight.list_integrations_shown())
    few = queries(one)
    for number in range(99):
        app = an_app(f"app-of-{number:03}")
        an_integration(app, account=an_account(account_id=f"ACC-{number:03}-AAAZ"))
        log.append(app, [a_sent_event(user={"identities": {"email": ANN}})])

    assert queries(list(insight.list_integrations_shown())) == few
