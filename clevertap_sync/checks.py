"""System checks of the delivery. Their IDs are stable: docs and scripts use them.

* clevertap_sync.E001  a key in FIELD_ENCRYPTION_KEYS is too short
* clevertap_sync.E002  CLEVERTAP_BASE_URL is not an address
* clevertap_sync.E003  LEASE_SECONDS leaves no time after the request's deadline
* clevertap_sync.E004  FIRST_HOLD_SECONDS is longer than LONGEST_HOLD_SECONDS
* clevertap_sync.E005  no key decrypts a stored secret (`check --database default`)
* clevertap_sync.W001  production delivers to CLEVERTAP_BASE_URL (`check --deploy`)
* clevertap_sync.W002  passcodes travel unencrypted (`check --deploy`)
* clevertap_sync.W003  no broker: only the sweep delivers (`check --deploy`)
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning as CheckWarning,
    register,
)
from django.db import DatabaseError

from clevertap_sync.rotation import read_secrets

SHORTEST_KEY: Final = 32
# What a worker needs after the deadline to write down how the request ended.
LEASE_MARGIN_SECONDS: Final = 5.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@register(Tags.security)
def check_keys(
    **_: Any,  # noqa: ANN401 - Django's protocol
) -> Iterator[CheckMessage]:
    """Refuse keys that could be guessed."""
    if any(len(key) < SHORTEST_KEY for key in settings.FIELD_ENCRYPTION_KEYS):
        yield Error(
            f"A key in FIELD_ENCRYPTION_KEYS has fewer than {SHORTEST_KEY} characters.",
            hint="Put a new key in front: python -c 'import secrets; "
            "print(secrets.token_urlsafe(50))'. Keep the old one behind it, and run "
            "manage.py rotate_keys.",
            id="clevertap_sync.E001",
        )


@register()
def check_base_url(
    **_: Any,  # noqa: ANN401 - Django's protocol
) -> Iterator[CheckMessage]:
    """Refuse a template from which no address can be made."""
    if settings.CLEVERTAP_BASE_URL and _address() is None:
        yield Error(
            "CLEVERTAP_BASE_URL is not an address to which uploads could go.",
            hint="Leave it out to use CleverTap's own hosts, or give one such as "
            "http://127.0.0.1:9100/{location}.",
            id="clevertap_sync.E002",
        )


@register()
def check_durations(
    **_: Any,  # noqa: ANN401 - Django's protocol
) -> Iterator[CheckMessage]:
    """Refuse durations that contradict each other."""
    margin = min(LEASE_MARGIN_SECONDS, settings.REQUEST_SECONDS / 2)
    shortest = settings.REQUEST_SECONDS + margin
    if shortest > settings.LEASE_SECONDS:
        yield Error(
            "LEASE_SECONDS must be longer than REQUEST_SECONDS by at least "
            f"{margin:g} seconds: another worker would repeat an upload that is still "
            "on its way.",
            hint="Leave LEASE_SECONDS out: it is then REQUEST_SECONDS + 15.",
            id="clevertap_sync.E003",
        )
    if settings.FIRST_HOLD_SECONDS > settings.LONGEST_HOLD_SECONDS:
        yield Error(
            "FIRST_HOLD_SECONDS is longer than LONGEST_HOLD_SECONDS.",
            hint="Holds begin with the first and double up to the longest.",
            id="clevertap_sync.E004",
        )


@register(Tags.database)
def check_secrets(
    databases: Sequence[str] | None = None,
    **_: Any,  # noqa: ANN401 - Django's protocol
) -> Iterator[CheckMessage]:
    """Find secrets that were saved with a key that is gone."""
    if not databases:
        return
    unreadable = _unreadable_secrets()
    if unreadable:
        yield Error(
            "No key in FIELD_ENCRYPTION_KEYS decrypts the "
            f"{', the '.join(unreadable)}. Nothing is delivered or sent there.",
            hint="Put the key that they were saved with back into the list, or enter "
            "them again in the admin.",
            id="clevertap_sync.E005",
        )


@register(deploy=True)
def check_destination(
    **_: Any,  # noqa: ANN401 - Django's protocol
) -> Iterator[CheckMessage]:
    """Warn where production does not deliver to CleverTap, or not safely."""
    if not settings.CLEVERTAP_BASE_URL:
        return
    yield CheckWarning(
        "CLEVERTAP_BASE_URL is set: events do not go to CleverTap's own hosts.",
        hint="Right for a proxy or a trial. Otherwise leave it out.",
        id="clevertap_sync.W001",
    )
    address = _address()
    if address and address.scheme == "http" and address.hostname not in _LOOPBACK:
        yield CheckWarning(
            "CLEVERTAP_BASE_URL is http://: passcodes and identities travel unencrypted.",
            hint="Use https://.",
            id="clevertap_sync.W002",
        )


@register(deploy=True)
def check_broker(
    **_: Any,  # noqa: ANN401 - Django's protocol
) -> Iterator[CheckMessage]:
    """Warn where no broker rings the workers."""
    if not settings.REDIS_URL:
        yield CheckWarning(
            "REDIS_URL is not set: workers look for new events every "
            f"{settings.SWEEP_SECONDS:g} seconds, and are not told of them.",
            hint="Nothing is lost. For delivery within a second, set REDIS_URL.",
            id="clevertap_sync.W003",
        )


def _address() -> Any:  # noqa: ANN401 - urllib's own result type
    """Return CLEVERTAP_BASE_URL in parts, or None if it is no address."""
    text = settings.CLEVERTAP_BASE_URL.replace("{location}", "eu1")
    try:
        parts = urlsplit(text)
        usable = (
            parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        )
    except ValueError:
        return None
    return parts if usable and not {"{", "}", "?", "#"} & set(text) else None


def _unreadable_secrets() -> list[str]:
    try:
        return [secret.name() for secret in read_secrets() if secret.key is None]
    except DatabaseError:
        # Before the first migration there is nothing to read.
        return []
