"""Keyed hashes: equal where the values are equal, and of no use without the key.

Each purpose has a key of its own, which is a row, encrypted with `FIELD_ENCRYPTION_KEYS`.
It never changes, so that no hash does: rotating those encrypts the row again. A process
reads the rows once, and hashes without a database from then on.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from referrals.models import HashKey

DIGEST_BYTES = 16
KEY_BYTES = 32
_SALT_BYTES = 16
#: For so many apps a process remembers what it makes of the keys.
_MOST_APPS: Final = 1_000

Purpose = HashKey.Purpose

_keys: Final[dict[str, bytes]] = {}


class HashKeyError(OperationalError):
    """A key of the hashes cannot be read. Until it can, the database is of no use.

    Whoever sends an event is told to send it again, as while the database is away: an event
    that was hashed with another key would be no duplicate, and its person not suppressed.
    """


@lru_cache(_MOST_APPS)
def make_fingerprinter(app_id: int) -> Callable[[bytes], str]:
    """Return the hash that tells an equal event from another one with its key."""
    return _make_hasher(Purpose.FINGERPRINT, app_id)


@lru_cache(_MOST_APPS)
def make_signal_hasher(app_id: int) -> Callable[[str], str]:
    """Return the hash for an app's IP addresses, device and advertising IDs.

    Each app has hashes of its own: they do not match a person of another app.
    """
    digest = _make_hasher(Purpose.SIGNAL, app_id)
    return lambda signal: digest(signal.encode())


@lru_cache(_MOST_APPS)
def make_identity_hasher(app_id: int) -> Callable[[str, str], str]:
    """Return the hash for the identities that an app suppresses, and knows people by.

    It takes a provider, whose case does not count, and an identity, byte for byte.
    """
    digest = _make_hasher(Purpose.IDENTITY, app_id)
    # NUL ends the provider: neither of the two can contain it.
    return lambda provider, identity: digest(
        f"{provider.casefold()}\0{identity}".encode()
    )


def load_keys() -> None:
    """Read the keys, if this process has not yet. Raises a database's error, `HashKeyError` too."""
    if len(_keys) < len(Purpose):
        remember_keys(_read_keys())


def remember_keys(keys: Mapping[str, bytes]) -> None:
    """Hash with these from now on, by purpose. They have to be those of the rows."""
    _keys.update(keys)
    _forget_hashers()


def clear_keys() -> None:
    """Forget the keys, so that they are read again."""
    _keys.clear()
    _forget_hashers()


def _forget_hashers() -> None:
    for maker in (make_fingerprinter, make_signal_hasher, make_identity_hasher):
        maker.cache_clear()


def _make_hasher(purpose: Purpose, app_id: int) -> Callable[[bytes], str]:
    """Return a hash of 16 bytes, in hexadecimal: what a UUID column takes."""
    load_keys()
    key = _keys[purpose]
    salt = app_id.to_bytes(_SALT_BYTES)

    # A copy of one that has taken the key already costs half of making one anew.
    keyed = blake2b(digest_size=DIGEST_BYTES, key=key, salt=salt)

    def digest(content: bytes) -> str:
        made = keyed.copy()
        made.update(content)
        return made.hexdigest()

    return digest


def _read_keys() -> dict[str, bytes]:
    rows = {row.purpose: row for row in HashKey.objects.all()}
    if missing := set(Purpose) - set(rows):
        msg = f"There is no key of the hashes of {', '.join(sorted(missing))}: run `python manage.py migrate`."
        raise HashKeyError(msg)
    try:
        return {
            purpose: bytes.fromhex(row.key.reveal()) for purpose, row in rows.items()
        }
    except ImproperlyConfigured as error:
        msg = (
            "No key in FIELD_ENCRYPTION_KEYS decrypts the keys of the hashes. Put the "
            "key that they were saved with back into the list."
        )
        raise HashKeyError(msg) from error
