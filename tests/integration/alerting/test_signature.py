"""What a receiver does who verifies a webhook with the specification's own library."""

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from clevertap_sync.alerting import notices, notifiers, watch
from tests.integration.alerting.conftest import an_alert
from tests.integration.alerting.test_sending import later
from tests.integration.alerting.test_watch import hold


def test_a_receiver_knows_a_message_by_its_signature(receiver, db):
    alert = an_alert(receiver, signing_secret=notifiers.create_signing_secret())
    notices.send_test_notice(alert)
    (request,) = receiver.received

    verified = Webhook(alert.signing_secret.reveal()).verify(
        request.body, request.headers
    )

    assert verified["id"] == request.headers["webhook-id"]
    assert verified["type"] == "test"


def test_a_message_that_is_sent_again_is_known_as_the_same(receiver, integration):
    alert = an_alert(receiver, signing_secret=notifiers.create_signing_secret())
    hold(integration)
    watch.update_incidents()
    receiver.answers = [500, 200]

    notices.send_due_notices()
    later()
    notices.send_due_notices()

    known = Webhook(alert.signing_secret.reveal())
    first, again = (known.verify(r.body, r.headers) for r in receiver.received)
    assert first == again
    assert first["type"] == "credentials_refused.started"
    assert first["id"] == receiver.received[1].headers["webhook-id"]


def test_a_message_that_was_changed_or_signed_with_another_secret_is_none(receiver, db):
    alert = an_alert(receiver, signing_secret=notifiers.create_signing_secret())
    notices.send_test_notice(alert)
    (request,) = receiver.received
    other = {**request.headers, "webhook-id": "00000000-0000-0000-0000-000000000000"}

    for secret, body, headers in (
        (alert.signing_secret, request.body.replace(b"Test", b"Text"), request.headers),
        (alert.signing_secret, request.body, other),
        (notifiers.create_signing_secret(), request.body, request.headers),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.reveal()).verify(body, headers)
