"""A name that is delivered for the first time is asked for until CleverTap shows it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.insight.seen_queries import read_seen_facts
from clevertap_sync.models import (
    AccountReading,
    DeliveredCount,
    FirstSight,
    Statement,
    Upload,
)
from clevertap_sync.process import clock
from clevertap_sync.reconciliation.first_sights import ask_due_first_sights
from clevertap_sync.reconciliation.new_names import find_new_names
from referrals import log
from tests.builders import (
    a_sent_custom_event,
    a_sent_event,
    an_app,
    an_integration,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
INSTALL, INVITE = "Referred App Install", "Generated App Install"


@pytest.fixture
def clevertap(sandbox):
    """A sandbox that shows at once what it has."""
    sandbox.switch(counts_visible_after=0, schema_visible_after=0, visible_jitter=0)
    return sandbox


@pytest.fixture
def integration(clevertap):
    return compared()


def compared(**changes):
    since = {"counts_since": clock.read_now()}
    return an_integration(reconciles=True, **{**since, **changes})


def send(integration, *events):
    """Deliver events that happen now; of one install where none is given."""
    at = clock.read_now().isoformat()
    made = events or (a_sent_event(),)
    log.append(integration.app, [{**each, "occurred_at": at} for each in made])
    deliver(integration.pk)


def look(minutes=0):
    """Look as if each first delivery had been so long ago; return the sights by name."""
    find_new_names()
    ago = timedelta(minutes=minutes)
    FirstSight.objects.update(first_at=F("first_at") - ago, next_at=F("next_at") - ago)
    ask_due_first_sights(clock.read_now())
    return {each.name: each for each in FirstSight.objects.all()}


def seen_by(integration):
    return read_seen_facts([integration], clock.read_now())[integration.pk]


def test_a_name_is_new_where_the_schema_lacked_it_and_shows_with_its_first_event(
    integration,
):
    look()
    send(integration)

    before = look()
    after = look(minutes=1)

    assert set(before) == {INSTALL, INVITE}
    assert [(each.is_new, each.asked) for each in before.values()] == [(True, 0)] * 2
    shown = after[INSTALL]
    assert (shown.asked, shown.delivered, shown.counted) == (1, 1, 1)
    assert shown.shown_at == shown.asked_at
    assert shown.next_at is None


def test_what_shows_is_told_with_how_soon(integration):
    look()
    send(integration)
    look(minutes=5)

    seen = seen_by(integration)

    assert {each.name for each in seen.shown} == {INSTALL, INVITE}
    assert seen.delays.names == 2
    assert 300 <= seen.delays.p50 <= seen.delays.p99 < 360
    assert seen.overdue == ()


def test_it_is_asked_for_ever_more_seldom_and_is_overdue_after_half_an_hour(
    clevertap, integration
):
    clevertap.switch(counts_visible_after=None)
    look()
    send(integration)
    asked = []
    for minutes in (1, 1, 3, 5, 10):
        sight = look(minutes)[INSTALL]
        asked.append((sight.asked, sight.cause))
    assert asked == [(number, "") for number in (1, 2, 3, 4, 5)]
    assert seen_by(integration).overdue == ()

    sight = look(minutes=10)[INSTALL]

    assert (sight.asked, sight.cause) == (6, "not_processed_yet")
    assert sight.next_at - sight.first_at == timedelta(hours=1)
    overdue = seen_by(integration).overdue
    assert {each.name: each.delivered for each in overdue} == {INSTALL: 1, INVITE: 1}


def test_a_full_account_is_the_cause_of_a_name_that_it_dropped_at_the_first_look(
    clevertap, integration
):
    clevertap.switch(other_event_types=512)
    look()
    send(integration)

    sights = look(minutes=1)

    assert {each.cause for each in sights.values()} == {"event_types_full"}
    assert {(each.asked, each.counted) for each in sights.values()} == {(1, 0)}
    clevertap.switch(other_event_types=0)
    assert {each.cause for each in look(minutes=1).values()} == {""}


def test_a_name_that_was_discarded_long_ago_is_named_at_the_first_look(
    clevertap, integration
):
    clevertap.switch(discarded_names=[INSTALL], discarded_records="drop")
    look()
    send(integration)

    sights = look(minutes=1)

    discarded = sights[INSTALL]
    assert (discarded.is_new, discarded.delivered, discarded.counted) == (False, 1, 0)
    assert (discarded.cause, sights[INVITE].cause) == ("name_discarded", "")
    assert [each.name for each in seen_by(integration).overdue] == [INSTALL]


def test_an_old_name_of_which_some_show_is_left_to_the_comparison(clevertap):
    integration = compared()
    integration.counts_since -= DAY
    integration.save()
    look()
    AccountReading.objects.update(
        schema={"events": [[INSTALL, "active", True]], "limit": 512}
    )
    send(integration)
    count_more(integration, INSTALL)

    sight = look(minutes=31)[INSTALL]

    assert (sight.delivered, sight.counted) == (8, 1)
    assert (sight.shown_at, sight.cause) == (None, "")


def test_the_likeliest_cause_is_chosen_by_the_schema_and_what_the_records_lack(
    clevertap, integration
):
    look()
    send(integration)
    look(minutes=1)
    clevertap.switch(counts_visible_after=None)
    send(
        integration,
        a_sent_custom_event(name="Coupon Used"),
        a_sent_event(type="app_open", content=None),
        a_sent_event(type="app_open", channel=None),
        a_sent_event(type="web_sign_up"),
        a_sent_event(type="web_sign_up", channel=None),
    )
    clevertap.switch(schema_visible_after=0, discarded_names=["Referred Coupon Used"])

    causes = {name: each.cause for name, each in look(minutes=31).items()}

    assert causes[INSTALL] == ""
    assert causes["Referred Coupon Used"] == "name_discarded"
    assert causes["Referred App Open"] == "property_missing"
    assert causes["Referred Web Sign Up"] == "not_processed_yet"


def test_without_a_schema_to_see_names_are_asked_for_all_the_same(clevertap):
    integration = compared(counts_since=clock.read_now() - 2 * DAY)
    clevertap.switch(counts_visible_after=None)
    send(integration)
    clevertap.answer(404)

    sights = look(minutes=31)

    assert AccountReading.objects.get().lacks_schema
    assert [(each.asked, each.counted) for each in sights.values()] == [(1, 0)] * 2
    assert {each.cause for each in sights.values()} == {"account_empty"}


def test_an_account_that_shows_nothing_at_all_may_be_another_one(
    clevertap,
):
    integration = compared()
    integration.counts_since -= DAY
    integration.save()
    schema = [[name, "active", True] for name in (INSTALL, INVITE)]
    look()
    AccountReading.objects.update(schema={"events": schema, "limit": 512})
    clevertap.switch(counts_visible_after=None)
    send(integration)

    causes = {each.cause for each in look(minutes=31).values()}

    assert causes == {"account_empty"}


def test_a_name_that_shows_late_is_overdue_no_more(clevertap, integration):
    clevertap.switch(counts_visible_after=None)
    look()
    send(integration)
    look(minutes=31)
    assert seen_by(integration).overdue

    clevertap.switch(counts_visible_after=0)
    look(minutes=30)

    assert seen_by(integration).overdue == ()


@pytest.mark.parametrize("is_new", [True, None], ids=["new", "without a schema"])
def test_a_comparison_that_counts_it_ends_it_too(clevertap, integration, is_new):
    clevertap.switch(counts_visible_after=None)
    look()
    send(integration)
    sight = look(minutes=31)[INSTALL]
    FirstSight.objects.update(is_new=is_new)
    Statement.objects.create(
        account=integration.account,
        folded_name=sight.folded_name,
        name=INSTALL,
        day=clock.read_now().date(),
        delivered=2,
        counted=1 if is_new else 2,
        compared_at=clock.read_now(),
    )

    Statement.objects.create(
        account=integration.account,
        folded_name=normalise_event_name(INVITE),
        name=INVITE,
        day=clock.read_now().date(),
        delivered=2,
        counted=2,
        compared_at=clock.read_now() - DAY,
    )

    sights = look()

    assert sights[INSTALL].shown_at > sight.asked_at
    assert sights[INVITE].shown_at is None
    assert [each.name for each in seen_by(integration).overdue] == [INVITE]
    assert seen_by(integration).delays is None


def test_an_old_name_is_left_to_the_night_where_counting_began_within_the_day(
    clevertap, integration
):
    other = an_integration()
    send(other)
    look()

    send(integration)
    sight = look(minutes=1)[INSTALL]

    assert (sight.is_new, sight.asked, sight.counted) == (False, 1, None)
    assert (sight.next_at, sight.shown_at, sight.cause) == (None, None, "")


def test_an_old_name_shows_once_all_is_counted_that_was_there_when_last_asked(
    clevertap,
):
    integration = compared()
    # A day that was counted whole.
    integration.counts_since -= DAY
    integration.save()
    look()
    AccountReading.objects.update(
        schema={"events": [[INSTALL, "active", True]], "limit": 512}
    )
    clevertap.switch(counts_visible_after=None)
    send(integration, a_sent_event(), a_sent_event())
    first = look(minutes=1)[INSTALL]
    clevertap.switch(counts_visible_after=0)
    count_more(integration, INSTALL)
    count_more(integration, INVITE)
    FirstSight.objects.filter(name=INVITE).update(is_new=False, delivered=3)

    then = look(minutes=1)[INSTALL]

    assert (first.is_new, first.delivered, first.shown_at) == (False, 2, None)
    assert (then.delivered, then.counted) == (9, 2)
    assert then.shown_at == then.asked_at
    assert FirstSight.objects.get(name=INVITE).shown_at is None
    assert seen_by(integration).delays is None


def count_more(integration, name):
    """Write that seven more were delivered just now."""
    DeliveredCount.objects.create(
        integration=integration,
        name=name,
        quarter=int(clock.read_now().timestamp()) // QUARTER_SECONDS,
        delivered=7,
        settled_at=clock.read_now(),
    )


def settle_late(upload, *names):
    """Settle an upload by hand, with one record of each name."""
    Upload.objects.filter(pk=upload.pk).update(
        state=Upload.State.SETTLED,
        settled_at=clock.read_now(),
        # What was sent and not delivered is no sight.
        counts=[*([name, 1, 1, 0, 0] for name in names), ["Referred None", 1, 0, 1, 0]],
    )


def open_upload(integration, **changes):
    now = clock.read_now()
    return Upload.objects.create(
        integration=integration,
        first=1,
        last=1,
        settings={},
        created_at=now,
        due_at=now,
        **changes,
    )


def test_an_upload_that_settles_later_is_not_missed(integration):
    earlier, later = open_upload(integration), open_upload(integration)
    settle_late(later, "Referred Second")
    assert set(look()) == {"Referred Second"}

    settle_late(earlier, "Referred First")

    assert set(look()) == {"Referred First", "Referred Second"}
    assert AccountReading.objects.get().seen_to == {str(integration.pk): [later.pk, []]}


def test_what_went_to_another_account_before_is_not_this_ones(integration):
    settle_late(open_upload(integration), "Referred First")
    AccountReading.objects.create(
        account=integration.account, seen_to={str(integration.pk): [0, []]}
    )
    integration.counts_since = clock.read_now()
    integration.save()
    settle_late(open_upload(integration), "Referred Second")

    assert set(look()) == {"Referred Second"}


def test_a_schema_that_clevertap_does_not_show_is_asked_for_once_a_day(
    clevertap, integration
):
    for _ in range(2):
        clevertap.answer(400, '{"status": "fail", "error": "Not for you", "code": 400}')
        look()
        AccountReading.objects.update(waits_until=None)
    assert [each.path for each in clevertap.requests()] == ["/eu1/getSchema"]

    AccountReading.objects.update(schema_at=clock.read_now() - DAY)
    look()

    assert len(clevertap.requests()) == 2


def test_a_name_that_clevertap_fails_to_count_keeps_no_other_waiting(
    clevertap, integration
):
    look()
    send(integration)
    find_new_names()
    FirstSight.objects.filter(name=INSTALL).update(next_at=clock.read_now() - DAY)
    # The schema, and the name that waits longest.
    clevertap.answer(500, "{}", only="reads", times=2)
    failed = look(minutes=1)
    AccountReading.objects.update(waits_until=None)

    then = look()

    assert (failed[INSTALL].asked, failed[INVITE].asked) == (1, 0)
    assert failed[INSTALL].next_at > clock.read_now()
    assert then[INVITE].shown_at is not None
    assert then[INSTALL].asked == 1


def test_parts_of_an_upload_that_was_open_are_looked_at(integration):
    parent, split = open_upload(integration), Upload.State.SPLIT
    settle_late(open_upload(integration), "Referred Second")
    look()
    part = open_upload(integration, parent=parent, root=parent, state=split)
    settle_late(open_upload(integration, parent=part, root=parent), "Referred Part")
    Upload.objects.filter(pk=parent.pk).update(state=split)

    assert set(look()) == {"Referred Part", "Referred Second"}
    assert AccountReading.objects.get().seen_to[str(integration.pk)][1] == []


def test_parts_of_parts_below_the_mark_are_looked_at(integration):
    parent, split = open_upload(integration), Upload.State.SPLIT
    part = open_upload(integration, parent=parent, root=parent, state=split)
    last = open_upload(integration, parent=part, root=parent)
    Upload.objects.filter(pk=parent.pk).update(state=split)
    settle_late(last, "Referred Part")
    mark = [last.pk, [parent.pk]]
    AccountReading.objects.create(
        account=integration.account, seen_to={str(integration.pk): mark}
    )

    look()

    assert set(look()) == {"Referred Part"}
    assert AccountReading.objects.get().seen_to[str(integration.pk)][1] == []


def test_nothing_is_asked_and_two_queries_are_made_where_nothing_is_new(
    clevertap, integration
):
    send(integration)
    for number in range(3):
        compared(app=an_app(f"idle-{number}"), account=integration.account)
    look(minutes=1)

    with CaptureQueriesContext(connection) as queries:
        find_new_names()

    assert len(queries) == 2


def test_an_integration_that_is_not_compared_costs_one_query(clevertap):
    send(an_integration())

    with CaptureQueriesContext(connection) as queries:
        find_new_names()
    ask_due_first_sights(clock.read_now())

    assert len(queries) == 1
    assert not FirstSight.objects.exists()
    assert not AccountReading.objects.exists()
