"""Whether a call comes from the platform that it claims to come from."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, strategies as st
from standardwebhooks import Webhook

from referrals.sources.call import make_call
from referrals.sources.digests import Digest, Encoding
from referrals.sources.signing import sign_call
from referrals.sources.verifiers import (
    BasicVerifier,
    Check,
    HeaderVerifier,
    HmacVerifier,
    Over,
    StandardVerifier,
    TimestampVerifier,
    Unverified,
    UrlVerifier,
    Verified,
    hide_secret,
    verify_call,
)
from tests.platforms import NOW, OLD_SECRET, SECRET, a_call

BODY = b'{ "a": 1.0,\n "text": "two  blanks \\" and {" }'
MINIFIED = b'{"a":1.0,"text":"two  blanks \\" and {"}'
BY_NAME = {
    "hmac": HmacVerifier("X-Sign"),
    "sha1": HmacVerifier("X-Sign", digest=Digest.SHA1, encoding=Encoding.BASE64),
    "prefix": HmacVerifier("X-Sign", digest=Digest.SHA512, prefix="sha512="),
    "base64-of-hex": HmacVerifier("X-Sign", encoding=Encoding.BASE64_OF_HEX),
    "either": HmacVerifier("X-Sign", encoding=Encoding.HEX_OR_BASE64),
    "minified": HmacVerifier("X-Sign", over=Over.MINIFIED),
    "first": HmacVerifier("X-Sign", over=Over.BODY_OR_FIRST),
    "timestamp": TimestampVerifier("X-Sign"),
    "tolerance": TimestampVerifier("X-Sign", "t", "v1", tolerance=300),
    "standard": StandardVerifier(),
    "header": HeaderVerifier("X-Secret"),
    "bearer": HeaderVerifier("Authorization", prefix="Bearer "),
    "basic": BasicVerifier(),
    "path": UrlVerifier(),
    "parameter": UrlVerifier(parameter="token"),
}
every_verifier = pytest.mark.parametrize("verifier", BY_NAME.values(), ids=BY_NAME)
every_signature = pytest.mark.parametrize(
    "verifier", list(BY_NAME.values())[:10], ids=list(BY_NAME)[:10]
)


def check(verifier, call, *secrets, now=NOW):
    verdict = verify_call(verifier, call, secrets or (SECRET,), now=now)
    return verdict.check if isinstance(verdict, Unverified) else verdict


def signed(verifier, secret=SECRET, body=BODY, now=NOW):
    return sign_call(verifier, a_call(body), secret, now=now)


def with_header(name, value, body=BODY):
    return a_call(body, headers=[(name, value)])


def digest_of(body, secret=SECRET, digest="sha256"):
    return hmac.new(secret.encode(), body, digest)


@every_verifier
def test_either_of_two_live_secrets_passes_and_is_named(verifier):
    new, old = signed(verifier), signed(verifier, OLD_SECRET)

    assert check(verifier, new, SECRET, OLD_SECRET) == Verified(0)
    assert check(verifier, old, SECRET, OLD_SECRET) == Verified(1)
    assert check(verifier, old, "", OLD_SECRET) == Verified(1)
    assert check(verifier, new, SECRET, SECRET) == Verified(0)


@every_verifier
def test_another_secret_does_not_pass(verifier):
    call = signed(verifier, OLD_SECRET)

    assert check(verifier, call, SECRET) in (Check.SIGNATURE, Check.SECRET)
    # A third secret is not live, whoever passes it on.
    assert check(verifier, call, SECRET, SECRET, OLD_SECRET) in (
        Check.SIGNATURE,
        Check.SECRET,
    )


@every_verifier
def test_a_source_without_a_secret_lets_nothing_pass(verifier):
    for secrets in ([], [""], ["", ""]):
        verdict = verify_call(verifier, signed(verifier), secrets, now=NOW)

        assert verdict.check is Check.NO_SECRET


@every_verifier
def test_a_bare_call_does_not_pass(verifier):
    assert check(verifier, a_call(BODY)) in (Check.HEADER_MISSING, Check.SECRET)


@every_signature
def test_one_changed_byte_of_the_body_does_not_pass(verifier):
    call = signed(verifier)
    changed = msgspec.structs.replace(call, body=BODY.replace(b"1.0", b"1.1"))

    assert check(verifier, changed) is Check.SIGNATURE


@every_verifier
def test_what_failed_never_shows_a_secret_or_what_was_sent(verifier):
    call = signed(verifier, "whsec_cGxhbnRlZHBsYW50ZWRwbGFudGVk", body=b'"planted"')

    verdict = verify_call(verifier, call, [SECRET], now=NOW)

    said = f"{verdict.check} {verdict.detail}"
    assert SECRET not in said
    assert "planted" not in said
    assert "cGxhbnRlZ" not in said
    assert verdict.detail.endswith(".")


@pytest.mark.parametrize(
    ("verifier", "value"),
    [
        (HmacVerifier("X-Sign"), digest_of(BODY).hexdigest()),
        (HmacVerifier("X-Sign"), digest_of(BODY).hexdigest().upper()),
        (
            HmacVerifier("X-Sign", digest=Digest.SHA1, prefix="sha1="),
            "sha1=" + digest_of(BODY, digest="sha1").hexdigest(),
        ),
        (
            HmacVerifier("X-Sign", encoding=Encoding.BASE64),
            base64.b64encode(digest_of(BODY).digest()).decode(),
        ),
        (
            HmacVerifier("X-Sign", encoding=Encoding.BASE64),
            base64.urlsafe_b64encode(digest_of(BODY).digest()).decode().rstrip("="),
        ),
        (
            HmacVerifier("X-Sign", encoding=Encoding.BASE64_OF_HEX),
            base64.b64encode(digest_of(BODY).hexdigest().encode()).decode(),
        ),
        (
            HmacVerifier("X-Sign", encoding=Encoding.HEX_OR_BASE64),
            base64.b64encode(digest_of(BODY).digest()).decode(),
        ),
        (
            HmacVerifier("X-Sign", over=Over.MINIFIED),
            digest_of(MINIFIED).hexdigest(),
        ),
    ],
)
def test_a_signature_is_the_hmac_that_the_standard_library_makes(verifier, value):
    assert check(verifier, with_header("X-Sign", value)) == Verified(0)


def test_a_signature_of_another_encoding_does_not_pass():
    in_base64 = base64.b64encode(digest_of(BODY).digest()).decode()

    assert check(HmacVerifier("X-Sign"), with_header("X-Sign", in_base64)) is (
        Check.SIGNATURE
    )


def test_a_minified_body_keeps_the_blanks_within_its_texts():
    verifier = HmacVerifier("X-Sign", over=Over.MINIFIED)
    squeezed = digest_of(MINIFIED.replace(b"two  blanks", b"two blanks")).hexdigest()

    assert check(verifier, with_header("X-Sign", squeezed)) is Check.SIGNATURE


def test_the_first_of_several_items_may_stand_for_all_and_that_is_said():
    verifier = HmacVerifier("X-Signature", digest=Digest.SHA1, over=Over.BODY_OR_FIRST)
    body = b'[ {"a": 1}, {"b": 2} ]'
    of_first = digest_of(b'{"a":1}', digest="sha1").hexdigest()
    of_all = digest_of(body, digest="sha1").hexdigest()

    assert check(verifier, with_header("X-Signature", of_first, body)) == Verified(
        0, covers_first_only=True
    )
    assert check(verifier, with_header("X-Signature", of_all, body)) == Verified(0)
    assert check(verifier, with_header("X-Signature", of_first, b"[]")) is (
        Check.SIGNATURE
    )


def test_a_header_that_came_twice_is_not_chosen_from():
    value = digest_of(BODY).hexdigest()
    call = a_call(BODY, headers=[("X-Sign", value), ("x-sign", "other")])

    assert check(HmacVerifier("X-Sign"), call) is Check.HEADER_REPEATED


@pytest.mark.parametrize(
    ("verifier", "value"),
    [
        (HmacVerifier("X-Sign", prefix="sha256="), "md5=abc"),
        (HmacVerifier("X-Sign", prefix="sha256="), "sha256="),
        (HmacVerifier("X-Sign"), "a" * 4097),
        (TimestampVerifier("X-Sign"), "ts=1795860301"),
        (TimestampVerifier("X-Sign"), "v=abc"),
        (TimestampVerifier("X-Sign"), "ts=soon,v=abc"),
        (TimestampVerifier("X-Sign"), "ts=1,ts=2,v=abc"),
        (TimestampVerifier("X-Sign"), "ts=²,v=abc"),
        (TimestampVerifier("X-Sign"), "," * 4000),
    ],
)
def test_a_header_of_another_form_is_said_to_be_malformed(verifier, value):
    assert check(verifier, with_header("X-Sign", value)) is Check.HEADER_MALFORMED


def test_a_timestamp_is_over_time_dot_body():
    value = digest_of(b"1795860301." + BODY).hexdigest()
    call = with_header("GrowSurf-Signature", f"ts=1795860301, v={value}")

    assert check(TimestampVerifier("GrowSurf-Signature"), call) == Verified(0)
    assert (
        check(
            TimestampVerifier("GrowSurf-Signature"),
            with_header("GrowSurf-Signature", f"ts=1795860302,v={value}"),
        )
        is Check.SIGNATURE
    )


def test_a_preset_without_a_tolerance_takes_a_retry_of_any_age():
    verifier = TimestampVerifier("X-Sign")

    assert check(verifier, signed(verifier), now=NOW + timedelta(days=7)) == Verified(0)


@pytest.mark.parametrize(
    "verifier", [StandardVerifier(), TimestampVerifier("X-Sign", tolerance=300)]
)
@pytest.mark.parametrize(
    ("late", "outcome"),
    [
        (300, Verified(0)),
        (301, Check.TOO_OLD),
        (-300, Verified(0)),
        (-301, Check.AHEAD),
    ],
)
def test_a_tolerance_is_300_seconds_to_either_side(verifier, late, outcome):
    now = NOW + timedelta(seconds=late)

    assert check(verifier, signed(verifier), now=now) == outcome


def test_the_age_of_a_forged_call_is_not_said():
    call = signed(StandardVerifier(), OLD_SECRET)

    assert (
        check(StandardVerifier(), call, now=NOW + timedelta(days=1)) is Check.SIGNATURE
    )


def standard_headers(family="webhook", message_id="msg_1", secret=SECRET, body=BODY):
    signature = Webhook(secret).sign(message_id, NOW, body.decode())
    return {
        f"{family}-id": message_id,
        f"{family}-timestamp": str(int(NOW.timestamp())),
        f"{family}-signature": signature,
    }


@pytest.mark.parametrize("family", ["webhook", "svix"])
def test_what_the_reference_library_signs_passes(family):
    call = a_call(BODY, headers=standard_headers(family).items())

    assert check(StandardVerifier(), call) == Verified(0)


def test_the_reference_library_verifies_what_is_signed_here():
    call = signed(StandardVerifier(), body=b'{"a":1}', now=datetime.now(UTC))

    assert Webhook(SECRET).verify(call.body, dict(call.headers)) == {"a": 1}


def test_one_of_several_signatures_and_several_secrets_is_enough():
    headers = standard_headers()
    good = headers["webhook-signature"]
    other = standard_headers(secret=OLD_SECRET)["webhook-signature"]
    headers["webhook-signature"] = f"v1a,bm90 v1,AAAA {other} {good}"

    call = a_call(BODY, headers=headers.items())

    assert check(StandardVerifier(), call, SECRET) == Verified(0)
    assert check(StandardVerifier(), call, OLD_SECRET) == Verified(0)


def test_only_so_many_signatures_are_tried():
    headers = standard_headers()
    good = headers["webhook-signature"]
    headers["webhook-signature"] = " ".join(["v1,AAAA"] * 16 + [good])

    call = a_call(BODY, headers=headers.items())

    assert check(StandardVerifier(), call) is Check.SIGNATURE


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"webhook-id": "msg_2"}, Check.SIGNATURE),
        ({"webhook-id": ""}, Check.HEADER_MISSING),
        ({"webhook-timestamp": "soon"}, Check.HEADER_MALFORMED),
        ({"webhook-timestamp": "-5"}, Check.HEADER_MALFORMED),
        ({"webhook-signature": "v1"}, Check.HEADER_MALFORMED),
        ({"webhook-signature": "v1,a,b"}, Check.SIGNATURE),
        ({"webhook-signature": "v2,AAAA"}, Check.HEADER_MALFORMED),
    ],
)
def test_headers_on_which_the_reference_library_stumbles_have_a_verdict(
    changes, outcome
):
    call = a_call(BODY, headers={**standard_headers(), **changes}.items())

    assert check(StandardVerifier(), call) is outcome


def test_a_body_that_is_no_text_is_signed_like_any_other():
    verifier, body = StandardVerifier(), b"\xff\x00\xfe"

    assert check(verifier, signed(verifier, body=body)) == Verified(0)


def test_a_secret_that_is_none_of_standard_webhooks_is_said():
    call = signed(StandardVerifier())

    assert check(StandardVerifier(), call, "not base64!") is Check.SECRET_UNREADABLE
    with pytest.raises(ValueError, match="none of Standard Webhooks"):
        signed(StandardVerifier(), "not base64!")


def test_basic_takes_the_password_or_a_user_without_one():
    def basic(pair):
        encoded = base64.b64encode(pair.encode()).decode()
        return with_header("Authorization", f"basic {encoded}")

    assert check(BasicVerifier(), basic(f"{SECRET}:")) == Verified(0)
    assert check(BasicVerifier(), basic(f"anybody:{SECRET}")) == Verified(0)
    assert check(BasicVerifier(), basic(f"{SECRET}:other")) is Check.SECRET
    assert check(BasicVerifier(), basic("no colon")) is Check.HEADER_MALFORMED
    assert check(BasicVerifier(), with_header("Authorization", "Bearer x")) is (
        Check.HEADER_MALFORMED
    )


def test_a_secret_in_the_address_stands_there_once():
    def asking(query):
        return make_call("GET", query_string=query)

    verifier = UrlVerifier(parameter="token")

    assert check(verifier, asking(f"token={SECRET}&token={SECRET}")) == Verified(0)
    assert check(verifier, asking(f"token={SECRET}&token=x")) is Check.SECRET
    assert check(verifier, asking("token=")) is Check.SECRET


@every_verifier
def test_nobody_reads_a_secret_out_of_a_call(verifier):
    call = signed(verifier)

    hidden = hide_secret(verifier, call)

    seen = repr((hidden.headers, hidden.query, hidden.path_secret))
    assert SECRET not in seen
    assert base64.b64encode(SECRET.encode()).decode()[:20] not in seen
    assert hidden.body == call.body


@given(
    st.sampled_from(list(BY_NAME.values())),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "X-Sign",
                    "webhook-id",
                    "webhook-timestamp",
                    "webhook-signature",
                    "svix-signature",
                    "Authorization",
                    "X-Secret",
                ]
            ),
            st.text(max_size=60) | st.sampled_from(["v1,", "ts=1,v=", "Basic Og=="]),
        ),
        max_size=6,
    ),
    st.binary(max_size=60),
    st.text(max_size=30),
)
def test_whatever_is_sent_has_a_verdict_and_does_not_pass(
    verifier, headers, body, query
):
    call = a_call(body, headers=headers, query_string=query, path_secret=query)

    assert isinstance(verify_call(verifier, call, [SECRET], now=NOW), Unverified)


def test_a_digest_is_of_the_hash_that_is_named():
    for digest in Digest:
        assert hashlib.new(digest).name == digest
