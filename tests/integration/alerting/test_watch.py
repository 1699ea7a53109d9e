"""What starts an alert and what ends it, each told once."""

import re
import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clevertap_sync.alerting import watch
from clevertap_sync.alerting.watch import EVERY, QUIET
from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import (
    DeadLetter,
    Incident,
    Integration,
    Notice,
    Upload,
    WorkerSeen,
)
from clevertap_sync.process import clock, worker_presence
from referrals import log
from referrals.keys import create_key
from referrals.models import ApiKey, CustomName
from tests.builders import a_sent_event, an_app, an_integration
from tests.integration.alerting.conftest import an_alert


def told():
    """Return what people are told, in order."""
    return [
        (notice.moment, notice.content["rule"], notice.content["text"])
        for notice in Notice.objects.order_by("pk")
    ]


def titles():
    return [notice.content["title"] for notice in Notice.objects.order_by("pk")]


def moments():
    return [(moment, rule) for moment, rule, _ in told()]


class Last:
    """When was looked last."""

    at: datetime


def look(now=None):
    """Look as a worker would after its half minute."""
    Last.at = (now or Last.at) + EVERY
    assert watch.update_incidents(Last.at)
    return Last.at


@pytest.fixture(autouse=True)
def _begin(db):
    Last.at = clock.read_now()


def hold(integration, reason="credentials_refused", minutes=10, **changes):
    since = clock.read_now() - timedelta(minutes=minutes)
    Integration.objects.filter(pk=integration.pk).update(
        hold_reason=reason, held_since=since, **changes
    )


def some_letters(integration, count, reason="no_identity"):
    """Write so many open dead letters, of events that came just now."""
    now = clock.read_now()
    upload = Upload.objects.filter(integration=integration).latest("pk")
    first = 1 + DeadLetter.objects.count()
    DeadLetter.objects.bulk_create(
        DeadLetter(
            integration=integration,
            upload=upload,
            position=first + number,
            side="user",
            reason=reason,
            created_at=now,
            changed_at=now,
        )
        for number in range(count)
    )


def release(integration):
    Integration.objects.filter(pk=integration.pk).update(
        hold_reason="", held_since=None
    )


def some_uploads(integration, *, records, dead, age=timedelta(minutes=5)):
    """Write one settled upload with its dead letters."""
    at = clock.read_now() - age
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
        settled_at=at,
    )
    integration.cursor = first
    integration.save(update_fields=["cursor"])
    return upload


def test_a_hold_is_told_by_its_cause_where_that_was_found_out(integration):
    an_alert(held_minutes=5)
    hold(integration, hold_cause="wrong_location", hold_hint="in1")

    look()

    assert told()[0][2] == (
        "Held for 10 min: CleverTap stores the account in India, not where the settings "
        "say. Nothing waits. Change the location to India."
    )


def test_a_hold_is_told_once_its_cause_was_looked_for(integration):
    an_alert(held_minutes=0)
    hold(integration, minutes=0, hold_changed_at=Last.at)

    look()
    assert moments() == []
    hold(integration, minutes=0, hold_cause="wrong_passcode")
    look()
    look()

    assert moments() == [("started", "wrong_passcode")]


def test_a_hold_whose_cause_nobody_found_within_a_minute_is_told(integration):
    an_alert(held_minutes=0)
    hold(integration, minutes=0, hold_changed_at=Last.at)

    look()
    assert moments() == []
    look()

    assert moments() == [("started", "credentials_refused")]


def test_credentials_that_are_tried_again_are_no_other_cause(integration):
    """A person asks for a check, which forgets the cause until it is found again."""
    an_alert(held_minutes=5)
    hold(integration, hold_cause="wrong_passcode")
    began = look()
    hold(integration, hold_cause="", hold_changed_at=began)

    look()
    hold(integration, hold_cause="wrong_passcode")
    look(look() + QUIET)

    assert moments() == [("started", "wrong_passcode")]
    assert Incident.objects.filter(ended_at=None, clear_since=None).count() == 1


def test_a_hold_is_told_once_when_it_starts_and_once_when_it_is_over(integration):
    an_alert(held_minutes=5)
    hold(integration)

    look()
    look()
    assert moments() == [("started", "credentials_refused")]
    assert told()[0][2].startswith("Held for 10 min: CleverTap refuses the account ID")
    release(integration)
    began = look()
    assert moments() == [("started", "credentials_refused")]
    look(began + QUIET)

    assert moments() == [
        ("started", "credentials_refused"),
        ("ended", "credentials_refused"),
    ]
    assert titles()[1] == f"{integration}: delivery goes on"
    look()
    assert len(told()) == 2


def test_an_incident_is_over_when_its_finding_was_away_for_two_minutes(integration):
    an_alert()
    hold(integration)
    look()
    release(integration)

    ended = [look() and Incident.objects.get().ended_at is not None for _ in range(5)]

    assert ended == [False, False, False, False, True]
    assert told()[1] == (
        "ended",
        "credentials_refused",
        "This is over, after 2 min. There is nothing to do.",
    )


def test_what_comes_and_goes_within_two_minutes_is_one_incident(integration):
    an_alert()
    hold(integration)
    look()

    for _ in range(3):
        release(integration)
        look()
        hold(integration)
        look()

    assert moments() == [("started", "credentials_refused")]
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
    events.update(received_at=clock.read_now() - timedelta(minutes=29))
    look()
    assert told() == []

    events.update(received_at=clock.read_now() - timedelta(minutes=31))
    look()

    assert moments() == [("started", "late")]
    assert told()[0][2].startswith(
        "1 event waits, the oldest for 31 min; none is lost."
    )


@pytest.mark.parametrize(
    ("records", "dead", "is_told"),
    [(100, 5, True), (100, 4, False), (200, 9, False), (5, 5, True), (4, 4, False)],
)
def test_a_share_of_dead_letters_is_told(integration, records, dead, is_told):
    an_alert(dead_percent=5, other_errors=False)
    some_uploads(integration, records=records, dead=dead)
    some_letters(integration, dead)

    look()

    expected = "identity_missing" if dead == records else "dead_letters"
    assert moments() == [("started", expected)] * is_told


def test_reasons_of_one_trouble_are_one_message(integration):
    an_alert(dead_percent=5, other_errors=False)
    some_uploads(integration, records=20, dead=7)
    some_letters(integration, 4, "no_identity")
    some_letters(integration, 3, "text_too_long")

    look()

    ((_, rule, text),) = told()
    assert rule == "dead_letters"
    assert text.startswith("4 records were not delivered. ")
    assert " 3 records were not delivered. " in text


@pytest.mark.parametrize(("count", "left"), [(5, []), (7, ["2"])])
def test_a_message_names_five_findings_and_counts_the_others(integration, count, left):
    an_alert(dead_percent=5, other_errors=False)
    some_uploads(integration, records=100, dead=99)
    for code in range(count):
        some_letters(integration, 10 + code, f"clevertap_{600 + code}")

    look()

    ((_, _, text),) = told()
    assert text.count(" records were not delivered. ") == 5
    assert re.findall(r"\bAnd (\S+) more\.", text) == left


def test_the_share_is_that_of_a_day_at_most_and_counts_the_parts(integration):
    an_alert(dead_percent=50, other_errors=False)
    some_uploads(integration, records=1000, dead=0, age=timedelta(days=2))
    split = some_uploads(integration, records=10, dead=0)
    Upload.objects.filter(pk=split.pk).update(state=Upload.State.SPLIT)
    part = some_uploads(integration, records=10, dead=6)
    Upload.objects.filter(pk=part.pk).update(parent=split, root=split)
    some_letters(integration, 6)

    look()

    assert told()[0][2].startswith("6 records were not delivered. ")


@pytest.mark.parametrize(
    ("days", "begins"),
    [
        (31, None),
        (30, "The passcode expires in 30 days"),
        (0, "The passcode expires today"),
        (-1, "The passcode expired on "),
    ],
)
def test_a_passcode_about_to_expire_is_told(integration, days, begins):
    an_alert(passcode_days=30)
    an_alert(passcode_days=None)
    # Of the day on which is looked, which may be the next one by then.
    last = (Last.at + EVERY).date() + timedelta(days=days)
    Integration.objects.update(passcode_expires_on=last, time_zone="UTC")

    look()

    assert [text.startswith(begins) for *_, text in told()] == [True] * bool(begins)


def test_of_keys_that_expire_those_in_use_are_told(integration):
    an_alert(passcode_days=7)
    now = timezone.now()
    used, old = now - timedelta(days=1), now - timedelta(days=31)
    soon = now + timedelta(days=5, minutes=1)

    def a_key(label, *, expires_at=soon, last_used_at=used, revoked_at=None):
        key, _ = create_key(integration.app, label, expires_at=expires_at)
        columns = {"last_used_at": last_used_at, "revoked_at": revoked_at}
        ApiKey.objects.filter(pk=key.pk).update(**columns)

    a_key("told")
    a_key("later", expires_at=now + timedelta(days=8))
    a_key("never used", last_used_at=None)
    a_key("not used any more", last_used_at=old)
    a_key("expired", expires_at=now)
    a_key("revoked before", revoked_at=soon)
    a_key("for ever", expires_at=None)

    look()

    ((*_, text),) = told()
    assert "… (told) expires in 5 days." in text
    assert text.count("expires in") == 1


def test_a_passcode_that_has_expired_is_not_said_to_be_good_again(integration):
    an_alert(passcode_days=14)
    Integration.objects.update(
        passcode_expires_on=clock.read_now().date() + timedelta(days=1)
    )
    look()

    Integration.objects.update(
        passcode_expires_on=clock.read_now().date() - timedelta(days=2)
    )
    look(look() + QUIET)

    assert moments() == [
        ("started", "passcode_expires"),
        ("started", "passcode_expired"),
    ]
    Integration.objects.update(passcode_expires_on=None)
    look(look() + QUIET)
    assert moments()[2:] == [("ended", "passcode_expired")]
    assert not Incident.objects.filter(ended_at=None).exists()


def test_a_hold_of_another_cause_is_told_and_its_end_once(integration):
    an_alert()
    for reason in ("no_answer", "credentials_refused", "no_answer"):
        hold(integration, reason)
        look(look() + QUIET)
    release(integration)
    look(look() + QUIET)

    assert moments() == [
        ("started", "held"),
        ("started", "credentials_refused"),
        ("ended", "credentials_refused"),
    ]
    assert not Incident.objects.filter(ended_at=None).exists()


def test_a_pause_does_not_let_delivery_go_on(integration):
    an_alert()
    hold(integration)
    look()

    Integration.objects.update(enabled=False)
    look(look() + QUIET)

    assert titles()[1] == f"{integration}: a person paused delivery"
    assert told()[1][2].endswith(": a person paused delivery. There is nothing to do.")


def test_what_the_alert_no_longer_asks_for_is_not_said_to_be_mended(integration):
    alert = an_alert()
    hold(integration)
    look()

    alert.held_minutes = alert.lag_minutes = None
    alert.save()
    look(look() + QUIET)

    assert titles()[1] == f"{integration}: it is below what the alert asks for"


def test_a_forgotten_pause_is_told_as_early_as_the_alert_asks(integration, settings):
    settings.PAUSE_HOURS = 24
    an_alert(pause_hours=2)
    an_alert(pause_hours=4)
    log.append(integration.app, [a_sent_event()])
    integration.app.referralevent_set.update(
        received_at=clock.read_now() - timedelta(hours=3)
    )
    Integration.objects.update(enabled=False)

    look()

    assert moments() == [("started", "pause_forgotten")]


def test_events_that_come_late_are_told_from_their_share_on(integration):
    an_alert(stale_percent=30)
    an_alert(stale_percent=60)
    now = clock.read_now()
    log.append(
        integration.app,
        [
            a_sent_event(occurred_at=(now - timedelta(days=days)).isoformat())
            for days in (0, 3) * 5
        ],
    )

    look()

    assert moments() == [("started", "stale_events")]


def test_an_error_that_no_field_names_is_told_by_the_last_one(integration):
    an_alert(name="all")
    an_alert(name="named alone", other_errors=False)
    Integration.objects.update(cursor=5)

    look()

    assert [
        (each.alert.name, each.content["rule"]) for each in Notice.objects.all()
    ] == [("all", "unbalanced")]


def test_a_warning_is_told_where_it_is_asked_for(integration):
    an_alert(name="quiet")
    an_alert(name="all", other_warnings=True)
    log.append(integration.app, [a_sent_event(test=True)])

    look()

    assert [
        (each.alert.name, each.content["rule"]) for each in Notice.objects.all()
    ] == [("all", "only_test_events")]


def test_a_worker_that_is_gone_is_told_once_for_all_integrations(integration):
    other = an_integration(an_app("other"), name="second")
    an_alert()
    an_alert(worker_gone=False)
    WorkerSeen.objects.update(seen_at=clock.read_now() - timedelta(minutes=10))
    log.append(other.app, [a_sent_event()])

    look()

    (notice,) = Notice.objects.all()
    content = notice.content
    assert (content["rule"], content["app"], content["integration"]) == (
        "no_worker",
        None,
        None,
    )
    assert content["title"] == "This installation: no worker is at work"
    assert (
        f"{other}: No worker has been seen for 10 min. 1 event waits" in content["text"]
    )
    worker_presence.record_presence("worker")
    look(look() + QUIET)
    assert titles()[1] == "This installation: a worker is at work again"


def test_an_alert_is_told_what_names_it_in_the_app_and_integration(integration):
    an_alert()
    hold(integration)

    look()

    content = Notice.objects.get().content
    assert (content["app"], content["integration"]) == ("shop", "default")


def test_a_custom_name_that_waits_is_told_without_the_name(settings, db):
    settings.CUSTOM_NAMES_LIMIT = 1
    app = an_app("shop")
    worker_presence.record_presence("worker")
    an_integration(app)
    an_integration(app, name="second", location=Location.US1)
    an_alert()
    for number in (1, 2):
        name = f"ann@example.com {number}"
        CustomName.objects.create(
            app=app, name=name, normalised=name, number=number, first_position=number
        )

    look()
    CustomName.objects.filter(number=2).update(approved_at=clock.read_now())
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
    an_alert(name="no holds", held_minutes=None, lag_minutes=None)
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

    assert moments() == [("started", "credentials_refused")]
    assert Incident.objects.get().ended_at is not None


def test_an_archived_integration_ends_what_was_open(integration):
    an_alert()
    hold(integration)
    look()

    Integration.objects.update(archived_at=clock.read_now())
    began = look()
    look(began + QUIET)

    assert moments() == [
        ("started", "credentials_refused"),
        ("ended", "credentials_refused"),
    ]


def test_of_many_looks_within_half_a_minute_one_counts(integration):
    an_alert()
    now = clock.read_now()

    looked = [
        watch.update_incidents(now + timedelta(seconds=s))
        for s in (0, 5, 29, 30, 31, 61)
    ]

    assert looked == [True, False, False, True, False, True]


@pytest.mark.django_db(transaction=True)
def test_however_many_workers_look_at_once_one_message_is_written(integration):
    an_alert()
    hold(integration)
    now = clock.read_now()
    start = threading.Barrier(4)

    def work():
        start.wait()
        try:
            watch.update_incidents(now)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert moments() == [("started", "credentials_refused")]


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
    assert after <= 25


def test_nothing_is_asked_where_there_is_no_alert(integration):
    with CaptureQueriesContext(connection) as captured:
        assert not watch.update_incidents()

    assert len(captured) <= 3
    assert not DeadLetter.objects.exists()
