"""The pages of alerts: what is refused, what is shown, and the test button."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clevertap_sync.alerting import watch
from clevertap_sync.models import Alert, Incident, Integration, Mute, Notice
from clevertap_sync.process import clock
from referrals.models import Change, Membership, Role
from referrals.secret import Secret
from tests.builders import NOON, an_app
from tests.harness.receivers import WebhookReceiver, running
from tests.integration.admin.conftest import text_of
from tests.integration.admin.walk import state

LIST = "/admin/clevertap_sync/alert/"
ADD = f"{LIST}add/"


def typed(**changes):
    """Return a filled-in form."""
    return {
        "name": "Growth team",
        "app": "",
        "enabled": "on",
        "way": "email",
        "recipients": "ann@example.com",
        "new_url": "",
        "held_minutes": "5",
        "lag_minutes": "30",
        "dead_percent": "5",
        "passcode_days": "14",
        "refused_percent": "20",
        "quiet_hours": "24",
        "pause_hours": "24",
        "stale_percent": "50",
        "fewer_percent": "5",
        "new_names": "on",
        "worker_gone": "on",
        "failing_alerts": "on",
        "failing_sources": "on",
        "other_errors": "on",
        "new_heartbeat_url": "",
        "heartbeat_minutes": "1",
        **changes,
    }


@pytest.fixture
def receiver(settings):
    settings.ALERTS_TO_PRIVATE_ADDRESSES = True
    with running(WebhookReceiver()) as server:
        yield server


def errors(response):
    return [
        re.sub(r"<[^>]+>", "", each)
        for each in re.findall(r'(?s)<ul class="errorlist".*?</ul>', text_of(response))
    ]


def test_an_e_mail_alert_is_made(admin):
    response = admin.post(ADD, typed(recipients="ann@example.com, bob@example.com\n\n"))

    alert = Alert.objects.get()
    assert response.url == f"/admin/clevertap_sync/alert/{alert.pk}/change/"
    assert (alert.app, alert.recipients) == (None, "ann@example.com\nbob@example.com")
    assert not alert.signing_secret


def test_the_form_has_no_button_that_edits_an_app_in_between(admin):
    an_app("shop", name="Shop")

    page = text_of(admin.get(ADD))

    assert ">Shop</option>" in page
    assert "related-widget-wrapper-link" not in page


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"recipients": ""}, "Write at least one e-mail address."),
        ({"recipients": "nobody"}, "nobody is no e-mail address."),
        ({"recipients": "a@b.example\n" * 21}, "Write at most 20 addresses."),
        ({"way": "slack"}, "Paste the address to post to."),
        ({"new_url": "ftp://example.com/x"}, "Begin with https:// and a host name."),
        ({"new_url": "https:///x"}, "Begin with https:// and a host name."),
        ({"new_url": "https://[::1"}, "This is no address."),
        ({"new_url": "https://a:b@example.com"}, "Leave out user names"),
        ({"new_url": "http://127.0.0.1:80/"}, "on a private network"),
        ({"new_url": "http://169.254.169.254/latest"}, "on a private network"),
        ({"new_url": "http://localhost/"}, "on a private network"),
        ({"new_url": "http://[::ffff:10.0.0.1]/"}, "on a private network"),
        ({"dead_percent": "0"}, "greater than or equal to 1"),
        ({"lag_minutes": "1"}, "greater than or equal to 2"),
        ({"heartbeat_minutes": "0"}, "greater than or equal to 1"),
        ({"new_heartbeat_url": "http://127.0.0.1:80/"}, "on a private network"),
        ({"held_minutes": "99999"}, "less than or equal to 1440"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(admin, changes, problem):
    response = admin.post(ADD, typed(**changes))

    assert problem in " ".join(errors(response))
    assert not Alert.objects.exists()


def test_the_address_is_stored_encrypted_and_never_shown(admin):
    url = "https://hooks.example.com/services/s3cr3t"

    admin.post(ADD, typed(way="slack", new_url=url))

    alert = Alert.objects.get()
    assert alert.url.reveal() == url
    for page in ("", f"{alert.pk}/change/"):
        text = text_of(admin.get(f"/admin/clevertap_sync/alert/{page}"))
        assert "s3cr3t" not in text
        assert "https://hooks.example.com/••••" in text
    admin.post(
        f"/admin/clevertap_sync/alert/{alert.pk}/change/", typed(way="slack", name="N")
    )
    alert.refresh_from_db()
    assert (alert.name, alert.url.reveal()) == ("N", url)


def test_a_webhooks_secret_is_shown_once_and_replaced_by_a_post(admin):
    response = admin.post(
        ADD, typed(way="webhook", new_url="https://hooks.example.com/")
    )

    alert = Alert.objects.get()
    secret = alert.signing_secret.reveal()
    page = f"/admin/clevertap_sync/alert/{alert.pk}"
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", secret)
    assert secret in text_of(response)
    assert response.headers["Cache-Control"].startswith("no-store")
    assert secret not in text_of(admin.get(f"{page}/change/"))
    assert admin.get(f"{page}/secret/").status_code == 405
    renewed = text_of(admin.post(f"{page}/secret/"))
    alert.refresh_from_db()
    assert alert.signing_secret.reveal() in renewed
    assert alert.signing_secret.reveal() != secret


def test_the_test_button_sends_and_says_what_came_of_it(admin, receiver):
    alert = Alert(name="N", way="slack", url="")
    alert.url = Secret(receiver.url)
    alert.save()
    page = f"/admin/clevertap_sync/alert/{alert.pk}"

    good = text_of(admin.post(f"{page}/test/", follow=True))
    receiver.answers = [404]
    bad = text_of(admin.post(f"{page}/test/", follow=True))

    assert "Sent. It should have arrived by now." in good
    assert "The test was not sent. The receiver answered 404." in bad
    assert "Given up" in bad
    assert len(receiver.received) == 2
    assert Notice.objects.count() == 2


def an_open_incident(**changes):
    """Return an alert and what it told of."""
    alert = Alert.objects.create(name="Growth", **changes)
    now = clock.read_now()
    incident = Incident.objects.create(
        alert=alert, rule="credentials_refused", subject="integration:7", started_at=now
    )
    Notice.objects.create(
        alert=alert,
        incident=incident,
        moment=Notice.Moment.STARTED,
        key=uuid.uuid4(),
        content={"title": "Shop: CleverTap refuses the credentials"},
        created_at=now,
        due_at=now,
    )
    return alert, incident


def test_what_is_open_is_acknowledged_and_muted_on_the_alerts_page(admin):
    alert, incident = an_open_incident()
    page = f"/admin/clevertap_sync/alert/{alert.pk}"
    which = {"incident": incident.pk}

    shown = text_of(admin.get(f"{page}/change/"))
    acknowledged = text_of(admin.post(f"{page}/acknowledge/", which, follow=True))
    again = text_of(admin.post(f"{page}/acknowledge/", which, follow=True))
    muted = text_of(admin.post(f"{page}/mute/", {**which, "for": "week"}, follow=True))

    assert "Acknowledge: Shop: CleverTap refuses the credentials" in shown
    # A form inside a form is none to a browser.
    assert not re.search(r"(?s)<form(?:(?!</form>).)*<form", shown)
    assert "Acknowledged. You are told when it is over, and not before." in acknowledged
    assert "Acknowledged by ann" in acknowledged
    assert "Somebody did so before" in again
    assert "Muted. What is still there afterwards is told then." in muted
    mute = Mute.objects.get()
    assert (mute.rule, mute.subject) == ("credentials_refused", "integration:7")
    assert mute.until > clock.read_now() + timedelta(days=6)
    admin.post(f"{page}/unmute/", {"mute": mute.pk})
    assert not Mute.objects.exists()


def test_a_whole_alert_is_muted_and_unmuted(admin):
    alert = Alert.objects.create(name="Growth")
    page = f"/admin/clevertap_sync/alert/{alert.pk}"

    muted = text_of(admin.post(f"{page}/mute/", {"for": "day"}, follow=True))

    assert "Muted. What is still there afterwards is told then." in muted
    assert "<strong>Everything</strong> until" in muted
    assert "Mute the whole alert" not in muted
    assert '<span class="light light-idle">Muted</span>' in text_of(admin.get(LIST))
    unmuted = text_of(
        admin.post(f"{page}/unmute/", {"mute": Mute.objects.get().pk}, follow=True)
    )
    assert "Mute the whole alert" in unmuted


@pytest.mark.parametrize("number", ["0", "x", "9" * 40, ""])
def test_what_is_not_this_alerts_is_not_found(admin, number):
    alert = Alert.objects.create(name="Growth")
    _, foreign = an_open_incident()
    page = f"/admin/clevertap_sync/alert/{alert.pk}"

    answers = [
        admin.post(f"{page}/acknowledge/", {"incident": number or foreign.pk}),
        admin.post(f"{page}/mute/", {"incident": number or foreign.pk, "for": "day"}),
        admin.post(f"{page}/unmute/", {"mute": number}),
    ]

    assert [each.status_code for each in answers] == [404, 404, 404]
    assert not Mute.objects.exists()


def test_an_alert_that_gets_to_nobody_is_not_green(admin, receiver):
    alert = Alert(name="Growth", way="slack", url="")
    alert.url = Secret(receiver.url)
    alert.save()
    receiver.answers = [404]
    page = f"/admin/clevertap_sync/alert/{alert.pk}"
    admin.post(f"{page}/test/")

    failing = [text_of(admin.get(each)) for each in (f"{page}/change/", LIST)]
    admin.post(f"{page}/test/")
    mended = [text_of(admin.get(each)) for each in (f"{page}/change/", LIST)]

    assert "Its messages get to nobody" in failing[0]
    assert "Nothing is wrong" not in failing[0]
    assert '<span class="light light-bad">Failing</span>' in failing[1]
    assert "Nothing is wrong" in mended[0]
    assert '<span class="light light-good">On</span>' in mended[1]


@pytest.mark.parametrize(
    ("role", "permissions", "answer"),
    [
        (None, (), 404),
        (Role.VIEWER, (), 404),
        (None, ("clevertap_sync.view_alert",), 403),
        (Role.EDITOR, (), None),
    ],
    ids=["nobody", "viewer", "onlooker", "editor"],
)
def test_the_buttons_of_an_alerts_page_are_for_those_who_may_change_it(
    staff, receiver, role, permissions, answer
):
    browser = staff(*permissions)
    app = an_app("shop")
    if role:
        bob = User.objects.get(username="bob")
        Membership.objects.create(user=bob, app=app, role=role)
    alert, incident = an_open_incident(app=app, way="slack", url=Secret(receiver.url))
    until = clock.read_now() + timedelta(days=1)
    mute = Mute.objects.create(alert=alert, until=until, by="ann")
    before = state()

    # To unmute comes first: a mute of the whole alert takes the place of the one before.
    answers = {
        name: browser.post(
            f"{LIST}{alert.pk}/{name}/", {"incident": incident.pk, "mute": mute.pk}
        ).status_code
        for name in ("unmute", "mute", "acknowledge", "test", "secret")
    }

    done = {"unmute": 302, "mute": 302, "acknowledge": 302, "test": 302, "secret": 200}
    assert answers == (dict.fromkeys(done, answer) if answer else done)
    assert (state() == before) is (answer is not None)
    assert len(receiver.received) == (answer is None)


def test_a_heartbeats_address_is_stored_encrypted_and_can_be_forgotten(admin):
    url = "https://hc-ping.example.com/5bf66975-s3cr3t"
    admin.post(ADD, typed(new_heartbeat_url=url))
    alert = Alert.objects.get()
    page = f"/admin/clevertap_sync/alert/{alert.pk}/change/"
    assert alert.heartbeat_url.reveal() == url

    shown = text_of(admin.get(page))
    assert "https://hc-ping.example.com/••••" in shown
    assert "s3cr3t" not in shown
    admin.post(page, typed())
    alert.refresh_from_db()
    assert alert.heartbeat_url.reveal() == url
    Alert.objects.update(heartbeat_problem="The receiver answered 404")
    assert "Heartbeat fails" in text_of(admin.get("/admin/clevertap_sync/alert/"))
    admin.post(page, typed(forget_heartbeat="on"))

    alert.refresh_from_db()
    assert not alert.heartbeat_url
    assert alert.heartbeat_problem == ""
    assert "s3cr3t" not in str(list(Change.objects.values()))


def test_an_editor_has_the_alerts_of_their_app_and_makes_none_for_all(db):
    app, other = an_app("shop"), an_app("other")
    user = User.objects.create_user("bob", password="x", is_staff=True)
    Membership.objects.create(user=user, app=app, role=Role.EDITOR)
    browser = Client()
    browser.force_login(user)
    for_all = Alert.objects.create(name="For all")
    Alert.objects.create(name="Of other", app=other)
    mine = Alert.objects.create(name="Mine", app=app)

    listed = text_of(browser.get("/admin/clevertap_sync/alert/"))
    refused = browser.post(ADD, typed())
    browser.post(ADD, typed(app=app.pk, name="Made"))
    browser.post(f"/admin/clevertap_sync/alert/{for_all.pk}/change/", typed(app=app.pk))

    assert "Mine" in listed
    assert "For all" not in listed
    assert "Of other" not in listed
    assert "This field is required." in " ".join(errors(refused))
    assert set(Alert.objects.filter(app=app).values_list("name", flat=True)) == {
        mine.name,
        "Made",
    }
    assert browser.post(
        f"/admin/clevertap_sync/alert/{for_all.pk}/test/"
    ).status_code in {403, 404}


def test_what_is_open_now_says_what_it_is_about(admin, integration):
    alert = Alert.objects.create(name="Growth", recipients="ann@example.com")
    held = Integration.objects.filter(pk=integration.pk)
    held.update(hold_reason="credentials_refused", held_since=NOON)
    assert watch.update_incidents()

    page = text_of(admin.get(f"/admin/clevertap_sync/alert/{alert.pk}/change/"))

    words = "CleverTap refuses the credentials"
    assert f"<strong>{integration}: {words}</strong> since <time" in page
