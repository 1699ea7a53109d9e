"""From the header Authorization to an API key and its app.

A key that was looked up is remembered for `REMEMBERED_SECONDS` in each process, so a busy
caller costs no query per request; a revoked key, or an archived app, is refused that much
later at most. Unknown keys are never remembered, so a new key works at once. When a key
expires is remembered with it: it is refused from that instant on, without a query.
"""

import base64
import binascii
import functools
import logging
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import msgspec
from django.db import Error
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from referrals.api.guard import View
from referrals.api.problems import (
    APP_ARCHIVED,
    TRACKING_ONLY,
    UNAUTHORIZED,
    ProblemError,
    ProblemKind,
)
from referrals.ingest.counter import NO_APP
from referrals.keys import PREFIX_LENGTH, digest_key, has_key_shape
from referrals.models import ApiKey
from referrals.refusals import Code
from referrals.words import format_utc

REMEMBERED_SECONDS: Final = 5.0
# Each is a row of ours that was asked for; the bound is for the unforeseen.
REMEMBERED_KEYS: Final = 1_000
USE_NOTED_SECONDS: Final = 60.0
CHALLENGES: Final = {
    "WWW-Authenticate": 'Bearer realm="referrals", Basic realm="referrals"'
}

logger: Final = logging.getLogger(__name__)


class CallerRefusedError(ProblemError):
    """The caller is not let in: `code` says why.

    `app_id` and `prefix` are those of the key that was shown, as far as they are known.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        kind: ProblemKind = UNAUTHORIZED,
        key: ApiKey | None = None,
        prefix: str = "",
    ) -> None:
        headers = CHALLENGES if kind is UNAUTHORIZED else None
        super().__init__(kind, detail, headers=headers)
        self.code = code
        self.app_id = key.app_id if key else NO_APP
        self.prefix = key.prefix if key else prefix


class _Remembered(msgspec.Struct):
    key: ApiKey
    until: float


_keys: dict[str, _Remembered] = {}
_use_noted: dict[str, float] = {}


def require_key(view: Callable[..., HttpResponse]) -> View:
    """Call the view with the caller's app, as its second argument."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, **captured: Any) -> HttpResponse:
        return view(request, authenticate(request).app, **captured)

    return wrapped


def authenticate(request: HttpRequest) -> ApiKey:
    """Return the API key that the request shows, with its app.

    Raises `CallerRefusedError`: 401 without a valid key, 403 when the app is archived, or
    when the key is for tracking only. Every address of the API asks here.
    """
    key = find_caller(read_key(request.META.get("HTTP_AUTHORIZATION", "")))
    if key.tracking_source_id is not None:
        raise CallerRefusedError(
            Code.TRACKING_ONLY,
            "This API key is for tracking only: it may send to /v1/segment, and nothing "
            "else. Nothing was stored. Use an API key that was made for a backend.",
            kind=TRACKING_ONLY,
            key=key,
        )
    note_use(key)
    return key


def find_caller(text: str) -> ApiKey:
    """Return the API key of that text, with its app, also one that is for tracking only.

    Raises `CallerRefusedError`: 401 without a valid key, 403 when the app is archived.
    """
    if not text:
        raise CallerRefusedError(
            Code.NO_KEY,
            "The request shows no API key. Send it as `Authorization: Bearer <API key>`.",
        )
    is_shaped = has_key_shape(text)
    key = _look_up_key(digest_key(text)) if is_shaped else None
    if key is None:
        raise CallerRefusedError(
            Code.UNKNOWN_KEY if is_shaped else Code.MALFORMED_KEY,
            "This API key is not known here. Check that it is whole, and that it belongs "
            "to this server; a key begins with rk_ and is shown once, when it is made.",
            # Of what cannot be a key nothing is repeated: it may be a password.
            prefix=text[:PREFIX_LENGTH] if is_shaped else "",
        )
    _refuse_ended(key)
    if key.app.archived_at:
        raise CallerRefusedError(
            Code.APP_ARCHIVED,
            "The app of this API key is archived and accepts no requests. Nothing was "
            "stored. Use the key of the app that replaced it.",
            kind=APP_ARCHIVED,
            key=key,
        )
    return key


def read_key(authorization: str) -> str:
    """Return the key that the header shows, or an empty text.

    Basic carries it as the user; the password does not count (RFC 7617).
    """
    scheme, _, credentials = authorization.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _read_basic_user(credentials.strip())
    return ""


def find_remembered_key(text: str) -> ApiKey | None:
    """Return the key of that text if this process has looked it up a moment ago.

    Never asks the database, and says nothing of whether the key may be used.
    """
    remembered = _keys.get(digest_key(text)) if text else None
    return remembered.key if remembered else None


def clear_remembered_keys() -> None:
    """Clear this process's memory of keys, so that the next request reads the database."""
    _keys.clear()
    _use_noted.clear()


def _refuse_ended(key: ApiKey) -> None:
    """Raise `CallerRefusedError` for a key that was revoked or has expired."""
    if key.is_revoked:
        raise CallerRefusedError(
            Code.REVOKED_KEY,
            "This API key was revoked. Use the key that replaced it, or make a new one "
            "on the page API keys of the admin.",
            key=key,
        )
    if key.expires_at is not None and key.is_expired:
        raise CallerRefusedError(
            Code.EXPIRED_KEY,
            f"This API key expired on {format_utc(key.expires_at)}. Nothing was stored. Use "
            "the key that replaced it, or rotate it on the page API keys of the admin.",
            key=key,
        )


def _read_basic_user(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[0]


def _look_up_key(digest: str) -> ApiKey | None:
    now = monotonic()
    remembered = _keys.get(digest)
    if remembered and now < remembered.until:
        return remembered.key
    key = ApiKey.objects.select_related("app").filter(digest=digest).first()
    if key:
        _make_room(_keys)
        _keys[digest] = _Remembered(key=key, until=now + REMEMBERED_SECONDS)
    return key


def note_use(key: ApiKey) -> None:
    """Write `last_used_at`, at most once a minute, and never at the request's cost."""
    now = monotonic()
    if now - _use_noted.get(key.digest, -USE_NOTED_SECONDS) < USE_NOTED_SECONDS:
        return
    _make_room(_use_noted)
    _use_noted[key.digest] = now
    used_at = timezone.now()
    # Another process may have written it within this minute.
    stale = Q(last_used_at=None) | Q(
        last_used_at__lt=used_at - timedelta(seconds=USE_NOTED_SECONDS)
    )
    try:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=used_at)
    except Error as error:
        logger.warning("The use of an API key was not noted: %s", type(error).__name__)


def _make_room(remembered: dict[str, Any]) -> None:
    if len(remembered) >= REMEMBERED_KEYS:
        remembered.clear()
