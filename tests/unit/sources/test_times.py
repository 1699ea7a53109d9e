"""When it happened, as platforms write it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.mapping.times import TimeForm, read_time, write_time


@pytest.mark.parametrize(
    ("value", "form", "written"),
    [
        (1795860301, "unix_s", "2026-11-28T10:05:01Z"),
        ("1795860301", "unix_s", "2026-11-28T10:05:01Z"),
        (1795860301.5, "unix_s", "2026-11-28T10:05:01.5Z"),
        ("1795860301.1234567", "unix_s", "2026-11-28T10:05:01.123456Z"),
        (1795860301422, "unix_ms", "2026-11-28T10:05:01.422Z"),
        ("1795860301422", "unix_ms", "2026-11-28T10:05:01.422Z"),
        ("2026-11-28T10:05:01Z", "rfc3339", "2026-11-28T10:05:01Z"),
        ("2026-11-28T12:05:01.000001+02:00", "rfc3339", "2026-11-28T10:05:01.000001Z"),
        ("2026-11-28t10:05:01z", "rfc3339", "2026-11-28T10:05:01Z"),
        ("2026-11-28 10:05:01.118", "utc_text", "2026-11-28T10:05:01.118Z"),
        ("2026-11-28 10:05:01", "utc_text", "2026-11-28T10:05:01Z"),
        ("2026-11-28 10:05:01 UTC", "utc_text", "2026-11-28T10:05:01Z"),
        ("2026-11-28 10:05:01.898+0000", "utc_text", "2026-11-28T10:05:01.898Z"),
        ("2026-11-28T10:05:01-05:30", "utc_text", "2026-11-28T15:35:01Z"),
        ("2026-11-28T10:05:01.123456789Z", "rfc3339", "2026-11-28T10:05:01.123456Z"),
    ],
    ids=repr,
)
def test_a_time_is_read_as_the_platform_means_it(value, form, written):
    assert write_time(read_time(value, TimeForm(form))) == written


@pytest.mark.parametrize(
    ("value", "form", "code"),
    [
        (1795860301422, "unix_s", Code.MILLISECONDS),
        (1795860301, "unix_ms", Code.BAD_TIME),
        (10**14 + 1, "unix_ms", Code.BAD_TIME),
        (0, "unix_s", Code.TOO_EARLY),
        ("1999-12-31T23:59:59Z", "rfc3339", Code.TOO_EARLY),
        ("2026-11-28T10:05:01", "rfc3339", Code.BAD_TIME),
        ("2026-11-28", "rfc3339", Code.BAD_TIME),
        ("2026-13-28T10:05:01Z", "rfc3339", Code.BAD_TIME),
        ("0001-01-01T00:00:00+14:00", "rfc3339", Code.BAD_TIME),
        ("yesterday", "utc_text", Code.BAD_TIME),
        (1795860301, "rfc3339", Code.BAD_TIME),
        ("soon", "unix_s", Code.BAD_TIME),
        ("-5", "unix_s", Code.BAD_TIME),
        ("1e9", "unix_s", Code.BAD_TIME),
        ("١٧٩٥٨٦٠٣٠١", "unix_s", Code.BAD_TIME),
        (True, "unix_s", Code.BAD_TIME),
        ([1795860301], "unix_s", Code.BAD_TIME),
        ({"a": 1}, "utc_text", Code.BAD_TIME),
        (float("inf"), "unix_s", Code.BAD_TIME),
        (float("nan"), "unix_ms", Code.BAD_TIME),
    ],
    ids=repr,
)
def test_a_time_of_another_form_is_refused_and_not_repeated(value, form, code):
    with pytest.raises(BrokenRuleError) as raised:
        read_time(value, TimeForm(form))

    assert (raised.value.code, raised.value.pointer) == (code, "/occurred_at")
    assert "yesterday" not in raised.value.detail


INSTANTS = st.integers(946684800 * 10**6, 4102444800 * 10**6).map(
    lambda micro: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)
)


@given(INSTANTS)
def test_what_is_written_is_read_again(instant):
    assert read_time(write_time(instant), TimeForm.RFC3339) == instant


@given(INSTANTS.map(lambda each: each.replace(microsecond=0)))
def test_seconds_are_those_of_unix(instant):
    assert read_time(int(instant.timestamp()), TimeForm.UNIX_S) == instant


@given(INSTANTS.filter(lambda each: each > datetime(1973, 3, 4, tzinfo=UTC)))
def test_milliseconds_are_a_thousandth(instant):
    milliseconds = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )

    read = read_time(milliseconds, TimeForm.UNIX_MS)

    assert timedelta(0) <= instant - read < timedelta(milliseconds=1)
