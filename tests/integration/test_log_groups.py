"""Threads that append to one log at the same moment share a transaction, and nothing else."""

import threading
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    transaction,
)

from referrals import log
from referrals.log import writer
from referrals.log.writer import SMALL_EVENTS
from referrals.models import ReferralEvent
from referrals.signals import events_recorded
from tests.builders import a_sent_custom_event, a_sent_event, an_app
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db(transaction=True)

IS_POSTGRESQL = connection.vendor == "postgresql"
REFUSE = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'no' USING ERRCODE = '22001'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON referrals_referralevent
        FOR EACH ROW WHEN (NEW.key = 'bad') EXECUTE FUNCTION refuse()
    """
    if IS_POSTGRESQL
    else """
    CREATE TRIGGER refuse BEFORE INSERT ON referrals_referralevent
        WHEN NEW.key = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END
    """
)
#: What each database makes of the trigger.
REFUSED = DataError if IS_POSTGRESQL else IntegrityError


@pytest.fixture
def app(monkeypatch):
    """An app, in whose line nobody loses patience."""
    monkeypatch.setattr(writer, "TURN_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(writer, "_waiting_lines", {})
    return an_app()


@pytest.fixture
def heads():
    """The heads that receivers hear of: one for each transaction that stored something."""
    heard = []

    def receiver(head, **_):
        heard.append(head)

    events_recorded.connect(receiver)
    yield heard
    events_recorded.disconnect(receiver)


@pytest.fixture
def trigger():
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
    yield
    with connection.cursor() as cursor:
        on = " ON referrals_referralevent" if IS_POSTGRESQL else ""
        cursor.execute(f"DROP TRIGGER refuse{on}")
        if IS_POSTGRESQL:
            cursor.execute("DROP FUNCTION refuse")


class Caller(Worker):
    """Appends in a thread of its own, as a web process's threads do."""

    def __init__(self, app, *events, wrapper=None, **options):
        self.app, self.events, self.options = app, events, options
        self.wrapper = wrapper or (lambda execute, *rest: execute(*rest))
        super().__init__(self._append)

    def _append(self):
        with connection.execute_wrapper(self.wrapper):
            self.results = log.append(self.app, self.events, **self.options)

    def outcome(self):
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive()
        return self.error or self.results

    def answers(self):
        return [(str(r.status), r.position) for r in self.outcome()]


@contextmanager
def log_locked(app):
    """Hold the app's log, so that a turn stands still and others line up behind it."""
    with transaction.atomic():
        log.append(app, [a_sent_event(id="first")])
        yield


def line_up(app, *requests, **options):
    """Send the requests one by one, each from its thread, while the log is held."""
    with log_locked(app):
        callers = []
        for request in requests:
            callers.append(Caller(app, *request, **options))
            # In the order of the list: the next starts once this one stands in line.
            wait_until(partial(_stands, app, callers))
    return callers


def _stands(app, callers):
    """Whether the first has its turn, alone, and all others wait for theirs."""
    line = writer._waiting_lines.get(app.pk)
    if line is None or not callers[0].is_asking:
        return False
    return len(line._waiting) == len(callers) - 1


def stored(app):
    rows = ReferralEvent.objects.filter(app=app).order_by("position")
    return list(rows.values_list("position", "key"))


def test_requests_in_line_share_a_transaction_and_are_answered_each_for_itself(
    app, heads
):
    same = a_sent_event(id="same")
    callers = line_up(
        app,
        [a_sent_event(id="a")],
        [same, a_sent_event(id="b")],
        [same],
        [a_sent_event(id="same", channel="other")],
        [a_sent_event(id="first", channel="other"), a_sent_custom_event(id="c")],
    )

    assert [caller.answers() for caller in callers] == [
        [("accepted", 2)],
        [("accepted", 3), ("accepted", 4)],
        [("duplicate", 3)],
        [("conflict", 3)],
        [("conflict", 1), ("accepted", 5)],
    ]
    assert [r.index for r in callers[4].results] == [0, 1]
    assert stored(app) == list(enumerate(["first", "a", "same", "b", "c"], start=1))
    # The held transaction, the turn that stood still, and the four behind it. Who has
    # committed tells of it while the next commits.
    assert sorted(heads) == [1, 2, 5]
    times = ReferralEvent.objects.filter(app=app, position__gte=3)
    assert times.values("received_at").distinct().count() == 1


@pytest.fixture
def pool(monkeypatch):
    """A pool of one connection, which is with whoever uses the database."""
    connection.close()
    options = connection.settings_dict["OPTIONS"]
    small = {"min_size": 1, "max_size": 1, "timeout": PATIENCE_SECONDS}
    monkeypatch.setitem(options, "pool", small)
    wrapper: Any = connection
    yield wrapper.pool
    connection.close()
    wrapper.close_pool()


@pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite has no pool")
def test_who_waits_in_line_keeps_no_connection_that_the_turn_needs(app, pool):
    has_connection, goes_on = threading.Event(), threading.Event()

    def look_and_append():
        connection.ensure_connection()
        has_connection.set()
        assert goes_on.wait(PATIENCE_SECONDS)
        follower.extend(log.append(app, [a_sent_event(id="second")]))

    follower = []
    second = Worker(look_and_append)
    assert has_connection.wait(PATIENCE_SECONDS)
    first = Caller(app, a_sent_event(id="first"))
    # It has the turn, and waits for the connection that the second has.
    wait_until(lambda: pool.get_stats()["requests_waiting"] == 1)

    goes_on.set()

    assert first.answers() == [("accepted", 1)]
    second.finish()
    assert [(str(r.status), r.position) for r in follower] == [("accepted", 2)]


def test_what_the_database_refuses_of_one_is_stored_for_the_others(app, heads, trigger):
    callers = line_up(
        app,
        [a_sent_event(id="a")],
        [a_sent_event(id="b")],
        [a_sent_event(id="bad")],
        [a_sent_event(id="c")],
    )

    a, b, bad, c = (caller.outcome() for caller in callers)
    assert isinstance(bad, REFUSED)
    assert [results[0].status for results in (a, b, c)] == ["accepted"] * 3
    assert sorted(results[0].position for results in (b, c)) == [3, 4]
    assert [position for position, _ in stored(app)] == [1, 2, 3, 4]
    assert {key for _, key in stored(app)} == {"first", "a", "b", "c"}
    assert sorted(heads) == [1, 2, 3, 4]


def test_a_database_that_is_away_is_asked_once_for_all(app):
    asked = []

    def away(execute, sql, params, many, context):
        if "referrals_referralevent" in sql:
            asked.append(threading.current_thread())
            if len(asked) > 1:
                raise OperationalError
        return execute(sql, params, many, context)

    requests = [[a_sent_event(id=key)] for key in ("a", "b", "c", "d")]
    callers = line_up(app, *requests, wrapper=away)

    outcomes = [caller.outcome() for caller in callers]
    # On SQLite the first turn asks more than once.
    assert {type(outcome) for outcome in outcomes[1:]} == {OperationalError}
    assert len({id(outcome) for outcome in outcomes[1:]}) == 3
    assert len(set(asked) - {callers[0]}) == 1
    assert not ReferralEvent.objects.filter(key__in=["b", "c", "d"]).exists()


def test_the_same_keys_from_sixteen_threads_are_accepted_once_each(app):
    keys = [f"key-{n}" for n in range(40)]
    events = [a_sent_event(id=key) for key in keys]
    begin = threading.Barrier(16)
    answers = []

    def send(shift):
        begin.wait()
        try:
            for n in range(len(keys)):
                answers.extend(log.append(app, [events[(n + shift) % len(keys)]]))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(2 * n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    accepted = {r.id: r.position for r in answers if r.status == "accepted"}
    assert sorted(accepted.values()) == list(range(1, 41))
    assert sum(r.status == "accepted" for r in answers) == 40
    assert sum(r.status == "duplicate" for r in answers) == 15 * 40
    assert all(r.position == accepted[r.id] for r in answers)
    assert stored(app) == sorted((p, key) for key, p in accepted.items())


def test_a_callers_transaction_takes_nobody_else_with_it(app):
    with transaction.atomic():
        log.append(app, [a_sent_event(id="mine")])
        callers = [Caller(app, a_sent_event(id=key)) for key in ("a", "b", "c")]
        wait_until(lambda: any(caller.is_asking for caller in callers))
        transaction.set_rollback(True)

    assert sorted(caller.answers()[0] for caller in callers) == [
        ("accepted", 1),
        ("accepted", 2),
        ("accepted", 3),
    ]
    assert {key for _, key in stored(app)} == {"a", "b", "c"}


def test_who_commits_by_hand_has_a_transaction_too(app, heads):
    connection.set_autocommit(
        False, force_begin_transaction_with_broken_autocommit=True
    )
    try:
        (mine,) = log.append(app, [a_sent_event(id="mine")])
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)

    assert mine.status == "accepted"
    assert (stored(app), heads) == ([], [])


def test_each_request_of_a_group_keeps_its_own_name(app, heads):
    with log_locked(app):
        callers = []
        for key in "abc":
            callers.append(Caller(app, a_sent_event(id=key), request_id=f"r-{key}"))
            wait_until(partial(_stands, app, callers))

    for caller in callers:
        caller.outcome()
    # Who commits first need not be the first to say so.
    assert sorted(heads) == [1, 2, 4]
    rows = ReferralEvent.objects.filter(app=app, key__in="abc").order_by("key")
    assert list(rows.values_list("request_id", flat=True)) == ["r-a", "r-b", "r-c"]


@pytest.mark.parametrize(
    ("count", "options"), [(2, {"strict": True}), (SMALL_EVENTS + 1, {})]
)
def test_strict_and_large_requests_have_transactions_of_their_own(
    app, heads, count, options
):
    with log_locked(app):
        callers = [
            Caller(app, *[a_sent_event() for _ in range(count)], **options)
            for _ in range(3)
        ]

    for caller in callers:
        assert {status for status, _ in caller.answers()} == {"accepted"}
    assert sorted(heads) == [1, 1 + count, 1 + 2 * count, 1 + 3 * count]


def test_names_are_numbered_across_a_group_as_if_one_came_after_the_other(app):
    names = ["Level 1", "Level 2", "Level 1", "Level 3"]
    callers = line_up(app, *[[a_sent_custom_event(name)] for name in names])

    assert [caller.answers()[0][1] for caller in callers] == [2, 3, 4, 5]
    numbers = [logged.event.name_number for logged in log.read_range(app.pk, 2, 5)]
    assert numbers == [1, 2, 1, 3]
