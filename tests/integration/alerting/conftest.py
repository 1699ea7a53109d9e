"""Alerts that go to servers of the test's own."""

import itertools

import pytest

from clevertap_sync.models import Alert, AlertMedium
from clevertap_sync.process import worker_presence
from referrals.secret import Secret
from tests.builders import an_app, an_integration
from tests.harness.receivers import MailServer, WebhookReceiver, running

_numbers = itertools.count(1)


@pytest.fixture
def receiver(settings):
    """A web server that keeps what alerts post to it."""
    settings.ALERTS_TO_PRIVATE_ADDRESSES = True
    with running(WebhookReceiver()) as server:
        yield server


@pytest.fixture
def mail_server(settings):
    """A mail server, and Django's settings for it."""
    with running(MailServer()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        yield server


@pytest.fixture
def integration(db):
    """An enabled integration of the app "shop", and a worker that is at work."""
    worker_presence.record_presence("worker")
    return an_integration(an_app("shop", name="Shop"))


def an_alert(receiver=None, **changes):
    """Write an alert that posts to `receiver` about everything, at once."""
    defaults = {
        "name": f"Alert {next(_numbers)}",
        "way": AlertMedium.WEBHOOK,
        "url": Secret(receiver.url) if receiver else Secret(),
        "signing_secret": Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "held_minutes": 0,
    }
    return Alert.objects.create(**{**defaults, **changes})
