"""Whether a call comes from the platform that it claims to come from. Pure.

A verifier is data: a preset names one with its parameters, and a source holds its
secrets, two at once while they are rotated. Signatures are over the decompressed body,
byte for byte, before anything is read of it. Each secret is compared in constant time
with each signature, and none of these comparisons is left out once one has matched.

What failed is for the owner of the source; a caller learns nothing. Neither a secret nor
anything that was sent is in it.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec

from referrals.decoding import prepare_type
from referrals.sources.call import Call
from referrals.sources.digests import (
    Digest,
    Encoding,
    decode_base64,
    encode_header,
    find_secret,
    find_signature,
)
from referrals.sources.minify import find_first_item, minify_json

MAX_SECRETS: Final = 2
MAX_HEADER_CHARACTERS: Final = 4096
_TIME: Final = re.compile(r"[0-9]{1,15}")
_BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/_=-]+) *", re.IGNORECASE)


class Check(StrEnum):
    """What a call did not pass."""

    NO_SECRET = "no_secret"  # noqa: S105 - a code
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a code
    HEADER_MISSING = "header_missing"
    HEADER_REPEATED = "header_repeated"
    HEADER_MALFORMED = "header_malformed"
    SIGNATURE = "signature"
    SECRET = "secret"  # noqa: S105 - a code
    TOO_OLD = "too_old"
    AHEAD = "ahead"


class Over(StrEnum):
    """Which bytes an HMAC is over."""

    BODY = "body"
    #: JSON without blanks outside its texts.
    MINIFIED = "minified"
    #: The body, or else the first element of a list, without blanks.
    BODY_OR_FIRST = "body_or_first"


class HmacVerifier(
    msgspec.Struct, frozen=True, tag_field="is", tag="hmac", forbid_unknown_fields=True
):
    """An HMAC in `header`, behind `prefix` if there is one."""

    header: str
    digest: Digest = Digest.SHA256
    encoding: Encoding = Encoding.HEX
    prefix: str = ""
    over: Over = Over.BODY


class TimestampVerifier(
    msgspec.Struct,
    frozen=True,
    tag_field="is",
    tag="timestamp",
    forbid_unknown_fields=True,
):
    """An HMAC-SHA256 over `timestamp.body`, in a header such as `ts=1795860301,v=…`.

    `tolerance` in seconds, or None where retries may carry the time of the first attempt.
    """

    header: str
    timestamp_key: str = "ts"
    signature_key: str = "v"
    encoding: Encoding = Encoding.HEX
    tolerance: int | None = None


class StandardVerifier(
    msgspec.Struct,
    frozen=True,
    tag_field="is",
    tag="standard",
    forbid_unknown_fields=True,
):
    """Standard Webhooks, and Svix with headers of its own: `id.timestamp.body`.

    Reference: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    tolerance: int | None = 300


class HeaderVerifier(
    msgspec.Struct,
    frozen=True,
    tag_field="is",
    tag="header",
    forbid_unknown_fields=True,
):
    """The secret itself in `header`, behind `prefix` if there is one."""

    header: str
    prefix: str = ""


class BasicVerifier(
    msgspec.Struct, frozen=True, tag_field="is", tag="basic", forbid_unknown_fields=True
):
    """HTTP Basic: the secret is the password, or the user where the password is empty."""


class UrlVerifier(
    msgspec.Struct, frozen=True, tag_field="is", tag="url", forbid_unknown_fields=True
):
    """The secret as the last segment of the path, or in `parameter` of the query."""

    parameter: str = ""


Verifier = (
    HmacVerifier
    | TimestampVerifier
    | StandardVerifier
    | HeaderVerifier
    | BasicVerifier
    | UrlVerifier
)
prepare_type(Verifier)


class Verified(msgspec.Struct, frozen=True):
    """The call is the platform's. `secret` is the index of the one that matched.

    `covers_first_only` says that the signature was over the first of several items: the
    others came with it over TLS, and nothing else vouches for them.
    """

    secret: int
    covers_first_only: bool = False


class Unverified(msgspec.Struct, frozen=True):
    """What the call did not pass, and a sentence for the owner of the source."""

    check: Check
    detail: str


def verify_call(
    verifier: Verifier, call: Call, secrets: Sequence[str], *, now: datetime
) -> Verified | Unverified:
    """Return whether `call` was made by somebody who has one of `secrets`.

    At most two secrets are live; an empty one never counts. `now` is aware. Never raises.
    """
    if not any(secrets[:MAX_SECRETS]):
        return Unverified(
            Check.NO_SECRET, "The source has no secret yet, so that no call can pass."
        )
    live = secrets[:MAX_SECRETS]
    if isinstance(verifier, HmacVerifier | TimestampVerifier | StandardVerifier):
        return _verify_signature(verifier, call, live, now)
    match verifier:
        case HeaderVerifier():
            return _verify_header(verifier, call, live)
        case BasicVerifier():
            return _verify_basic(call, live)
        case UrlVerifier():
            return _verify_url(verifier, call, live)


def hide_secret(verifier: Verifier, call: Call) -> Call:
    """Return `call` without the secrets that it carries, for whoever reads it from here.

    A mapping can name any header and parameter, and what it finds is stored.
    """
    hidden = {"authorization", "cookie"}
    parameter = ""
    if isinstance(verifier, HeaderVerifier):
        hidden.add(verifier.header.lower())
    if isinstance(verifier, UrlVerifier):
        parameter = verifier.parameter
    return msgspec.structs.replace(
        call,
        headers=tuple(pair for pair in call.headers if pair[0] not in hidden),
        query=tuple(pair for pair in call.query if pair[0] != parameter),
        path_secret="",
    )


def _verify_signature(
    verifier: HmacVerifier | TimestampVerifier | StandardVerifier,
    call: Call,
    secrets: Sequence[str],
    now: datetime,
) -> Verified | Unverified:
    match verifier:
        case HmacVerifier():
            return _verify_hmac(verifier, call, secrets)
        case TimestampVerifier():
            return _verify_timestamp(verifier, call, secrets, now)
        case StandardVerifier():
            return _verify_standard(verifier, call, secrets, now)


def _verify_hmac(
    verifier: HmacVerifier, call: Call, secrets: Sequence[str]
) -> Verified | Unverified:
    signature = _read_header(call, verifier.header, verifier.prefix)
    if isinstance(signature, Unverified):
        return signature
    sign = partial(
        find_signature,
        [signature],
        [secret.encode() for secret in secrets],
        verifier.digest,
        verifier.encoding,
    )
    body = minify_json(call.body) if verifier.over is Over.MINIFIED else call.body
    found = sign(body)
    if found is not None:
        return Verified(found)
    if verifier.over is Over.BODY_OR_FIRST:
        first = find_first_item(call.body)
        found = sign(first) if first is not None else None
        if found is not None:
            return Verified(found, covers_first_only=True)
    return _wrong_signature(verifier.header)


def _verify_timestamp(
    verifier: TimestampVerifier, call: Call, secrets: Sequence[str], now: datetime
) -> Verified | Unverified:
    header = _read_header(call, verifier.header)
    if isinstance(header, Unverified):
        return header
    fields = [field.strip().partition("=") for field in header.split(",")]
    times = [value for key, _, value in fields if key == verifier.timestamp_key]
    given = [value for key, _, value in fields if key == verifier.signature_key]
    if len(times) != 1 or not given or not _TIME.fullmatch(times[0]):
        form = f"{verifier.timestamp_key}=…,{verifier.signature_key}=…"
        return _malformed(verifier.header, form)
    found = find_signature(
        given,
        [secret.encode() for secret in secrets],
        Digest.SHA256,
        verifier.encoding,
        times[0].encode() + b"." + call.body,
    )
    if found is None:
        return _wrong_signature(verifier.header)
    return _check_age(times[0], verifier.tolerance, now) or Verified(found)


def _verify_standard(
    verifier: StandardVerifier, call: Call, secrets: Sequence[str], now: datetime
) -> Verified | Unverified:
    family = "svix" if call.find_headers("svix-signature") else "webhook"
    parts: list[str] = []
    for name in ("id", "timestamp", "signature"):
        part = _read_header(call, f"{family}-{name}")
        if isinstance(part, Unverified):
            return part
        parts.append(part)
    message_id, timestamp, signatures = parts
    if not _TIME.fullmatch(timestamp):
        return _malformed(f"{family}-timestamp", "Unix seconds")
    pairs = [each.partition(",") for each in signatures.split()]
    given = [signature for version, _, signature in pairs if version == "v1"]
    if not any(given):
        return _malformed(f"{family}-signature", "v1,<base64>")
    keys = [read_standard_secret(secret) for secret in secrets]
    if not any(keys):
        return Unverified(
            Check.SECRET_UNREADABLE,
            "The secret is none of Standard Webhooks: paste it whole, with whsec_ in "
            "front.",
        )
    content = b".".join((encode_header(message_id), timestamp.encode(), call.body))
    found = find_signature(given, keys, Digest.SHA256, Encoding.BASE64, content)
    if found is None:
        return _wrong_signature(f"{family}-signature")
    return _check_age(timestamp, verifier.tolerance, now) or Verified(found)


def _verify_header(
    verifier: HeaderVerifier, call: Call, secrets: Sequence[str]
) -> Verified | Unverified:
    given = _read_header(call, verifier.header, verifier.prefix)
    if isinstance(given, Unverified):
        return given
    return _compare_secret([given], secrets, f"the header {verifier.header}")


def _verify_basic(call: Call, secrets: Sequence[str]) -> Verified | Unverified:
    header = _read_header(call, "authorization")
    if isinstance(header, Unverified):
        return header
    credentials = read_basic(header)
    if credentials is None:
        return _malformed("authorization", "Basic <base64 of user:password>")
    user, password = credentials
    return _compare_secret([password or user], secrets, "Basic authentication")


def _verify_url(
    verifier: UrlVerifier, call: Call, secrets: Sequence[str]
) -> Verified | Unverified:
    given = [call.path_secret]
    where = "the address"
    if verifier.parameter:
        given = list(dict.fromkeys(call.find_parameters(verifier.parameter)))
        where = f"the parameter {verifier.parameter} of the address"
    if not any(given):
        return Unverified(Check.SECRET, f"There is no secret in {where}.")
    if len(given) > 1:
        return Unverified(Check.SECRET, f"There are several secrets in {where}.")
    return _compare_secret(given, secrets, where)


def read_basic(header: str) -> tuple[str, str] | None:
    """Return user and password of a header `Authorization: Basic …`, or None."""
    found = _BASIC.fullmatch(header)
    if found is None:
        return None
    decoded = decode_base64(found[1])
    if decoded is None:
        return None
    user, colon, password = decoded.decode(errors="replace").partition(":")
    return (user, password) if colon else None


def read_standard_secret(secret: str) -> bytes:
    """Return the key that a secret of Standard Webhooks spells, or b"" if it is none."""
    return decode_base64(secret.strip().removeprefix("whsec_")) or b""


def _compare_secret(
    given: Sequence[str], secrets: Sequence[str], where: str
) -> Verified | Unverified:
    found = find_secret(given, secrets)
    if found is not None:
        return Verified(found)
    return Unverified(
        Check.SECRET,
        f"The secret in {where} is none of the source's. Copy it there again, whole.",
    )


def _read_header(call: Call, name: str, prefix: str = "") -> str | Unverified:
    found = call.find_headers(name)
    if len(found) > 1:
        return Unverified(
            Check.HEADER_REPEATED,
            f"The header {name} came {len(found)} times: a proxy may have added one.",
        )
    if not found or not found[0].strip():
        return Unverified(Check.HEADER_MISSING, f"The header {name} is missing.")
    value = found[0].strip()
    # A scheme such as Bearer has no case (RFC 9110, section 11.1).
    if not value.lower().startswith(prefix.lower()):
        return _malformed(name, f"{prefix}…")
    value = value[len(prefix) :].strip()
    if not value or len(value) > MAX_HEADER_CHARACTERS:
        return _malformed(name, f"{prefix}…")
    return value


def _check_age(
    timestamp: str, tolerance: int | None, now: datetime
) -> Unverified | None:
    """Return what is wrong with a time whose signature is good."""
    if tolerance is None:
        return None
    age = now.timestamp() - int(timestamp)
    if age > tolerance:
        return Unverified(
            Check.TOO_OLD,
            f"The call was signed more than {tolerance} seconds ago: it was replayed, or "
            "a clock is wrong.",
        )
    if age < -tolerance:
        return Unverified(
            Check.AHEAD,
            f"The call was signed more than {tolerance} seconds ahead of our clock. "
            "Check that of this server, and the sender's.",
        )
    return None


def _malformed(header: str, form: str) -> Unverified:
    return Unverified(
        Check.HEADER_MALFORMED,
        f"The header {header} has another form than {form}. Check that the source is of "
        "the right platform.",
    )


def _wrong_signature(header: str) -> Unverified:
    return Unverified(
        Check.SIGNATURE,
        f"The signature in the header {header} fits none of the source's secrets: the "
        "platform has another secret, or something on the way changed the body.",
    )
