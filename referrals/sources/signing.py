"""Calls as a platform would sign them, for samples and tests. Pure."""

import base64
from datetime import datetime

import msgspec

from referrals.sources.call import Call
from referrals.sources.digests import Digest, Encoding, encode_digest, make_digest
from referrals.sources.minify import minify_json
from referrals.sources.verifiers import (
    BasicVerifier,
    HeaderVerifier,
    HmacVerifier,
    Over,
    StandardVerifier,
    TimestampVerifier,
    UrlVerifier,
    Verifier,
    read_standard_secret,
)


def sign_call(verifier: Verifier, call: Call, secret: str, *, now: datetime) -> Call:
    """Return `call` with what `verifier` asks for, as the platform has it at `now`.

    What it had of that before is replaced. Raises `ValueError` for a secret that is none
    of Standard Webhooks where one is needed.
    """
    match verifier:
        case HmacVerifier(header=header, prefix=prefix):
            return _with_headers(call, {header: prefix + _sign(verifier, call, secret)})
        case TimestampVerifier():
            return _sign_timestamp(verifier, call, secret, now)
        case StandardVerifier():
            return _sign_standard(call, secret, now)
        case HeaderVerifier(header=header, prefix=prefix):
            return _with_headers(call, {header: prefix + secret})
        case BasicVerifier():
            credentials = base64.b64encode(f"{secret}:".encode()).decode()
            return _with_headers(call, {"authorization": f"Basic {credentials}"})
        case UrlVerifier():
            return _sign_url(verifier, call, secret)


def _sign_url(verifier: UrlVerifier, call: Call, secret: str) -> Call:
    if not verifier.parameter:
        return msgspec.structs.replace(call, path_secret=secret)
    kept = tuple(pair for pair in call.query if pair[0] != verifier.parameter)
    return msgspec.structs.replace(call, query=(*kept, (verifier.parameter, secret)))


def _sign(verifier: HmacVerifier, call: Call, secret: str) -> str:
    body = minify_json(call.body) if verifier.over is Over.MINIFIED else call.body
    digest = make_digest(verifier.digest, secret.encode(), body)
    return encode_digest(digest, verifier.encoding)[0]


def _sign_timestamp(
    verifier: TimestampVerifier, call: Call, secret: str, now: datetime
) -> Call:
    time = str(int(now.timestamp()))
    digest = make_digest(
        Digest.SHA256, secret.encode(), time.encode() + b"." + call.body
    )
    signature = encode_digest(digest, verifier.encoding)[0]
    fields = f"{verifier.timestamp_key}={time},{verifier.signature_key}={signature}"
    return _with_headers(call, {verifier.header: fields})


def _sign_standard(call: Call, secret: str, now: datetime) -> Call:
    key = read_standard_secret(secret)
    if not key:
        msg = "The secret is none of Standard Webhooks."
        raise ValueError(msg)
    message_id = next(iter(call.find_headers("webhook-id")), "msg_sample")
    time = str(int(now.timestamp()))
    content = f"{message_id}.{time}.".encode() + call.body
    digest = make_digest(Digest.SHA256, key, content)
    signature = encode_digest(digest, Encoding.BASE64)[0]
    return _with_headers(
        call,
        {
            "webhook-id": message_id,
            "webhook-timestamp": time,
            "webhook-signature": f"v1,{signature}",
        },
    )


def _with_headers(call: Call, added: dict[str, str]) -> Call:
    lowered = {name.lower(): value for name, value in added.items()}
    kept = tuple(pair for pair in call.headers if pair[0] not in lowered)
    return msgspec.structs.replace(call, headers=(*kept, *lowered.items()))
