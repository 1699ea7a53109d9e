"""The reference names the limits that hold."""

import re
from pathlib import Path

from integration_project.web import request_limits
from referrals.api.stream import MAX_BODY_BYTES
from referrals.sources import segment

DOCS = Path(__file__).parents[3] / "docs"
SECURITY = (DOCS / "security.md").read_text("utf-8")
API = (DOCS / "reference" / "http-api.md").read_text("utf-8")


def row(page, beginning):
    """Return the numbers in the row of a table that begins so."""
    (line,) = (each for each in page.splitlines() if each.startswith(f"| {beginning}"))
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", line)]


def test_the_page_on_security_names_the_limits_of_a_process():
    assert row(SECURITY, "a head") == [
        request_limits.HEAD_SECONDS,
        request_limits.MAX_HEAD_BYTES // request_limits.KIBIBYTE,
    ]
    assert row(SECURITY, "a body, from") == [request_limits.BODY_SECONDS, 400]
    assert row(SECURITY, "a body when") == [request_limits.LAST_BODY_SECONDS, 503]
    assert row(SECURITY, "the next request of a connection") == [
        request_limits.LAST_IDLE_SECONDS,
        request_limits.LAST_BODY_SECONDS,
    ]
    assert row(SECURITY, "a body to the API")[:2] == [
        MAX_BODY_BYTES // request_limits.MEBIBYTE,
        request_limits.MAX_FORM_BYTES // request_limits.KIBIBYTE,
    ]
    assert row(SECURITY, "a body to [`/v1/segment")[-2:] == [
        segment.MAX_BODY_BYTES // request_limits.MEBIBYTE,
        400,
    ]
    assert (
        row(SECURITY, "all bodies")[0]
        == request_limits.MAX_HELD_BYTES // request_limits.MEBIBYTE
    )
    assert row(SECURITY, "connections") == [request_limits.MAX_CONNECTIONS]
    assert row(SECURITY, "wait for a thread") == [request_limits.TURN_SECONDS, 503]
    assert row(SECURITY, "a piece of an answer") == [request_limits.STALL_SECONDS]
    assert row(SECURITY, "requests that come before") == [
        request_limits.MAX_PIPELINED,
        request_limits.MAX_HEAD_BYTES // request_limits.KIBIBYTE,
    ]
    assert row(SECURITY, "answers that nobody takes") == [
        request_limits.MAX_UNSENT_BYTES // request_limits.MEBIBYTE
    ]
    assert row(SECURITY, "answers of more than") == [
        request_limits.WHOLE_BYTES // request_limits.KIBIBYTE,
        request_limits.MAX_STREAMS,
        503,
    ]
    assert (
        f"up to {request_limits.WHOLE_BYTES // request_limits.KIBIBYTE} KB" in SECURITY
    )
    assert (
        f"more than {request_limits.HEAVY_BYTES // request_limits.KIBIBYTE} KB are heavy"
        in SECURITY
    )


def test_the_reference_names_what_is_refused_before_the_api():
    assert row(API, "time from the head") == [request_limits.BODY_SECONDS, 400]
    assert row(API, "414") == [414, request_limits.MAX_URL_BYTES]
    assert row(API, "431") == [
        431,
        request_limits.MAX_HEADERS,
        request_limits.MAX_HEADER_BYTES,
        request_limits.MAX_HEAD_BYTES // request_limits.KIBIBYTE,
    ]
