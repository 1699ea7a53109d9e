"""The reference names the limits that hold."""

import re
from pathlib import Path

from integration_project.web import limits
from referrals.api.stream import MAX_BODY_BYTES

DOCS = Path(__file__).parents[3] / "docs"
SECURITY = (DOCS / "security.md").read_text("utf-8")
API = (DOCS / "reference" / "http-api.md").read_text("utf-8")


def row(page, beginning):
    """Return the numbers in the row of a table that begins so."""
    (line,) = (each for each in page.splitlines() if each.startswith(f"| {beginning}"))
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", line)]


def test_the_page_on_security_names_the_limits_of_a_process():
    assert row(SECURITY, "a head") == [
        limits.HEAD_SECONDS,
        limits.MAX_HEAD_BYTES // limits.KIBIBYTE,
    ]
    assert row(SECURITY, "a body, from") == [limits.BODY_SECONDS, 400]
    assert row(SECURITY, "a body when") == [limits.LAST_BODY_SECONDS, 503]
    assert row(SECURITY, "a body to the API")[:2] == [
        MAX_BODY_BYTES // limits.MEBIBYTE,
        limits.MAX_FORM_BYTES // limits.KIBIBYTE,
    ]
    assert row(SECURITY, "all bodies")[0] == limits.MAX_HELD_BYTES // limits.MEBIBYTE
    assert row(SECURITY, "connections") == [limits.MAX_CONNECTIONS]
    assert row(SECURITY, "wait for a thread") == [limits.TURN_SECONDS, 503]
    assert row(SECURITY, "a piece of an answer") == [limits.STALL_SECONDS]
    assert row(SECURITY, "requests that come before") == [
        limits.MAX_PIPELINED,
        limits.MAX_HEAD_BYTES // limits.KIBIBYTE,
    ]
    assert row(SECURITY, "answers that nobody takes") == [
        limits.MAX_UNSENT_BYTES // limits.MEBIBYTE
    ]
    assert row(SECURITY, "answers of more than") == [
        limits.WHOLE_BYTES // limits.KIBIBYTE,
        limits.MAX_STREAMS,
        503,
    ]
    assert f"up to {limits.WHOLE_BYTES // limits.KIBIBYTE} KB" in SECURITY
    assert f"more than {limits.HEAVY_BYTES // limits.KIBIBYTE} KB are heavy" in SECURITY


def test_the_reference_names_what_is_refused_before_the_api():
    assert row(API, "time from the head") == [limits.BODY_SECONDS, 400]
    assert row(API, "414") == [414, limits.MAX_URL_BYTES]
    assert row(API, "431") == [
        431,
        limits.MAX_HEADERS,
        limits.MAX_HEADER_BYTES,
        limits.MAX_HEAD_BYTES // limits.KIBIBYTE,
    ]
