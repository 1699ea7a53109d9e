"""What starts an alert and what ends it, each told once."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync import clock
from clevertap_sync.alerting import findings, watch
from clevertap_sync.alerting.watch import EVERY, QUIET
from clevertap_sync.hold_reasons import RESTORED_BACKUP
from clevertap_sync.models import DeadLetter, Incident, Integration, Notice, Upload
from referrals import log
from referrals.models import CustomName
from tests.builders import a_sent_event, an_app, an_integration
from tests.integration.alerting.conftest import an_alert


def told():
    """Return what people are told, in order."""
    return [
        (notice.moment, notice.content["rule"], notice.content["text"])
        for notice in Notice.objects.order_by("pk")
    ]


def moments():
    return [(moment, rule) for moment, rule, _ in told()]


class Last:
    """When was looked last."""

    at: datetime


def look(now=None):
    """Look as a worker would after its half minute."""
    Last.at = (now or Last.at) + EVERY
    assert watch.watch(Last.at)
    return Last.at


@pytest.fixture(autouse=True)
def _begin(db):
    Last.at = clock.now()


def hold(integration, reason="credentials_refused", minutes=10, **changes):
    since = clock.now() - timedelta(minutes=minutes)
    Integration.objects.filter(pk=integration.pk).update(
        hold_reason=reason, held_since=since, **changes
    )


def release(integration):
    Integration.objects.filter(pk=integration.pk).update(
        hold_reason="", held_since=None
    )


def some_uploads(integration, *, records, dead, age=timedelta(minutes=5)):
    """Write one settled upload with its dead letters."""
    at = clock.now() - age
    first = integration.cursor + 1
    upload = Upload.objects.create(
        integration=integration,
        state=Upload.State.SETTLED,
        first=first,
        last=first,
        settings={},
        records=records,
        dead=dead,
        delivered=records - dead,
        created_at=at,
        due_at=at,
    )
    integration.cursor = first
    integration.save(update_fields=["cursor"])
    return upload


def test_a_hold_is_told_by_its_cause_where_that_was_found_out(integration):
    an_alert(held_minutes=5)
    hold(integration, hold_cause="wrong_location", hold_hint="in1")

    look()

    assert told()[0][2] == (
        "Held for 10 min. CleverTap stores the account in India, not where the settings "
        "say. No event is lost: they wait. Change the location to India."
    )


def test_a_hold_is_told_once_when_it_starts_and_once_when_it_is_over(integration):
    an_alert(held_minutes=5)
    hold(integration)

    look()
    look()
    assert moments() == [("started", "held")]
    assert told()[0][2].startswith("Held for 10 min. CleverTap refuses the account ID")
    release(integration)
    began = look()
    assert moments() == [("started", "held")]
    look(began + QUIET)

    assert moments() == [("started", "held"), ("ended", "held")]
    look()
    assert len(told()) == 2


def test_what_comes_and_goes_within_two_minutes_is_one_incident(integration):
    an_alert()
    hold(integration)
    look()

    for _ in range(3):
        release(integration)
        look()
        hold(integration)
        look()

    assert moments() == [("started", "held")]
    assert Incident.objects.get().clear_since is None


def test_a_short_hold_and_a_persons_pause_are_not_told(integration):
    an_alert(held_minutes=5)
    other = an_integration(an_app())
    hold(integration, minutes=4)
    hold(other, enabled=False)

    look()

    assert told() == []


def test_a_restored_backup_is_told_although_it_is_paused(integration):
    an_alert()
    hold(integration, RESTORED_BACKUP, enabled=False)

    look()

    assert "restored backup" in told()[0][2]


def test_events_that_wait_are_told(integration, settings):
    an_alert(lag_minutes=30, held_minutes=None)
    log.append(integration.app, [a_sent_event()])
    events = integration.app.referralevent_set
    events.update(received_at=clock.now() - timedelta(minutes=29))
    look()
    assert told() == []

    events.update(received_at=clock.now() - timedelta(minutes=31))
    look()

    assert moments() == [("started", "lag")]
    assert told()[0][2].startswith("The oldest event has waited for 31 min")


@pytest.mark.parametrize(
    ("records", "dead", "is_told"),
    [(100, 5, True), (100, 4, False), (200, 9, False), (5, 5, True), (4, 4, False)],
)
def test_a_share_of_dead_letters_is_told(integration, records, dead, is_told):
    an_alert(dead_percent=5)
    some_uploads(integration, records=records, dead=dead)

    look()

    assert moments() == [("started", "dead_letters")] * is_told


def test_the_share_is_that_of_a_day_at_most_and_counts_the_parts(integration):
    an_alert(dead_percent=50)
    some_uploads(integration, records=1000, dead=0, age=timedelta(days=2))
    split = some_uploads(integration, records=10, dead=0)
    Upload.objects.filter(pk=split.pk).update(state=Upload.State.SPLIT)
    part = some_uploads(integration, records=10, dead=6)
    Upload.objects.filter(pk=part.pk).update(parent=split, root=split)

    look()

    assert told()[0][2].startswith("6 records of the last 10 (60 %)")


def test_a_passcode_about_to_expire_is_told(integration):
    alert = an_alert(passcode_days=14)
    now = clock.now()
    stood = findings.Standing(integration, now)
    texts = {}
    for days in (15, 14, 1, 0, -1):
        integration.passcode_expires_on = now.date() + timedelta(days=days)
        stood = findings.Standing(integration, now)
        found = [each.text for each in findings.found(alert, [stood], [])]
        texts[days] = found[0].split(".")[0] if found else None

    assert texts == {
        15: None,
        14: "The passcode expires in 14 days",
        1: "The passcode expires in 1 day",
        0: "The passcode expires today",
        -1: "The passcode has expired",
    }


def test_a_custom_name_that_waits_is_told_without_the_name(settings, db):
    settings.CUSTOM_NAMES_LIMIT = 1
    app = an_app("shop")
    an_alert()
    for number in (1, 2):
        name = f"ann@example.com {number}"
        CustomName.objects.create(
            app=app, name=name, normalised=name, number=number, first_position=number
        )

    look()
    CustomName.objects.filter(number=2).update(approved_at=clock.now())
    began = look()
    look(began + QUIET)

    assert moments() == [("started", "new_name"), ("ended", "new_name")]
    assert told()[0][2].startswith("1 new custom name waits for approval")
    assert "ann@" not in str(told())


def test_an_alert_is_about_its_app_and_its_rules_alone(integration):
    other = an_integration(an_app("other"))
    an_alert(name="all")
    an_alert(name="other", app=other.app)
    an_alert(name="off", enabled=False)
    an_alert(name="no holds", held_minutes=None)
    hold(integration)

    look()

    assert [notice.alert.name for notice in Notice.objects.all()] == ["all"]


def test_an_alert_that_is_switched_off_says_nothing_more(integration):
    alert = an_alert()
    hold(integration)
    look()

    alert.enabled = False
    alert.save()
    look()

    assert moments() == [("started", "held")]
    assert Incident.objects.get().ended_at is not None


def test_an_archived_integration_ends_what_was_open(integration):
    an_alert()
    hold(integration)
    look()

    Integration.objects.update(archived_at=clock.now())
    began = look()
    look(began + QUIET)

    assert moments() == [("started", "held"), ("ended", "held")]


def test_of_many_looks_within_half_a_minute_one_counts(integration):
    an_alert()
    now = clock.now()

    looked = [watch.watch(now + timedelta(seconds=s)) for s in (0, 5, 29, 30, 31, 61)]

    assert looked == [True, False, False, True, False, True]


@pytest.mark.django_db(transaction=True)
def test_however_many_workers_look_at_once_one_message_is_written(integration):
    an_alert()
    hold(integration)
    now = clock.now()
    start = threading.Barrier(4)

    def work():
        start.wait()
        try:
            watch.watch(now)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert moments() == [("started", "held")]


def test_a_look_costs_the_same_with_more_rows(integration):
    an_alert()
    an_alert(name="second")

    def queries():
        with CaptureQueriesContext(connection) as captured:
            look()
        return len(captured)

    some_uploads(integration, records=10, dead=5)
    look()
    before = queries()
    for _ in range(20):
        some_uploads(integration, records=10, dead=10)
    after = queries()

    assert after == before
    assert after <= 16


def test_nothing_is_asked_where_there_is_no_alert(integration):
    with CaptureQueriesContext(connection) as captured:
        assert not watch.watch()

    assert len(captured) <= 3
    assert not DeadLetter.objects.exists()
