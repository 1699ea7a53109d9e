"""Messages over real sockets: what arrives, how often, and what the page says if not."""

import base64
import hashlib
import hmac
import threading
from datetime import timedelta
from email import message_from_string
from email.header import decode_header, make_header

import pytest
from django.db import connection

from clevertap_sync.alerting import notices, notifiers, watch
from clevertap_sync.models import Alert, AlertMedium, Incident, Notice
from clevertap_sync.process import clock
from referrals.secret import Secret
from tests.builders import an_app
from tests.integration.alerting.conftest import an_alert
from tests.integration.alerting.test_watch import hold
from tests.logs import everything_in

PASSCODE = "CAN-ARY-PASS-XYZ"


def later(**span):
    """Let what waits be due."""
    Notice.objects.update(due_at=clock.read_now() - timedelta(**span or {"seconds": 1}))


def test_a_webhook_is_signed_and_says_what_to_do(receiver, integration, settings):
    settings.PUBLIC_URL = "https://referrals.example.com"
    integration.passcode = Secret(PASSCODE)
    integration.save()
    alert = an_alert(receiver)
    hold(integration)

    watch.update_incidents()
    assert notices.send_due_notices() == 1

    (request,) = receiver.received
    assert request.path == "/in/box?token=s3cr3t-t0ken"
    assert request.json == {
        "id": str(Notice.objects.get().key),
        "type": "credentials_refused.started",
        "at": request.json["at"],
        "app": "shop",
        "integration": "default",
        "rule": "credentials_refused",
        "about": "Shop → DEM-EU1-0001 (Europe)",
        "title": "Shop → DEM-EU1-0001 (Europe): CleverTap refuses the credentials",
        "text": request.json["text"],
        "url": "https://referrals.example.com/admin/clevertap_sync/integration/"
        f"{integration.pk}/change/#id_account_id",
        "alert_url": "https://referrals.example.com/admin/clevertap_sync/alert/"
        f"{alert.pk}/change/",
    }
    key = base64.b64decode(alert.signing_secret.reveal().removeprefix("whsec_"))
    stamp, name = request.headers["webhook-timestamp"], request.headers["webhook-id"]
    signed = f"{name}.{stamp}.".encode() + request.body
    code = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{code}"
    assert name == request.json["id"]
    assert PASSCODE.encode() not in request.body
    assert notices.send_due_notices() == 0


def test_slack_gets_a_text_that_is_no_markup(receiver, settings, db):
    settings.PUBLIC_URL = "https://referrals.example.com"
    alert = an_alert(receiver, way=AlertMedium.SLACK, name="<!channel> & friends")

    notices.send_test_notice(alert)

    assert receiver.received[0].json == {
        "text": "*Test of the alert &lt;!channel&gt; &amp; friends*\nSomebody asked for "
        "this test. Alerts arrive here: nothing is wrong.\n<https://referrals.example.com"
        f"/admin/clevertap_sync/alert/{alert.pk}/change/|Open the page>"
    }


def test_without_a_public_address_a_message_links_nowhere(receiver, settings, db):
    settings.PUBLIC_URL = ""
    alert = an_alert(receiver)

    notices.send_test_notice(alert)

    (request,) = receiver.received
    assert (request.json["url"], request.json["alert_url"]) == ("", "")


def test_an_e_mail_arrives_at_a_real_server(mail_server, integration, settings):
    settings.PUBLIC_URL = "https://referrals.example.com"
    settings.DEFAULT_FROM_EMAIL = "alerts@referrals.example.com"
    an_alert(way=AlertMedium.EMAIL, recipients="ann@example.com\n bob@example.com ")
    hold(integration)
    watch.update_incidents()

    assert notices.send_due_notices() == 1

    ((recipients, text),) = mail_server.received
    mail = message_from_string(text)
    assert recipients == ["ann@example.com", "bob@example.com"]
    assert mail["From"] == "alerts@referrals.example.com"
    assert "refuses the credentials" in str(make_header(decode_header(mail["Subject"])))
    body = mail.get_payload(decode=True).decode()
    assert "CleverTap refuses" in body
    assert f"/admin/clevertap_sync/integration/{integration.pk}/change/" in body


def test_an_empty_line_is_no_address():
    alert = Alert(recipients="\nann@example.com\n \n bob@example.com \n\n")

    assert notifiers.list_addresses(alert) == ["ann@example.com", "bob@example.com"]


def test_a_mail_server_that_refuses_is_no_name_on_the_page(mail_server, caplog, db):
    mail_server.refuses = True
    alert = an_alert(way=AlertMedium.EMAIL, recipients="ann@example.com")

    notice = notices.send_test_notice(alert)

    assert (notice.state, notice.problem) == (
        Notice.State.FAILED,
        "The mail server refuses the recipients",
    )
    assert mail_server.received == []
    assert caplog.records
    assert "ann@example.com" not in everything_in(caplog)


def test_without_a_mail_server_the_page_says_what_to_set(settings, db):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    notice = notices.send_test_notice(
        an_alert(way=AlertMedium.EMAIL, recipients="ann@example.com")
    )

    assert notice.problem == "E-mail is not set up: set EMAIL_URL"


def test_a_receiver_that_fails_is_asked_again_until_it_answers(
    receiver, integration, caplog
):
    an_alert(receiver)
    hold(integration)
    watch.update_incidents()
    receiver.answers = [500, 503]

    assert notices.send_due_notices() == 0
    notice = Notice.objects.get()
    assert (notice.state, notice.attempts) == (Notice.State.PENDING, 1)
    assert notice.problem == "The receiver answered 500"
    assert notices.send_due_notices() == 0
    assert len(receiver.received) == 1
    later()
    assert notices.send_due_notices() == 0
    later()
    assert notices.send_due_notices() == 1

    notice.refresh_from_db()
    assert (notice.state, notice.attempts, notice.problem) == (
        Notice.State.SENT,
        3,
        "",
    )
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert caplog.records
    assert "s3cr3t" not in everything_in(caplog)


def test_after_six_attempts_it_is_given_up_and_says_so(receiver, integration):
    an_alert(receiver)
    hold(integration)
    watch.update_incidents()
    receiver.answers = [302, *[404] * 9]

    for _ in range(8):
        later()
        notices.send_due_notices()

    notice = Notice.objects.get()
    assert (notice.state, notice.attempts) == (Notice.State.FAILED, 6)
    assert notice.problem == "The receiver answered 404"
    assert len(receiver.received) == 6


def test_an_end_waits_for_its_start(receiver, integration):
    alert = an_alert(receiver)
    now = clock.read_now()
    incident = Incident.objects.create(
        alert=alert, rule="held", subject="x", started_at=now
    )
    for moment, due_at in (("ended", now), ("started", now + timedelta(minutes=1))):
        Notice.objects.create(
            alert=alert,
            incident=incident,
            moment=moment,
            key=f"00000000-0000-0000-0000-00000000000{len(moment)}",
            content={"title": moment, "text": "", "url": ""},
            created_at=now,
            due_at=due_at,
        )

    assert notices.send_due_notices() == 0
    later()
    notices.send_due_notices()
    notices.send_due_notices()

    assert [request.json["title"] for request in receiver.received] == [
        "started",
        "ended",
    ]


@pytest.mark.django_db(transaction=True)
def test_however_many_workers_send_a_message_goes_out_once(receiver, integration):
    an_alert(receiver)
    hold(integration)
    watch.update_incidents()
    start = threading.Barrier(4)

    def work():
        start.wait()
        try:
            notices.send_due_notices()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(receiver.received) == 1
    assert Notice.objects.get().attempts == 1


def test_a_worker_that_died_leaves_a_message_that_goes_out_later(receiver, integration):
    an_alert(receiver)
    hold(integration)
    watch.update_incidents()
    Notice.objects.update(
        attempts=1, leased_until=clock.read_now() + timedelta(seconds=30)
    )

    assert notices.send_due_notices() == 0
    assert notices.send_notice(Notice.objects.get().pk) is False
    assert receiver.received == []
    Notice.objects.update(leased_until=clock.read_now())
    assert notices.send_due_notices() == 1

    assert Notice.objects.get().attempts == 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:1/"]
)
def test_nothing_is_sent_to_a_private_address(receiver, settings, url, db):
    settings.ALERTS_TO_PRIVATE_ADDRESSES = False
    port = receiver.server_address[1]
    alert = an_alert(way=AlertMedium.SLACK, url=Secret(url.format(port=port)))

    notice = notices.send_test_notice(alert)

    assert notice.problem == (
        "The receiver did not answer (its host is on a private network)"
    )
    assert receiver.received == []


def test_an_address_that_cannot_be_decrypted_is_said(receiver, settings, db):
    alert = an_alert(receiver, app=an_app())
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-that-which-it-was-saved-with"]

    notice = notices.send_test_notice(alert)

    assert notice.problem == (
        "Its address or secret cannot be decrypted: enter it again"
    )
    assert receiver.received == []
