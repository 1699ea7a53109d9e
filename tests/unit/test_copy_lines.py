"""The lines that COPY reads take little memory, whatever stands in the bodies."""

import tracemalloc
from datetime import UTC, datetime

import msgspec
import pytest

from referrals.log.postgresql import make_lines
from referrals.log.rows import LogEnd, LogRow

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BODY_BYTES = 10_000


def a_row(text):
    body = msgspec.json.encode({"content": text}).ljust(BODY_BYTES)
    return LogRow(
        *("key", "f" * 32, NOW, "app_open", "", "sms", "valid", False),
        body=msgspec.Raw(body),
        request_id="request",
    )


@pytest.mark.parametrize("text", ["plain", "\U0001f600", "a\\b"])
def test_no_character_makes_the_lines_many_times_as_large(text):
    rows = [a_row(text) for _ in range(200)]

    tracemalloc.start()
    try:
        lines = make_lines(1, LogEnd(0, NOW, {}), rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert lines.count(b"\n") == len(rows)
    assert peak < 3.5 * len(lines)
