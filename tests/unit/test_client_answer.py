"""An answer's error text, without what must not be shown, and its Retry-After."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from clevertap_sync.clevertap.client.answer import (
    HttpAnswer,
    cut_excerpt,
    read_retry_after,
)
from clevertap_sync.clevertap.client.echo_redaction import (
    MASK,
    find_identities,
    redact_echo,
)
from referrals.secret import Secret

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IN_90_SECONDS = "Mon, 23 Nov 2026 12:01:30 GMT"
AT_NOON = "Mon, 23 Nov 2026 12:00:00 GMT"


def _answer(status, body, content_type="application/json"):
    return HttpAnswer(status, {"Content-Type": content_type}, body)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("1.5", 1.5),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 5000, 3600.0),
        ("-5", 0.0),
        ("", None),
        ("soon", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e3", None),
        ("17 seconds", None),
        ("17, 18", None),
        ("\u0661\u0667", None),
        (IN_90_SECONDS, 90.0),
        ("Monday, 23-Nov-26 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 13:01:30 +0100", 90.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2037 11:00:00 GMT", 3600.0),
        ("Mon, 99 Nov 2026 99:99:99 GMT", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_retry_after_is_read_in_every_form(asked, seconds):
    assert read_retry_after({"Retry-After": asked}, NOW) == seconds


def test_no_retry_after_is_none():
    assert read_retry_after({}, NOW) is None


def test_a_date_counts_from_the_answers_own_date():
    hour_ahead = {"Date": "Mon, 23 Nov 2026 13:00:00 GMT"}

    until = {"Retry-After": "Mon, 23 Nov 2026 13:00:20 GMT"}

    assert read_retry_after(until | hour_ahead, NOW) == 20.0
    assert read_retry_after(until | {"Date": "garbage"}, NOW) == 3600.0


@given(
    st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ \w+", fullmatch=True)
)
def test_no_retry_after_breaks_the_reader(asked):
    seconds = read_retry_after({"Retry-After": asked, "Date": asked}, NOW)

    assert seconds is None or 0 <= seconds <= 3600


@pytest.mark.parametrize(
    ("body", "content_type", "detail"),
    [
        (b'{"status":"fail","error":"Invalid Credentials","code":401}', "", "Invalid Credentials"),
        (b'{"error":"a\\u0000b\\n\\tc\\u202ed"}', "", "a b c d"),
        (b'{"error":"Bad: record {\\"identity\\":\\"ann\\"}"}', "", "Bad:"),
        (b'{"error":"Bad RECORD ann"}', "", "Bad"),
        (b'{"error":["a"]}', "", ""),
        (b'{"error":null}', "", ""),
        (b'{"message":"ann"}', "", ""),
        (b"[1]", "", "no JSON"),
        (b"Too many concurrent requests", "text/plain", "no JSON"),
        (b"", "", ""),
        (b"  ", "", ""),
        (b"<!DOCTYPE html><HTML><title>Hello ann</title>", "", "HTML page"),
        (b"<h1>Hello</h1>", "text/html; charset=utf-8", "HTML page"),
        (b"\xff\xfe", "", "no JSON"),
        (b"[" * 100_000, "", "no JSON"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_the_detail_is_clevertaps_own_text_and_nothing_else(body, content_type, detail):
    error = _answer(503, body, content_type).make_error([Secret("ann")])

    assert error.detail == detail


def test_a_long_error_text_is_cut_at_200_characters():
    assert cut_excerpt("x" * 10**6, []) == "x" * 200


@pytest.mark.parametrize(
    "text",
    [
        "user 42 is bad",
        "user Ann@Example.com is bad",
        "user ann@example.com is bad",
        "user +49 (0) 170-5551234 is bad, as is 491705551234",
        "from 203.0.113.7",
        "passcode CAN-ARY-PASS is bad",
        "passcode can-ary-pass is bad",
    ],
)
def test_nothing_hidden_or_personal_stays_in_a_text(text):
    hidden = map(Secret, ["42", "CAN-ARY-PASS", "ann@example.com"])

    shown = redact_echo(text, hidden, limit=300)

    assert MASK in shown
    for secret in ("42 ", "example", "5551234", "203", "ary"):
        assert secret not in shown.lower()


def test_a_short_identity_is_masked_only_where_it_stands_alone():
    text = "ErrorCode: 513 - of 5, 51 and x5"

    assert (
        redact_echo(text, [Secret("5")], limit=300)
        == "ErrorCode: 513 - of ••••, 51 and x5"
    )


def test_a_mask_comes_before_the_cut():
    text = "x" * 295 + " secret-identity"

    assert (
        redact_echo(text, [Secret("secret-identity")], limit=300) == "x" * 295 + " ••••"
    )


@given(st.text(min_size=1, max_size=50), st.text(), st.text())
def test_an_identity_never_stays_in_a_text(identity, before, after):
    shown = redact_echo(f"{before} {identity} {after}", [Secret(identity)], limit=300)

    assert shown.isprintable()
    if len(identity) >= 4 and identity.isprintable():
        assert identity not in shown.replace(MASK, "")


def test_a_record_names_one_identity():
    assert list(find_identities(b'{"identity":"ann","evtName":"x"}')) == [Secret("ann")]
    assert list(find_identities(b'{"objectId":"__abc"}')) == [Secret("__abc")]
