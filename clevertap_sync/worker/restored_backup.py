"""A memory outside the database of how far each integration had come.

A restored backup does not know what was delivered after it was made: its cursors are
behind what CleverTap has, and delivering from there would count everything twice. The
broker's memory survives that, so whoever finds a cursor behind it pauses the integration
until a person decides. Where the broker forgot, or there is none, nothing is noticed.

What stands there is signed: whoever can write to Redis cannot pause anything by it, and
what is none of ours is as good as forgotten.
"""

import logging
from typing import Final

import redis
from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Integration
from clevertap_sync.process import doorbell

logger = logging.getLogger(__name__)

#: Longer than anybody keeps a backup that would still be restored.
KEPT_SECONDS = 400 * 24 * 3600
_SALT: Final = "clevertap_sync.witness"
#: More digits than any position has.
_LONGEST_CURSOR: Final = 20

_has_compared = False


def compare_cursors_once() -> None:
    """Compare, unless this process has done so: before it delivers anything."""
    if not _has_compared:
        compare_cursors()


def compare_cursors() -> None:
    """Pause what is behind its mark, and move the marks of the others on. Never raises for Redis."""
    global _has_compared  # noqa: PLW0603 - one memory per process
    if settings.REDIS_URL:
        _compare_with_memory()
    _has_compared = True


def _compare_with_memory() -> None:
    integrations = list(Integration.objects.enabled().select_related("app"))
    try:
        for integration, mark in zip(
            integrations, _read_remembered_cursors(integrations), strict=True
        ):
            if integration.cursor > mark:
                _remember_cursor(integration)
            elif integration.cursor < mark:
                _pause_and_log(integration, mark)
    except redis.RedisError as error:
        logger.warning("The broker did not answer (%s)", type(error).__name__)


def _read_remembered_cursors(integrations: list[Integration]) -> list[int]:
    if not integrations:
        return []
    keys = [_build_key(each) for each in integrations]
    found = doorbell.open_broker().mget(keys)
    return [_verify_cursor(key, mark) for key, mark in zip(keys, found, strict=True)]


def _remember_cursor(integration: Integration) -> None:
    """Remember the cursor. A slower worker may set it back; the next sweep mends that."""
    key = _build_key(integration)
    mark = _sign_cursor(key, integration.cursor)
    doorbell.open_broker().set(key, mark, ex=KEPT_SECONDS)


def _sign_cursor(key: str, cursor: int) -> str:
    """Return the cursor with what shows that it is ours, and of this key."""
    return f"{cursor}:{salted_hmac(_SALT, f'{key} {cursor}').hexdigest()}"


def _verify_cursor(key: str, mark: object) -> int:
    """Return the cursor of a mark that is ours; 0 of any other, as where there is none."""
    text = mark.decode("latin-1") if isinstance(mark, bytes) else ""
    digits = text.partition(":")[0][:_LONGEST_CURSOR]
    cursor = int(digits) if digits.isascii() and digits.isdigit() else 0
    return cursor if constant_time_compare(text, _sign_cursor(key, cursor)) else 0


def _build_key(integration: Integration) -> str:
    """Return a key that no other database's integration has, nor this one once resumed."""
    made = integration.created_at.timestamp()
    return f"cursor:{integration.pk}:{made}:{integration.restorations}"


def _pause_and_log(integration: Integration, mark: int) -> None:
    # Not where the row was read before another worker moved cursor and mark on.
    if lifecycle.pause_restored_backup(integration.pk, mark):
        logger.error(
            "%s / %s is paused: its cursor is %s, but it had come to %s. The database is an "
            "older one, such as a restored backup. Enable it from now in the admin.",
            integration.app.slug,
            integration.name,
            integration.cursor,
            mark,
        )
