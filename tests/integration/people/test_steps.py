"""The projection against the pure learner: steps of any size teach what the log teaches."""

import sqlite3
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings, strategies as st

from referrals import hashing, log, people
from referrals.learning.known import Known
from referrals.learning.learner import Learner
from referrals.learning.mentions import NOBODY, LoggedSides, find_mentions
from referrals.models import (
    KnownIdentity,
    KnownPerson,
    PeopleProgress,
    ReferralEvent,
    ReferrerDecision,
)
from referrals.people import lately, tables
from tests.integration.people.steps import (
    a_learning_app,
    ask_last,
    catch_up,
    identify,
    install,
    put,
    step,
)

pytestmark = pytest.mark.django_db

IDENTITIES = st.dictionaries(
    st.sampled_from(["custom_id", "email", "Phone", "anonymous_id", "branch_id"]),
    st.sampled_from(["1a", "2a", "3a", "null"]),
    min_size=1,
    max_size=3,
)


@st.composite
def events(draw):
    """Draw an event as a backend sends it."""
    kind = draw(st.sampled_from(["identify", "app_install", "custom", "link_click"]))
    event = {"type": kind, "test": draw(st.sampled_from([False, False, True]))}
    if kind == "identify":
        pairs = IDENTITIES.filter(lambda each: len(each) > 1)
        return {**event, "user": {"identities": draw(pairs)}}
    if kind != "link_click":
        event["user"] = {"identities": draw(IDENTITIES)}
        event["status"] = draw(st.sampled_from(["valid", "valid", "rejected"]))
    named = IDENTITIES.map(lambda each: {"identities": each})
    if kind == "custom":
        event["name"] = "Level Reached"
        event["referrer"] = draw(st.just("last") | named)
    else:
        event["referrer"] = draw(named)
    return event


#: Logs in which the same few events come again and again.
LOGS = st.builds(
    lambda kinds, order: [kinds[each % len(kinds)] for each in order],
    st.lists(events(), min_size=1, max_size=8),
    st.lists(st.integers(0, 7), max_size=30),
)


def learn_at_once(app):
    """Return what the pure learner learns from the whole log, of production and of test."""
    rules = people.read_rules(app.pk)
    hash_identity = hashing.make_identity_hasher(app.pk)
    learners = {test: Learner(rules, Known(), limit=50) for test in (False, True)}
    for position, at, event, _ in log.read_range(app.pk, 1, 10_000):
        user, referrer = (
            find_mentions(each.identities, rules, hash_identity) if each else NOBODY
            for each in (event.user, event.referrer)
        )
        learners[event.test].learn_event(
            LoggedSides(
                position,
                at,
                user,
                referrer,
                asks_last=bool(event.referrer and event.referrer.last),
                teaches_referrer=event.status != "rejected",
            )
        )
    return learners


def read_tables(app):
    """Return the rows of what was learned, each as the learner has it."""
    hashes = {each.hex for each in all_of(KnownIdentity, app, "hash")}
    numbers = set(all_of(KnownPerson, app, "number"))
    found = ReferrerDecision.objects.filter(app=app)
    return (
        {(t, i.hash): i for t, i in tables.read_identities(app.pk, "hash", hashes)},
        {(t, p.number): p for t, p in tables.read_people(app.pk, numbers)},
        {
            (d.test, d.position): (d.user and d.user.hex, d.referrer and d.referrer.hex)
            for d in found
        },
    )


def all_of(model, app, column):
    return model.objects.filter(app=app).values_list(column, flat=True)


def list_known(learners):
    return (
        {
            (test, each.hash): each
            for test, learner in learners.items()
            for each in learner.known.identities.values()
        },
        {
            (test, each.number): each
            for test, learner in learners.items()
            for each in learner.known.people.values()
        },
        {
            (test, position): (each.user, each.referrer)
            for test, learner in learners.items()
            for position, each in learner.learned.asked.items()
        },
    )


@pytest.fixture(autouse=True)
def _nothing_was_learned_before(monkeypatch):
    # Numbers of apps come again where a test's transaction rolls back.
    monkeypatch.setattr(lately, "_apps", {})


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(events(), max_size=25), st.lists(st.integers(1, 7), max_size=12))
def test_steps_of_any_size_teach_what_the_whole_log_teaches(db, sent, sizes):
    app = a_learning_app()
    put(app, sent)

    for size in sizes:
        step(app, size)
    catch_up(app)

    expected = list_known(learn_at_once(app))
    assert read_tables(app) == expected
    progress = PeopleProgress.objects.get(app=app)
    assert (progress.cursor, progress.skipped) == (log.read_head(app.pk), 0)

    people.relearn(app.pk)
    catch_up(app)

    assert read_tables(app) == expected


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(LOGS, st.lists(st.integers(1, 7), max_size=12), st.booleans())
def test_what_was_met_before_is_spared_and_changes_nothing(
    db, django_capture_on_commit_callbacks, sent, sizes, remembers
):
    app = a_learning_app(remembers_referrers=remembers)
    put(app, sent)
    # Each event a day after the one before: so that "last seen" has to be written at times.
    rows = ReferralEvent.objects.filter(app=app).order_by("position")
    first = None
    for row in rows:
        first = first or row.received_at
        at = first + timedelta(days=row.position)
        rows.filter(position=row.position).update(received_at=at)

    for size in [*sizes, *([1000] * 2)]:
        with django_capture_on_commit_callbacks(execute=True):
            step(app, size)

    learners = learn_at_once(app)
    expected = list_known(learners)
    if not remembers:
        expected = (*expected[:2], {})
    assert read_tables(app) == expected


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite alone has a limit")
def test_one_user_s_many_questions_are_decided_within_sqlite_s_limit():
    app = a_learning_app()
    put(app, [install(anonymous_id="A", referrer="bob")])
    put(app, [ask_last(email="E")] * 600)
    put(app, [ask_last(email="E")] * 600)
    catch_up(app)
    put(app, [identify(anonymous_id="A", email="E")])
    limited = sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER
    before = connection.connection.setlimit(limited, 1_010)

    try:
        catch_up(app)
    finally:
        connection.connection.setlimit(limited, before)

    asked = ReferrerDecision.objects.filter(app=app)
    assert asked.exclude(referrer=None).count() == 1_200


def test_what_a_step_learns_of_a_person_lies_side_by_side():
    app = a_learning_app()
    put(app, [identify(email=f"e{n}", anonymous_id=f"A{n}") for n in range(20)])
    step(app)

    place = "ctid" if connection.vendor == "postgresql" else "rowid"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT person FROM referrals_knownidentity ORDER BY {place}")
        people_of_rows = [person for (person,) in cursor.fetchall()]
    assert people_of_rows == sorted(people_of_rows)
    assert len(people_of_rows) == 40
