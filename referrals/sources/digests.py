"""Keyed digests as headers carry them, and their comparison in constant time. Pure."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

#: Of one call. Platforms that rotate send two; who sends more is guessing.
MAX_SIGNATURES: Final = 16
#: SHA-1, SHA-256 and SHA-512, none of which is as long in base64.
_HEX_DIGEST: Final = re.compile(r"(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128})")


class Digest(StrEnum):
    """The hash beneath an HMAC."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


class Encoding(StrEnum):
    """How the bytes of a signature are written in a header."""

    HEX = "hex"
    BASE64 = "base64"
    #: The base64 of the hexadecimal text.
    BASE64_OF_HEX = "base64_of_hex"
    #: Where a platform does not say which of the two. Either is as safe.
    HEX_OR_BASE64 = "hex_or_base64"


def make_digest(digest: Digest, key: bytes, content: bytes) -> bytes:
    """Return the HMAC of `content`."""
    return hmac.new(key, content, getattr(hashlib, digest)).digest()


def encode_digest(digest: bytes, encoding: Encoding) -> tuple[str, ...]:
    """Return each form in which `digest` may stand in a header, the first preferred."""
    as_hex = digest.hex()
    as_base64 = base64.b64encode(digest).decode()
    match encoding:
        case Encoding.HEX:
            return (as_hex,)
        case Encoding.BASE64:
            return (as_base64,)
        case Encoding.BASE64_OF_HEX:
            return (base64.b64encode(as_hex.encode()).decode(),)
        case Encoding.HEX_OR_BASE64:
            return (as_hex, as_base64)


def find_signature(
    given: Sequence[str],
    keys: Sequence[bytes],
    digest: Digest,
    encoding: Encoding,
    content: bytes,
) -> int | None:
    """Return the index of the first of `keys` of which a given signature is.

    Every pair is compared, so that the time tells nothing about which one matched.
    """
    tried = [_fold_signature(each) for each in given[:MAX_SIGNATURES]]
    matched: list[int] = []
    for index, key in enumerate(keys):
        if not key:
            continue
        for expected in encode_digest(make_digest(digest, key, content), encoding):
            folded = _fold_signature(expected)
            matched += [index for each in tried if hmac.compare_digest(each, folded)]
    return min(matched, default=None)


def find_secret(given: Sequence[str], secrets: Sequence[str]) -> int | None:
    """Return the index of the first of `secrets` that is given, compared like signatures.

    By their digests, since `compare_digest` tells by its time how long a text is.
    """
    tried = [hashlib.sha256(encode_header(each)).digest() for each in given]
    matched: list[int] = []
    for index, secret in enumerate(secrets):
        if not secret:
            continue
        expected = hashlib.sha256(secret.encode()).digest()
        matched += [index for each in tried if hmac.compare_digest(each, expected)]
    return min(matched, default=None)


def encode_header(text: str) -> bytes:
    """Return the bytes of a header, which WSGI hands over as Latin-1. Never raises."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="replace")


def decode_base64(text: str) -> bytes | None:
    """Return the bytes of base64 in any alphabet, padded or not; None if it is none."""
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _fold_signature(text: str) -> bytes:
    """Return a signature as it is compared: case of hex and padding do not count."""
    if _HEX_DIGEST.fullmatch(text):
        return text.lower().encode()
    return encode_header(text.rstrip("=").replace("-", "+").replace("_", "/"))
