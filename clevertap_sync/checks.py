"""System checks of the delivery. Their IDs are stable: docs and scripts use them.

A process refuses to start with a single bad variable, such as a short key. E001 and E002
were about that, and stay unused.

* clevertap_sync.E003  LEASE_SECONDS leaves no time after the request's deadline
* clevertap_sync.E004  FIRST_HOLD_SECONDS is longer than LONGEST_HOLD_SECONDS
* clevertap_sync.E005  no key decrypts a stored secret (`check --database default`)
* clevertap_sync.E006  WAIT_DAYS is longer than what waits is kept
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

from clevertap_sync.key_rotation import read_secrets

# What a worker needs after the deadline to write down how the request ended.
LEASE_MARGIN_SECONDS: Final = 5.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@register()
def check_durations(
    **_: Any,
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


@register()
def check_waiting_time(
    **_: Any,
) -> Iterator[CheckMessage]:
    """Refuse a wait that ends after retention has removed what waits."""
    longest = max(1, settings.RETENTION_DAYS - 1)
    if longest < settings.WAIT_DAYS:
        yield Error(
            f"WAIT_DAYS must be shorter than RETENTION_DAYS by a day, so at most {longest}: "
            "otherwise records are removed while they wait for a person to be known.",
            hint="Leave WAIT_DAYS out: it is then 30, or as long as RETENTION_DAYS allows.",
            id="clevertap_sync.E006",
        )


@register(Tags.database)
def check_secrets(
    databases: Sequence[str] | None = None,
    **_: Any,
) -> Iterator[CheckMessage]:
    """Find secrets that were saved with a key that is gone."""
    if not databases:
        return
    unreadable = _unreadable_secrets()
    if unreadable:
        yield Error(
            "No key in FIELD_ENCRYPTION_KEYS decrypts the "
            f"{', the '.join(unreadable)}. Nothing is delivered, sent or taken there.",
            hint="Put the key that they were saved with back into the list. Passcodes, "
            "addresses and secrets can be entered again in the admin; keys of hashes cannot.",
            id="clevertap_sync.E005",
        )


@register(deploy=True)
def check_destination(
    **_: Any,
) -> Iterator[CheckMessage]:
    """Warn where production does not deliver to CleverTap, or not safely."""
    if not settings.CLEVERTAP_BASE_URL:
        return
    yield CheckWarning(
        "CLEVERTAP_BASE_URL is set: events do not go to CleverTap's own hosts.",
        hint="Right for a proxy or a trial. Otherwise leave it out.",
        id="clevertap_sync.W001",
    )
    address = urlsplit(settings.CLEVERTAP_BASE_URL.replace("{location}", "eu1"))
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        yield CheckWarning(
            "CLEVERTAP_BASE_URL is http://: passcodes and identities travel unencrypted.",
            hint="Use https://.",
            id="clevertap_sync.W002",
        )


@register(deploy=True)
def check_broker_setting(
    **_: Any,
) -> Iterator[CheckMessage]:
    """Warn where no broker rings the workers."""
    if not settings.REDIS_URL:
        yield CheckWarning(
            "REDIS_URL is not set: workers look for new events every "
            f"{settings.SWEEP_SECONDS:g} seconds, and are not told of them.",
            hint="Nothing is lost. For delivery within a second, set REDIS_URL.",
            id="clevertap_sync.W003",
        )


def _unreadable_secrets() -> list[str]:
    try:
        return [secret.name() for secret in read_secrets() if secret.key is None]
    except DatabaseError:
        # Before the first migration there is nothing to read.
        return []
