"""Sends a notice by e-mail, to Slack or to a webhook, and calls a heartbeat's address.

Each function sends once, or raises `AlertNotSentError` with a sentence that names no
address.
"""

import base64
import hashlib
import hmac
import json
import secrets
import smtplib
import time
from contextlib import closing, nullcontext
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from requests import PreparedRequest
from requests.auth import AuthBase

from clevertap_sync.clevertap.client.transport import Transport
from clevertap_sync.clevertap.client.watched_connections import require_public_addresses
from clevertap_sync.clevertap.errors import CleverTapError, MalformedResponseError
from clevertap_sync.models import Alert, AlertMedium, Notice
from referrals.secret import Secret

SECONDS: Final = 10.0
ACKNOWLEDGE: Final = "Acknowledge or mute"
#: E-mail backends that send nothing: the alert fails instead of pretending.
NO_MAIL: Final = "django.core.mail.backends.dummy.EmailBackend"
# Reference: https://www.standardwebhooks.com
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
_OK: Final = range(200, 300)
# hc-ping.com answers 200 to every call, and says in its text which one it dropped.
# Reference: https://healthchecks.io/docs/http_api/
_DROPPED: Final = (b"OK (not found)", b"OK (rate limited)")


class AlertNotSentError(Exception):
    """A notice did not get through. The text says why, without any address."""


def send_message(alert: Alert, notice: Notice) -> None:
    """Send the notice by the alert's medium. Raises `AlertNotSentError`."""
    match alert.way:
        case AlertMedium.EMAIL:
            _mail(alert, notice)
        case AlertMedium.SLACK:
            text = _for_slack(notice)
            _post(alert.url, json.dumps({"text": text}).encode(), {})
        case _:
            body = json.dumps({"id": str(notice.key), **notice.content}).encode()
            _post(alert.url, body, sign_message(alert.signing_secret, notice, body))


def call_heartbeat(url: Secret, *, fails: bool) -> None:
    """GET the address, with `/fail` added if `fails`. Raises `AlertNotSentError`."""
    parts = urlsplit(_revealed(url))
    if fails:
        parts = parts._replace(path=f"{parts.path.rstrip('/')}/fail")
    _ask("GET", parts, None, {})


def create_signing_secret() -> Secret:
    """Return a new random secret for signing webhooks."""
    key = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    return Secret(_PREFIX + key)


def sign_message(secret: Secret, notice: Notice, body: bytes) -> dict[str, str]:
    """Return the signature headers by which a receiver verifies the sender."""
    key = base64.b64decode(_revealed(secret).removeprefix(_PREFIX))
    stamp = str(int(time.time()))
    signed = f"{notice.key}.{stamp}.".encode() + body
    code = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": str(notice.key),
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{code}",
    }


def list_addresses(alert: Alert) -> list[str]:
    """Return the e-mail addresses of an alert."""
    return [line.strip() for line in alert.recipients.splitlines() if line.strip()]


def _mail(alert: Alert, notice: Notice) -> None:
    if settings.EMAIL_BACKEND == NO_MAIL:
        message = "E-mail is not set up: set EMAIL_URL"
        raise AlertNotSentError(message)
    content = notice.content
    mail = EmailMessage(
        subject=" ".join(content["title"].split()),
        body=_write_mail_text(notice),
        to=list_addresses(alert),
        headers={"Message-ID": f"<{notice.key}@referrals>"},
    )
    try:
        mail.send()
    except smtplib.SMTPResponseException as error:
        message = f"The mail server answered {error.smtp_code}"
    except smtplib.SMTPRecipientsRefused:
        message = "The mail server refuses the recipients"
    except (smtplib.SMTPException, OSError, ValueError) as error:
        message = f"The mail server could not be asked ({type(error).__name__})"
    else:
        return
    # Outside of the handlers: what the server said may name people.
    raise AlertNotSentError(message)


def _write_mail_text(notice: Notice) -> str:
    content, page = notice.content, _where_to_acknowledge(notice)
    acknowledge = f"{ACKNOWLEDGE}: {page}" if page else ""
    parts = [content["text"], content["url"], acknowledge]
    return "\n\n".join(filter(None, parts)) + "\n"


def _for_slack(notice: Notice) -> str:
    # Reference: https://api.slack.com/reference/surfaces/formatting#escaping
    content = notice.content
    title, text = (
        content[name].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for name in ("title", "text")
    )
    links = [
        f"<{address}|{label}>"
        for address, label in (
            (content["url"], "Open the page"),
            (_where_to_acknowledge(notice), ACKNOWLEDGE),
        )
        if address
    ]
    return "\n".join([f"*{title}*", text, *([" · ".join(links)] if links else [])])


def _where_to_acknowledge(notice: Notice) -> str:
    """Return the address of the alert's page; empty where the incident is over."""
    if notice.moment not in {Notice.Moment.STARTED, Notice.Moment.REMINDED}:
        return ""
    return str(notice.content.get("alert_url", ""))


class _Headers(AuthBase):
    """Puts headers on one request, so that no redirect or error carries them."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.update(self._headers)
        return request


def _post(url: Secret, body: bytes, headers: dict[str, str]) -> None:
    _ask("POST", urlsplit(_revealed(url)), body, headers)


def _ask(
    method: str, parts: SplitResult, body: bytes | None, headers: dict[str, str]
) -> None:
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    base = f"{parts.scheme}://{parts.netloc}"
    guard = (
        nullcontext()
        if settings.ALERTS_TO_PRIVATE_ADDRESSES
        else require_public_addresses()
    )
    with guard, closing(Transport(base, _Headers(headers), seconds=SECONDS)) as way:
        try:
            answer = way.ask(method, path, params={}, body=body)
        except MalformedResponseError:
            return  # it answered 200, which is enough
        except CleverTapError as error:
            message = (
                f"The receiver did not answer ({error.detail or type(error).__name__})"
            )
        else:
            if answer.body.startswith(_DROPPED):
                message = "The receiver knows no such address, or was called too often"
            elif answer.status in _OK:
                return
            else:
                message = f"The receiver answered {answer.status}"
    raise AlertNotSentError(message)


def _revealed(secret: Secret) -> str:
    try:
        return secret.reveal()
    except ImproperlyConfigured:
        message = "Its address or secret cannot be decrypted: enter it again"
    raise AlertNotSentError(message)
