"""Recognise a restored backup by cursors that workers remember outside the database.

A restored backup does not know what was delivered after it was made. Its cursors are behind
what CleverTap has, and delivering from there would count everything twice. Redis keeps its
memory meanwhile. So the worker that finds a cursor behind the remembered one pauses the
integration until a person decides. Without Redis, or after it lost its memory, no restored
backup is recognised.

Remembered cursors are signed, so that write access to Redis is not enough to pause an
integration. A value without our signature counts as none.
"""

import logging
from collections.abc import Sequence
from typing import Final

import redis
from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Integration
from clevertap_sync.process import doorbell

logger = logging.getLogger(__name__)

#: Longer than an operator keeps a backup to restore.
KEPT_SECONDS = 400 * 24 * 3600
_SALT: Final = "clevertap_sync.witness"
_READ: Final = ("cursor", "created_at", "restorations", "name", "app__slug")
#: More digits than any position has.
_LONGEST_CURSOR: Final = 20

_has_compared = False


def compare_cursors_once() -> None:
    """Compare the cursors unless this process has: it does so before its first delivery."""
    if not _has_compared:
        compare_cursors()


def compare_cursors() -> None:
    """Pause each integration behind its remembered cursor; remember the others' cursors.

    Never raises for Redis.
    """
    global _has_compared  # noqa: PLW0603 - one memory per process
    if settings.REDIS_URL:
        _compare_with_memory()
    _has_compared = True


def read_remembered_cursors(integrations: Sequence[Integration]) -> list[int]:
    """Return the cursor that the broker remembers of each integration; 0 where none.

    Raises `redis.RedisError`.
    """
    if not integrations:
        return []
    keys = [_build_key(each) for each in integrations]
    found = doorbell.open_broker().mget(keys)
    return [_verify_cursor(key, value) for key, value in zip(keys, found, strict=True)]


def _compare_with_memory() -> None:
    # Not their passcodes, which would be decrypted.
    wanted = Integration.objects.enabled().select_related("app").only(*_READ)
    integrations = list(wanted)
    try:
        for integration, remembered in zip(
            integrations, read_remembered_cursors(integrations), strict=True
        ):
            if integration.cursor > remembered:
                _remember_cursor(integration)
            elif integration.cursor < remembered:
                _pause_and_log(integration, remembered)
    except redis.RedisError as error:
        logger.warning("The broker did not answer (%s)", type(error).__name__)


def _remember_cursor(integration: Integration) -> None:
    """Remember the cursor. A slower worker may set it back; the next sweep corrects that."""
    key = _build_key(integration)
    value = _sign_cursor(key, integration.cursor)
    doorbell.open_broker().set(key, value, ex=KEPT_SECONDS)


def _sign_cursor(key: str, cursor: int) -> str:
    """Return the cursor with a signature for this key."""
    return f"{cursor}:{salted_hmac(_SALT, f'{key} {cursor}').hexdigest()}"


def _verify_cursor(key: str, value: object) -> int:
    """Return the cursor of a stored value with our signature; 0 for any other, or None."""
    text = value.decode("latin-1") if isinstance(value, bytes) else ""
    digits = text.partition(":")[0][:_LONGEST_CURSOR]
    cursor = int(digits) if digits.isascii() and digits.isdigit() else 0
    return cursor if constant_time_compare(text, _sign_cursor(key, cursor)) else 0


def _build_key(integration: Integration) -> str:
    """Return a key that no integration of another database has.

    Nor has this integration the same key again after a restored backup was found.
    """
    made = integration.created_at.timestamp()
    return f"cursor:{integration.pk}:{made}:{integration.restorations}"


def _pause_and_log(integration: Integration, remembered: int) -> None:
    # Not where the row was read before another worker moved the cursor on.
    if lifecycle.pause_restored_backup(integration.pk, remembered):
        logger.error(
            "%s / %s is paused: its cursor is %s, but it had come to %s. The database is an "
            "older one, such as a restored backup. Enable it from now in the admin.",
            integration.app.slug,
            integration.name,
            integration.cursor,
            remembered,
        )
