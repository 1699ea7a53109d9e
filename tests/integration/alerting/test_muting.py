"""What people acknowledge, what they mute, and what is told again."""

from datetime import timedelta

import pytest

from clevertap_sync.alerting import muting, notices, watch
from clevertap_sync.alerting.watch import QUIET, REMIND_EVERY
from clevertap_sync.models import Incident, Mute, Notice
from clevertap_sync.process import clock
from referrals.models import Change, CustomName
from tests.integration.alerting.conftest import an_alert
from tests.integration.alerting.test_watch import (
    Last,
    hold,
    look,
    moments,
    release,
    some_letters,
    some_uploads,
    told,
)

STARTED = ("started", "credentials_refused")
REMINDED = ("reminded", "credentials_refused")
ENDED = ("ended", "credentials_refused")


@pytest.fixture(autouse=True)
def _begin(db):
    Last.at = clock.read_now()


def said():
    return list(Change.objects.order_by("pk").values_list("by", "kind", "what"))


def test_an_error_is_told_again_once_a_day_until_somebody_acknowledges_it(integration):
    an_alert()
    hold(integration)
    began = look()

    look(began + REMIND_EVERY - timedelta(minutes=2))
    assert moments() == [STARTED]
    look(began + REMIND_EVERY)
    look()
    assert moments() == [STARTED, REMINDED]
    notice = Notice.objects.latest("pk")
    assert notice.content["title"].endswith(
        "CleverTap refuses the credentials, for 24 h now"
    )
    assert notice.content["text"].endswith(
        "This comes once a day until somebody acknowledges it."
    )
    look(began + 2 * REMIND_EVERY + timedelta(hours=1))
    assert moments() == [STARTED, REMINDED, REMINDED]

    assert muting.acknowledge_incident(Incident.objects.get(), "ann")
    look(began + 4 * REMIND_EVERY)
    assert moments() == [STARTED, REMINDED, REMINDED]
    release(integration)
    look(look() + QUIET)
    assert moments() == [STARTED, REMINDED, REMINDED, ENDED]


def test_what_is_no_error_is_told_once(integration, settings):
    settings.CUSTOM_NAMES_LIMIT = 0
    an_alert()
    CustomName.objects.create(
        app=integration.app, name="n", normalised="n", number=1, first_position=1
    )

    began = look()
    look(began + 2 * REMIND_EVERY)

    assert moments() == [("started", "new_name")]


def test_an_incident_is_acknowledged_once_and_by_name(integration):
    alert = an_alert()
    hold(integration)
    look()
    incident = Incident.objects.get()

    assert muting.acknowledge_incident(incident, "ann")
    assert not muting.acknowledge_incident(incident, "bob")

    incident.refresh_from_db()
    assert incident.acknowledged_by == "ann"
    assert incident.acknowledged_at is not None
    what = f"Acknowledged: credentials_refused: integration:{integration.pk}."
    assert said() == [("ann", "alert", what)]
    assert Change.objects.get().row == str(alert.pk)


def test_what_starts_while_it_is_muted_is_told_when_the_mute_is_over(integration):
    alert = an_alert()
    an_alert(name="other")
    muting.mute_alert(alert, timedelta(hours=1), "ann")
    hold(integration)

    look()
    assert [notice.alert.name for notice in Notice.objects.all()] == ["other"]
    look(clock.read_now() + timedelta(hours=1, minutes=1))

    assert moments() == [STARTED, STARTED]
    assert not Mute.objects.exists()


def test_what_ends_while_it_is_muted_is_over_without_a_word(integration):
    an_alert()
    hold(integration)
    look()
    muting.mute_incident(Incident.objects.get(), timedelta(days=1), "ann")

    release(integration)
    look(look() + QUIET)

    assert moments() == [STARTED]
    assert Incident.objects.get().ended_at is not None


def test_a_mute_is_of_one_cause_and_one_subject(integration):
    alert = an_alert()
    hold(integration)
    look()
    muting.mute_incident(Incident.objects.get(), timedelta(days=1), "ann")
    some_uploads(integration, records=5, dead=5)
    some_letters(integration, 5)

    look()

    assert ("started", "identity_missing") in moments()
    mute = Mute.objects.get()
    assert (mute.rule, mute.subject) == (
        "credentials_refused",
        f"integration:{integration.pk}",
    )
    muting.end_mute(mute, "bob")
    assert not alert.mutes.exists()
    assert [(by, what.split(" ")[0]) for by, _, what in said()] == [
        ("ann", "Muted"),
        ("bob", "Unmuted:"),
    ]


def test_a_longer_mute_takes_the_place_of_a_shorter_one(db):
    alert = an_alert()

    muting.mute_alert(alert, timedelta(hours=1), "ann")
    muting.mute_alert(alert, timedelta(weeks=1), "bob")

    mute = Mute.objects.get()
    assert mute.by == "bob"
    assert mute.until > clock.read_now() + timedelta(days=6)


def test_a_message_leads_to_where_it_is_acknowledged(
    mail_server, receiver, integration, settings
):
    settings.PUBLIC_URL = "https://referrals.example.com"
    by_mail = an_alert(way="email", recipients="ann@example.com")
    by_slack = an_alert(receiver, way="slack")
    hold(integration)
    watch.update_incidents()

    assert notices.send_due_notices() == 2

    page = "https://referrals.example.com/admin/clevertap_sync/alert/{}/change/"
    ((_, mail),) = mail_server.received
    assert f"Acknowledge or mute: {page.format(by_mail.pk)}" in mail.replace("=\n", "")
    link = f" · <{page.format(by_slack.pk)}|Acknowledge or mute>"
    assert receiver.received[0].json["text"].endswith(link)
    assert len(told()) == 2
