"""What CleverTap drops after it answered 200 is named on the overview, and in no book of ours."""

from datetime import timedelta

import pytest
from django.db.models import F

from clevertap_sync import insight
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.findings import judge_facts
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.models import FirstSight
from clevertap_sync.process import clock
from clevertap_sync.reconciliation.orders import order_comparison
from clevertap_sync.reconciliation.reconciliation_round import (
    run_reconciliation_round,
)
from referrals import log
from tests.builders import a_sent_event, an_integration
from tests.integration.delivery.conftest import status_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def integration(sandbox):
    sandbox.switch(counts_visible_after=0, schema_visible_after=0, visible_jitter=0)
    return an_integration(reconciles=True, counts_since=clock.read_now() - 9 * DAY)


def send(integration, *, at, count):
    made = [a_sent_event(occurred_at=at.isoformat()) for _ in range(count)]
    log.append(integration.app, made)
    deliver(integration.pk)


def find_sentences(integration):
    """Return what the overview says of CleverTap's side, by code."""
    with insight.read_in_snapshot():
        now = clock.read_now()
        (facts,) = read_facts([integration], now, read_app_ingest(now))
    return {
        each.code: each.sentence for each in judge_facts(facts) if each.code[0] in "cn"
    }


def test_a_name_for_which_the_account_has_no_room_is_named_at_the_first_look(
    sandbox,
    integration,
):
    sandbox.switch(other_event_types=512)
    run_reconciliation_round()
    send(integration, at=clock.read_now(), count=12)
    run_reconciliation_round()
    ago = timedelta(minutes=1)
    FirstSight.objects.update(first_at=F("first_at") - ago, next_at=F("next_at") - ago)

    run_reconciliation_round()

    assert find_sentences(integration)["not_shown"].startswith(
        "CleverTap accepted 24 records of 2 new events, such as "
    )
    status = status_of(integration)
    assert (status.delivered, status.balanced) == (24, True)


def test_a_name_that_is_dropped_later_is_named_by_the_next_comparison(
    sandbox,
    integration,
):
    send(integration, at=clock.read_now() - 2 * DAY, count=20)
    sandbox.switch(discarded_names=["Referred App Install"], discarded_records="drop")
    yesterday = clock.read_now() - DAY
    send(integration, at=yesterday, count=20)
    order_comparison(integration.account, "a test", clock.read_now())

    run_reconciliation_round()

    found = find_sentences(integration)
    assert set(found) & {"not_shown", "counts_fewer"} == {"counts_fewer"}
    assert found["counts_fewer"].startswith(
        f"Of {yesterday.day} {yesterday:%B}, CleverTap counts 0 of 20 Referred App Install. "
        "CleverTap does not count 20 records: Referred App Install is discarded there."
    )
    status = status_of(integration)
    assert (status.delivered, status.balanced) == (80, True)
