"""A comparison: what is asked, what is written down, and what it does when it cannot ask."""

import json
from datetime import UTC, datetime

import pytest

from clevertap_sync.clevertap.causes.week import Schema
from clevertap_sync.clevertap.stored_schema import pack_schema
from clevertap_sync.models import (
    AccountReading,
    Comparison,
    DeliveredCount,
    Statement,
)
from clevertap_sync.process import stopping
from clevertap_sync.reconciliation import closing, comparison as comparing
from clevertap_sync.reconciliation.comparison import Turn, take_turn
from clevertap_sync.reconciliation.orders import order_comparison
from clevertap_sync.reconciliation.reader import open_reader
from clevertap_sync.reconciliation.reconciling_account import (
    find_reconciling_accounts,
    read_reconciling_account,
)
from clevertap_sync.reconciliation.statement_words import describe_statement
from referrals import failpoints
from referrals.secret import Secret
from tests.builders import an_app, an_integration
from tests.integration.reconciliation.comparing.conftest import (
    LONG_AGO,
    NAME,
    NOW,
    PRESENT,
    both,
    delivered,
    on,
    stored,
)

SALE = "Generated Sale"
SHARE = "Generated Share"
#: The largest name's days are always asked.
LARGEST = 7


@pytest.fixture(autouse=True)
def _the_clock_stands(now):
    """The days that are compared are the 9th to the 15th."""


def an_order(integration, **changes):
    order = order_comparison(integration.account, "ann", NOW)
    Comparison.objects.filter(pk=order.pk).update(**changes)
    order.refresh_from_db()
    return order


def compare(integration, **changes):
    """Compare, a second later than whatever was compared before."""
    PRESENT.passes(seconds=1)
    comparison = an_order(integration, **changes)
    assert take_turn(comparison) is Turn.ENDED
    return comparison


def statements():
    """Name, day of the month, delivered, counted, difference: in the page's order."""
    return [
        (row.name, row.day.day, row.delivered, row.counted, row.difference)
        for row in Statement.objects.order_by("name", "day")
    ]


def asked(sandbox):
    """How many counts were asked for."""
    paths = [request.path for request in sandbox.requests()]
    return sum(path.endswith("/1/counts/events.json") for path in paths)


def test_a_clean_week_is_one_question_for_each_name_and_seven_for_the_largest(
    sandbox, integration
):
    both(integration, 3, day=9)
    both(integration, 2, day=15)
    both(integration, 4, day=10, name=SALE)
    both(integration, 1, day=10, name=SHARE)

    comparison = compare(integration)

    assert statements() == [
        (SALE, 10, 4, 4, 0),
        (SHARE, 10, 1, 1, 0),
        (NAME, 9, 3, 3, 0),
        (NAME, 15, 2, 2, 0),
    ]
    assert asked(sandbox) == LARGEST + 1 + 1
    assert (comparison.state, comparison.error) == (Comparison.State.DONE, "")
    assert (comparison.compared, comparison.not_compared) == (4, 0)
    assert comparison.requests == 1 + LARGEST + 1 + 1, "the schema, and the counts"
    assert AccountReading.objects.get().leased_until is None


def test_where_a_week_differs_its_days_are_asked(sandbox, integration):
    both(integration, 12, day=12, name=SALE)
    both(integration, 3, day=9)
    delivered(integration, 5, day=12)
    stored(integration, 2, day=12)
    stored(integration, 1, day=14)

    compare(integration)

    assert statements() == [
        (SALE, 12, 12, 12, 0),
        (NAME, 9, 3, 3, 0),
        (NAME, 12, 5, 2, -3),
        (NAME, 14, 0, 1, 1),
    ]
    assert asked(sandbox) == LARGEST + 1 + 7


def test_days_of_another_zone_are_seen_though_each_week_has_as_many(
    sandbox, integration
):
    sandbox.switch(time_zone="Asia/Kolkata")
    integration.counts_since = datetime(2026, 1, 8, 10, tzinfo=UTC)
    integration.save()
    # As a week before, to the record: what moves out of the week moves into it.
    evenings = {day: 1 + day % 7 for day in range(8, 16)}
    for day, count in evenings.items():
        both(integration, count, day=day, hour=20)
        both(integration, 2 * count, day=day, hour=20, name=SALE)

    compare(integration)

    moved = [(day, evenings[day], evenings[day - 1]) for day in range(9, 16)]
    assert statements() == [
        (name, day, n * sent, n * counted, n * (counted - sent))
        for name, n in ((SALE, 2), (NAME, 1))
        for day, sent, counted in moved
    ]
    assert {
        cause["code"] for row in Statement.objects.all() for cause in row.causes
    } == {"other_time_zone"}
    assert not any(row.unexplained for row in Statement.objects.all())


def test_neither_today_nor_an_older_day_is_compared(sandbox, integration):
    delivered(integration, 5, day=16)
    both(integration, 1, day=9)
    delivered(integration, 2, day=8)
    Statement.objects.create(
        account=integration.account,
        day=on(8),
        folded_name="referredappinstall",
        name=NAME,
        delivered=2,
        counted=2,
        compared_at=LONG_AGO,
    )

    comparison = compare(integration)

    assert statements() == [(NAME, 8, 2, 2, 0), (NAME, 9, 1, 1, 0)]
    assert comparison.compared == 1


def test_an_older_day_is_compared_again_once_something_of_it_is_delivered(
    sandbox, integration
):
    both(integration, 2, day=1)
    Statement.objects.create(
        account=integration.account,
        day=on(1),
        folded_name="referredappinstall",
        name=NAME,
        delivered=1,
        counted=1,
        compared_at=LONG_AGO,
    )

    compare(integration)

    assert statements() == [(NAME, 1, 2, 2, 0)]
    [row] = Statement.objects.all()
    assert row.counted_before == 1


def test_days_before_all_of_the_accounts_integrations_counted_are_left_out(
    sandbox, integration
):
    both(integration, 1, day=12)
    both(integration, 1, day=13)
    second = an_integration(an_app(), reconciles=True)
    second.counts_since = NOW.replace(day=12, hour=9)
    second.save()

    compare(integration)

    assert statements() == [(NAME, 13, 1, 1, 0)]


def test_a_shared_account_is_compared_with_the_sum_of_its_integrations(
    sandbox, integration
):
    second = an_integration(an_app(), reconciles=True, counts_since=LONG_AGO)
    both(integration, 2, day=10)
    both(second, 3, day=10)

    comparison = compare(second)

    assert statements() == [(NAME, 10, 5, 5, 0)]
    assert comparison.compared == 1


def test_what_an_integration_delivered_before_it_was_archived_is_compared(
    sandbox, integration
):
    other = an_integration(
        an_app("b"),
        account=integration.account,
        reconciles=True,
        counts_since=LONG_AGO,
        archived_at=NOW,
    )
    both(integration, 3, day=9)
    both(integration, 2, day=9, name=SALE)
    DeliveredCount.objects.filter(name=SALE).update(integration=other)

    compare(integration)

    assert statements() == [(SALE, 9, 2, 2, 0), (NAME, 9, 3, 3, 0)]
    integration.archived_at = NOW
    integration.save()
    assert find_reconciling_accounts() == []


def test_spellings_that_clevertap_takes_for_one_are_one_name(sandbox, integration):
    both(integration, 3, day=10)
    delivered(integration, 1, day=10, name="referred app INSTALL")
    stored(integration, 1, day=10)

    compare(integration)

    assert statements() == [(NAME, 10, 4, 4, 0)]


@pytest.mark.parametrize(
    ("doubt", "count", "code"),
    [({"maybe_more": 2}, 4, "sent_twice"), ({"maybe_fewer": 2}, 2, "maybe_refused")],
)
def test_what_may_have_arrived_more_or_less_often_is_named_and_not_missing(
    sandbox, integration, doubt, count, code
):
    delivered(integration, 3, day=10, **doubt)
    stored(integration, count, day=10)

    compare(integration, kind="nightly", night=on(16))

    assert statements() == [(NAME, 10, 3, count, count - 3)]
    [row] = Statement.objects.all()
    [cause] = row.causes
    assert (cause["code"], cause["size"]) == (code, count - 3)
    assert (row.unexplained, row.nights_short) == (0, 0)


def test_what_is_delivered_while_clevertap_is_asked_is_no_difference(
    sandbox, integration, monkeypatch
):
    delivered(integration, 3, day=10)
    stored(integration, 3, day=10)
    ask = comparing._Asking._count  # where it happens

    def ask_beside_a_delivery(self, *question):
        counted = ask(self, *question)
        DeliveredCount.objects.update(delivered=5)
        return counted

    monkeypatch.setattr(comparing._Asking, "_count", ask_beside_a_delivery)  # as above

    compare(integration)

    [row] = Statement.objects.all()
    assert (row.delivered, row.maybe_fewer, row.counted, row.difference) == (3, 0, 3, 0)
    assert row.causes == []


def test_a_difference_is_short_for_as_many_nights_as_it_lasts(sandbox, integration):
    delivered(integration, 3, day=12)
    stored(integration, 2, day=12)
    for night in (14, 15):
        compare(integration, kind="nightly", night=on(night))
    assert Statement.objects.get().nights_short == 2

    compare(integration)
    assert Statement.objects.get().nights_short == 2, "an order is no night"

    stored(integration, 1, day=12)
    compare(integration, kind="nightly", night=on(16))
    assert Statement.objects.get().nights_short == 0


def test_a_killed_run_is_taken_up_again_and_keeps_what_it_compared(
    sandbox, integration, now, monkeypatch
):
    both(integration, 3, day=9)
    both(integration, 2, day=9, name=SALE)
    comparison = an_order(integration)
    write, killed = comparing._Asking._write, []  # where it is killed

    def write_and_die(self, mine, counts):
        write(self, mine, counts)
        killed.append(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(comparing._Asking, "_write", write_and_die)  # as above
        patch.setattr(
            "clevertap_sync.reconciliation.account_lease.AccountLease.release",
            lambda _: None,
        )
        with pytest.raises(KeyboardInterrupt):
            take_turn(comparison)
    assert take_turn(comparison) is Turn.WAITS, "its lease lasts"

    now.passes(minutes=30)
    assert take_turn(comparison) is Turn.ENDED

    assert statements() == [(SALE, 9, 2, 2, 0), (NAME, 9, 3, 3, 0)]
    assert asked(sandbox) == LARGEST + 1, "each once"
    assert comparison.compared == 2


def test_an_answer_that_comes_after_another_process_took_over_is_not_written_down(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)
    stored(integration, 1, day=9)
    comparison = an_order(integration)

    def stand_still(_):
        patch.undo()
        AccountReading.objects.update(leased_until=None)
        assert take_turn(Comparison.objects.get()) is Turn.ENDED
        said.extend(Statement.objects.values())

    said: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach_failpoint", stand_still)
        assert take_turn(comparison) is Turn.WAITS

    assert list(Statement.objects.values()) == said
    assert statements() == [(NAME, 9, 3, 4, 1)]
    assert comparison.state == Comparison.State.DONE


def test_what_another_process_has_ended_does_not_begin_again(sandbox, integration):
    both(integration, 3, day=9)
    late = an_order(integration)
    assert take_turn(Comparison.objects.get()) is Turn.ENDED
    before = asked(sandbox)
    PRESENT.passes(minutes=5)
    found = read_reconciling_account(integration.account_id)

    with open_reader(integration.account, seconds=60) as reading:
        assert comparing._Asking(late, found, reading).carry_on() is Turn.ENDED

    assert (late.state, late.ended_at) == (Comparison.State.DONE, NOW)
    assert asked(sandbox) == before


def test_two_workers_never_read_an_account_at_once(sandbox, integration):
    both(integration, 1, day=9)
    comparison = an_order(integration)

    with open_reader(integration.account, seconds=60) as other:
        assert other is not None
        assert take_turn(comparison) is Turn.WAITS
        assert comparison.state == Comparison.State.WAITING

    assert take_turn(comparison) is Turn.ENDED
    assert take_turn(comparison) is Turn.ENDED
    assert asked(sandbox) == LARGEST


def test_beyond_the_budget_nothing_is_green(sandbox, integration, monkeypatch):
    both(integration, 3, day=9)
    both(integration, 2, day=9, name=SALE)
    monkeypatch.setattr(comparing, "MOST_REQUESTS", 2)

    comparison = compare(integration)

    assert statements() == [(SALE, 9, 2, None, None), (NAME, 9, 3, 3, 0)]
    assert (comparison.compared, comparison.not_compared) == (1, 1)
    assert (comparison.state, comparison.error) == ("done", "over_budget")


def test_next_time_whoever_waited_longest_is_asked_first(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)
    both(integration, 2, day=9, name=SALE)
    both(integration, 1, day=9, name=SHARE)
    monkeypatch.setattr(comparing, "MOST_REQUESTS", 1 + LARGEST + 1)
    compare(integration)
    assert statements()[1] == (SHARE, 9, 1, None, None)

    comparison = compare(integration)

    assert statements() == [
        (SALE, 9, 2, 2, 0),
        (SHARE, 9, 1, 1, 0),
        (NAME, 9, 3, 3, 0),
    ]
    assert comparison.not_compared == 1, "it was compared by an earlier one"


def test_while_clevertap_is_busy_it_waits_and_goes_on_later(sandbox, integration, now):
    both(integration, 3, day=9)
    sandbox.answer(429, only="reads")
    comparison = an_order(integration)

    assert take_turn(comparison) is Turn.WAITS
    assert take_turn(comparison) is Turn.WAITS
    assert comparison.state == Comparison.State.RUNNING
    assert statements() == []

    now.passes(minutes=2)
    assert take_turn(comparison) is Turn.ENDED
    assert statements() == [(NAME, 9, 3, 3, 0)]


def test_clevertap_that_stays_busy_for_hours_ends_it(sandbox, integration, now):
    both(integration, 3, day=9)
    sandbox.answer(429, only="reads", times=None)
    comparison = an_order(integration)
    take_turn(comparison)

    now.passes(hours=4)

    assert take_turn(comparison) is Turn.ENDED
    assert (comparison.state, comparison.error) == ("failed", "too_many_requests")
    assert statements() == [(NAME, 9, 3, None, None)]
    assert comparison.not_compared == 1


def test_a_passcode_that_may_not_read_ends_it(sandbox, integration):
    both(integration, 3, day=9)
    sandbox.answer(403, only="reads", times=None)

    comparison = compare(integration)

    assert (comparison.state, comparison.error) == ("failed", "may_not_read")
    assert statements() == [(NAME, 9, 3, None, None)]
    reading = AccountReading.objects.get()
    assert reading.refused_at is not None
    nightly = compare(integration, kind="nightly", night=on(16))
    assert (nightly.error, nightly.requests) == ("may_not_read", 0)


def test_a_name_without_an_answer_is_asked_for_once_and_not_compared(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)
    both(integration, 2, day=9, name=SALE)
    monkeypatch.setattr("clevertap_sync.reconciliation.reader.PENDING_SECONDS", -1)
    sandbox.switch(partial_above=2)
    comparison = an_order(integration)

    assert take_turn(comparison) is Turn.ENDED

    assert statements() == [(SALE, 9, 2, 2, 0), (NAME, 9, 3, None, None)]
    assert (comparison.compared, comparison.not_compared) == (1, 1)
    assert comparison.state == Comparison.State.DONE


def test_what_is_first_delivered_after_the_asking_is_nothing_that_was_missed(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)

    def deliver_and_close(*arguments, **options):
        both(integration, 2, day=9, name=SALE)
        closing.close_comparison(*arguments, **options)

    monkeypatch.setattr(comparing, "close_comparison", deliver_and_close)  # the moment

    comparison = compare(integration)

    assert statements() == [(SALE, 9, 2, None, None), (NAME, 9, 3, 3, 0)]
    assert (comparison.compared, comparison.not_compared) == (1, 0)
    assert comparison.error == ""


def test_a_name_that_clevertap_fails_to_count_keeps_no_other_waiting(
    clevertap, integration, now
):
    delivered(integration, 3, day=9)
    delivered(integration, 2, day=9, name=SALE)
    comparison = an_order(integration)
    clevertap.answers(200, {"status": "success", "events": []})
    clevertap.answers(500)
    assert take_turn(comparison) is Turn.WAITS

    now.passes(minutes=1)
    clevertap.answers(200, {"status": "success", "count": 2})
    clevertap.answers(500)
    assert take_turn(comparison) is Turn.WAITS
    now.passes(hours=4)
    clevertap.answers(500)
    assert take_turn(comparison) is Turn.ENDED

    assert statements() == [(SALE, 9, 2, 2, 0), (NAME, 9, 3, None, None)]
    assert (comparison.error, comparison.not_compared) == ("server_error", 1)


def test_where_the_days_are_empty_on_both_sides_no_statement_stays(
    sandbox, integration
):
    delivered(integration, 3, day=9)
    stored(integration, 1, day=9)

    comparison = compare(integration)

    assert statements() == [(NAME, 9, 3, 1, -2)]
    assert comparison.compared == 1


def test_a_count_that_is_partial_at_first_is_awaited(sandbox, integration, pauses):
    both(integration, 3, day=9)
    sandbox.switch(partial_above=2, partial_rounds=3)

    compare(integration)

    assert statements() == [(NAME, 9, 3, 3, 0)]
    assert pauses == [2, 4, 8]


def test_a_process_that_is_to_end_leaves_the_rest_to_others(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)
    comparison = an_order(integration)
    with monkeypatch.context() as patch:
        patch.setattr(stopping, "is_stopping", lambda: True)
        assert take_turn(comparison) is Turn.WAITS
    assert comparison.state == Comparison.State.RUNNING
    assert AccountReading.objects.get().leased_until is None

    assert take_turn(comparison) is Turn.ENDED


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reconciles": False}, "not_switched_on"),
        ({"counts_since": NOW}, "nothing_to_compare"),
        ({"passcode": Secret("")}, "no_passcode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_compared_says_why(sandbox, integration, changes, error):
    for name, value in changes.items():
        setattr(integration, name, value)
    integration.save()

    comparison = compare(integration)

    assert (comparison.state, comparison.error) == ("failed", error)
    assert sandbox.requests() == []


def test_an_order_while_one_is_open_is_the_same_one(integration):
    first = order_comparison(integration.account, "ann", NOW)

    assert order_comparison(integration.account_id, "bob", NOW) == first
    assert Comparison.objects.get().created_by == "ann"


def test_a_schema_that_does_not_show_is_no_evidence_however_old(clevertap, integration):
    delivered(integration, 3, day=9)
    AccountReading.objects.create(
        account=integration.account, schema=pack_schema(Schema({})), schema_at=LONG_AGO
    )
    clevertap.answers(405)
    for _ in range(LARGEST):
        clevertap.answers(200, {"status": "success", "count": 0})

    comparison = compare(integration)

    assert (comparison.state, comparison.error) == (Comparison.State.DONE, "")
    [row] = Statement.objects.all()
    assert (row.difference, row.causes, row.unexplained) == (-3, [], -3)
    assert "does not show us the account's schema" in describe_statement(
        row, lacks_schema=AccountReading.objects.get().lacks_schema
    )


def test_no_question_names_a_day_that_is_not_over(clevertap, integration):
    delivered(integration, 3, day=15)
    integration.time_zone = "Pacific/Kiritimati"
    integration.save()
    clevertap.answers(404)
    for _ in range(6):
        clevertap.answers(200, {"status": "success", "count": 0})
    clevertap.answers(200, {"status": "success", "count": 3})

    compare(integration)

    questions = [json.loads(each.body) for each in clevertap.requests[1:]]
    assert [(each["from"], each["to"]) for each in questions] == [
        (day, day) for day in range(20260110, 20260117)
    ]
    assert statements() == [(NAME, 16, 3, 3, 0)], "noon by UTC is its next day"
