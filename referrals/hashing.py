"""Keyed hashes: equal where the values are equal, and of no use without the key.

The key derives from the oldest of `FIELD_ENCRYPTION_KEYS`, which come newest first, so
that rotating (putting a new key in front) changes no hash. Removing the oldest key does:
an event that is sent again then is a conflict, earlier installs no longer match, and
suppressed people are sent again.
"""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

DIGEST_BYTES = 16
KEY_BYTES = 32
_SALT_BYTES = 16


def make_fingerprinter(app_id: int) -> Callable[[bytes], str]:
    """Return the hash that tells an equal event from another one with its key."""
    return _hasher(b"referrals.fingerprint", app_id)


def make_signal_hasher(app_id: int) -> Callable[[str], str]:
    """Return the hash for an app's IP addresses, device and advertising IDs.

    Each app has hashes of its own: they do not match a person of another app.
    """
    digest = _hasher(b"referrals.signal", app_id)
    return lambda signal: digest(signal.encode())


def make_identity_hasher(app_id: int) -> Callable[[str, str], str]:
    """Return the hash for the identities that an app suppresses.

    It takes a provider, whose case does not count, and an identity, byte for byte.
    """
    digest = _hasher(b"referrals.identity", app_id)
    # NUL ends the provider: neither of the two can contain it.
    return lambda provider, identity: digest(
        f"{provider.casefold()}\0{identity}".encode()
    )


def _hasher(purpose: bytes, app_id: int) -> Callable[[bytes], str]:
    """Return a hash of 16 bytes, in hexadecimal: what a UUID column takes."""
    key = _key(settings.FIELD_ENCRYPTION_KEYS[-1], purpose)
    salt = app_id.to_bytes(_SALT_BYTES)

    def digest(content: bytes) -> str:
        made = blake2b(content, digest_size=DIGEST_BYTES, key=key, salt=salt)
        return made.hexdigest()

    return digest


@cache
def _key(secret: str, purpose: bytes) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose)
    return hkdf.derive(secret.encode())
