"""The Celery task for producers on the same broker."""

import logging
from datetime import UTC, datetime

import pytest
from celery.exceptions import Retry
from django.db import OperationalError, connection

from referrals import log
from referrals.models import RejectedEvent
from referrals.rejections import KEPT_PER_APP, record_rejections
from referrals.tasks import append_events_task
from tests.builders import ANN, a_sent_event, an_app
from tests.logs import everything_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return an_app()


def rejections(app):
    rows = RejectedEvent.objects.filter(app=app).order_by("id")
    return list(rows.values_list("source", "key", "pointer"))


def test_it_has_the_name_that_producers_use():
    assert append_events_task.name == "referrals.append_events"
    assert append_events_task.acks_late is True
    assert append_events_task.max_retries is None


def test_it_appends_in_order(app):
    append_events_task(app.slug, [a_sent_event(id="a"), a_sent_event(id="b")])

    assert [e.event.id for e in log.read_range(app.pk, 1, 9)] == ["a", "b"]
    assert rejections(app) == []


def test_it_runs_twice_without_harm(app):
    events = [a_sent_event(id="a"), a_sent_event(id="b")]

    append_events_task(app.slug, events)
    append_events_task(app.slug, events)

    assert log.read_head(app.pk) == 2
    assert rejections(app) == []


def test_more_than_a_thousand_events_are_appended_in_turns(app):
    append_events_task(app.slug, [a_sent_event() for _ in range(1001)])

    assert log.read_head(app.pk) == 1001


def test_what_is_refused_goes_to_the_list_and_the_rest_into_the_log(app):
    good = a_sent_event(id="good")

    append_events_task(
        app.slug,
        [good, a_sent_event(id="bad", type="install"), 7, {**good, "content": "x"}],
    )

    assert log.read_head(app.pk) == 1
    assert rejections(app) == [
        ("celery", "bad", "/type"),
        ("celery", "", ""),
        ("celery", "good", "/id"),
    ]
    assert all(row.detail for row in RejectedEvent.objects.all())


@pytest.mark.parametrize("events", [None, "text", {"id": "a"}])
def test_an_argument_that_is_no_list_is_refused_as_one(app, events):
    append_events_task(app.slug, events)

    assert rejections(app) == [("celery", "", "")]


def test_a_float_that_is_no_number_is_refused(app):
    append_events_task(app.slug, [a_sent_event(metadata={"k": float("nan")})])

    assert rejections(app)[0][2] == "/metadata/k"


@pytest.mark.parametrize("slug", ["nobody", "", None, "a\0b"])
def test_an_app_that_does_not_exist_is_logged_and_nothing_written(slug, caplog):
    append_events_task(slug, [a_sent_event()])

    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert ANN not in everything_in(caplog)
    assert not RejectedEvent.objects.exists()


def test_an_archived_app_refuses_all(app):
    app.archived_at = datetime.now(UTC)
    app.save()

    append_events_task(app.slug, [a_sent_event(id="a")])

    assert log.read_head(app.pk) == 0
    assert rejections(app) == [("celery", "a", "")]


def test_it_is_tried_again_until_the_database_answers(app, caplog):
    def fails(*_):
        raise OperationalError

    with connection.execute_wrapper(fails), pytest.raises(Retry) as retry:
        append_events_task.apply((app.slug, [a_sent_event()]), throw=True)

    assert retry.value.when == 1
    assert ANN not in everything_in(caplog)


def test_the_list_keeps_the_newest_thousand_of_each_app(app):
    other = an_app()
    bad = [a_sent_event(id=f"k{n}", type="install") for n in range(KEPT_PER_APP + 5)]
    record_rejections(other.pk, "celery", log.append(other, bad[:1]))

    record_rejections(app.pk, "celery", log.append(app, bad))
    record_rejections(app.pk, "webhook", log.append(app, [{"id": "last"}]))

    kept = rejections(app)
    assert len(kept) == KEPT_PER_APP
    assert kept[0] == ("celery", "k6", "/type")
    assert kept[-1] == ("webhook", "last", "/type")
    assert len(rejections(other)) == 1


def test_nothing_refused_costs_no_query(app, django_assert_num_queries):
    results = log.append(app, [a_sent_event()])

    with django_assert_num_queries(0):
        assert record_rejections(app.pk, "celery", results) == 0
