"""The lines that COPY reads take little memory, whatever stands in the bodies."""

from datetime import UTC, datetime

import msgspec
import pytest

from referrals.log.postgresql import make_lines
from referrals.log.rows import LogEnd, LogRow
from tests.harness.memory import measure_peak

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BODY_BYTES = 4_000


def a_row(text):
    body = msgspec.json.encode({"content": text}).ljust(BODY_BYTES)
    return LogRow(
        *("key", "f" * 32, NOW, "app_open", "", "sms", "valid", False),
        body=msgspec.Raw(body),
        request_id="request",
    )


@pytest.mark.parametrize("text", ["plain", "\U0001f600", "a\\b"])
def test_no_character_makes_the_lines_of_many_rows_large(text):
    rows = [a_row(text) for _ in range(1_000)]

    sizes, peak = measure_peak(
        lambda: [len(lines) for lines in make_lines(1, LogEnd(0, NOW, {}), rows)]
    )

    assert sum(sizes) > len(rows) * BODY_BYTES
    assert peak < sum(sizes) / 2


def test_positions_go_on_from_the_end_of_the_log():
    rows = [a_row("plain") for _ in range(250)]

    lines = b"".join(make_lines(7, LogEnd(41, NOW, {}), rows)).splitlines()

    assert [line.split(b"\t")[:2] for line in lines] == [
        [b"%d" % position, b"7"] for position in range(42, 292)
    ]
